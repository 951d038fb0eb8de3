//! Lines that a reader can paste into another terminal.

use std::path::{Path, PathBuf};

use crate::global::Global;

/// How this program is called from where the reader is: by its name if that is what the shell would
/// find, else by its path.
pub(crate) fn program() -> String {
    let Ok(own) = std::env::current_exe() else { return "motet".to_owned() };
    let found = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path).map(|folder| folder.join("motet")).find(|program| program.is_file())
    });
    if found.is_some_and(|found| same(&found, &own)) {
        return "motet".to_owned();
    }
    let here = std::env::current_dir().ok();
    let short = here.as_deref().and_then(|here| own.strip_prefix(here).ok());
    quoted(&short.unwrap_or(&own).to_string_lossy())
}

fn same(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

/// The flags without which a pasted line would look for services elsewhere.
pub(crate) fn flags(global: &Global) -> String {
    match global.registry.as_deref() {
        None | Some("file:" | "") => String::new(),
        Some(url) => format!(" --registry {}", quoted(url)),
    }
}

/// A word as a shell reads it.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// A call by `curl`, where one of these endpoints speaks HTTP/JSON without TLS.
pub(crate) fn curl(endpoints: &[motet::Endpoint], path: &str, json: &str) -> Option<String> {
    let speaks = |endpoint: &&motet::Endpoint| {
        endpoint.transport == "tcp" && !endpoint.tls && endpoint.protocols.iter().any(|name| name == "http")
    };
    let endpoint = endpoints.iter().find(speaks)?;
    Some(format!("curl http://{}/{} -d {}", endpoint.address, quoted(path), quoted(json)))
}

/// The cargo that this program was started by, else the one that the shell would find.
pub(crate) fn cargo() -> PathBuf {
    std::env::var_os("CARGO").filter(|path| !path.is_empty()).map_or_else(|| "cargo".into(), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_as_a_shell_reads_them() {
        for (word, expected) in [
            ("target/debug/motet", "target/debug/motet"),
            ("file:///tmp/x", "file:///tmp/x"),
            ("", "''"),
            (r#"{"name":"world"}"#, r#"'{"name":"world"}'"#),
            ("it's", r"'it'\''s'"),
            ("a b", "'a b'"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }
}

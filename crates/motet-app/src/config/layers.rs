//! The layers that `run` merges: code and files, then the environment, then flags.
//!
//! | from | to |
//! |---|---|
//! | `MOTET_SERVER__LISTEN` | `server.listen`: `__` separates sections, names are lower-cased |
//! | `MOTET_REGISTRY`, `--registry URL` | `registry.url` |
//! | `MOTET_LISTEN`, `--listen ADDRESS` (may repeat) | `server.listen` |
//! | `MOTET_DEFAULT_LISTEN` | `server.listen` where nothing else, code and files included, names it |
//! | `MOTET_LOG`, else `RUST_LOG` | `log.level` |
//! | `MOTET_CONFIG`, `--config FILE` (may repeat) | a file laid over those that the code names |
//! | `MOTET_GROUP`, `--group NAME` | the process group |
//! | `--set KEY=VALUE` (may repeat) | any key; quote parts that hold a dot |

use motet_core::{Result, Status};
use serde_json::Value;

use super::{Config, nearest, source::ConfigSource, tree::Origin};

/// What `--help` prints.
pub(crate) const USAGE: &str = "\
Options:
  --listen ADDRESS      listen here, such as tcp://0.0.0.0:4000 (may repeat)
  --registry URL        find and register services here, such as file: or memory:
  --config FILE         lay this TOML file over the built-in configuration (may repeat)
  --group NAME          run the modules of [groups.NAME] only
  --set KEY=VALUE       set one configuration key, such as server.message_limit=1048576 (may repeat)
  --help                print this

Every key can also be set as an environment variable: server.listen is MOTET_SERVER__LISTEN.";

/// The merged configuration and what else environment and flags said.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    pub(crate) group: Option<String>,
    pub(crate) help: bool,
    /// What is odd but no error, to be logged once there is a log.
    pub(crate) notes: Vec<String>,
}

/// What the command line says.
#[derive(Debug, Default)]
struct Flags {
    files: Vec<String>,
    listen: Vec<String>,
    registry: Option<String>,
    group: Option<String>,
    set: Vec<(Vec<String>, String)>,
    help: bool,
}

/// Merges the layers: `sources` in their order, then `environment`, then `arguments` (without the
/// program's name).
///
/// # Errors
/// InvalidArgument or NotFound, naming the file, variable or flag.
pub(crate) fn load(
    sources: &[ConfigSource],
    environment: impl IntoIterator<Item = (String, String)>,
    arguments: impl IntoIterator<Item = String>,
) -> Result<Loaded> {
    let flags = Flags::parse(arguments)?;
    // Sorted, so that the outcome does not depend on the order of the environment.
    let environment: std::collections::BTreeMap<_, _> =
        environment.into_iter().filter(|(_, v)| !v.is_empty()).collect();
    let mut loaded = Loaded { help: flags.help, ..Loaded::default() };
    for source in sources {
        loaded.config = loaded.config.merge(&source.read()?);
    }
    let named = environment.get("MOTET_CONFIG").into_iter().flat_map(|names| names.split(',')).map(str::to_owned);
    for file in named.chain(flags.files.iter().cloned()) {
        loaded.config = loaded.config.merge(&Config::file(file)?);
    }
    for (name, value) in &environment {
        loaded.variable(name, value);
    }
    loaded.flags(flags);
    if let Some(address) = environment.get("MOTET_DEFAULT_LISTEN").filter(|_| !loaded.config.contains("server.listen"))
    {
        let path = vec!["server".to_owned(), "listen".to_owned()];
        let origin = Origin::Environment("MOTET_DEFAULT_LISTEN".to_owned());
        loaded.config = loaded.config.with_origin(path, address.as_str().into(), origin);
    }
    Ok(loaded)
}

impl Loaded {
    fn variable(&mut self, name: &str, value: &str) {
        let path: Vec<String> = match name {
            "MOTET_REGISTRY" => vec!["registry".to_owned(), "url".to_owned()],
            "MOTET_LISTEN" => vec!["server".to_owned(), "listen".to_owned()],
            // Read once all others have spoken.
            "MOTET_DEFAULT_LISTEN" => return,
            // M sorts before R: RUST_LOG counts only where MOTET_LOG has not spoken.
            "MOTET_LOG" => vec!["log".to_owned(), "level".to_owned()],
            "RUST_LOG" if !self.has_spoken(&["log", "level"]) => vec!["log".to_owned(), "level".to_owned()],
            "MOTET_GROUP" => return self.group = Some(value.to_owned()),
            "MOTET_CONFIG" => return,
            _ => match name.strip_prefix("MOTET_") {
                Some(rest) if rest.contains("__") => rest.split("__").map(str::to_ascii_lowercase).collect(),
                Some(_) => {
                    let note =
                        format!("environment variable {name} is not used: two underscores separate section and key");
                    return self.notes.push(note);
                }
                None => return,
            },
        };
        if path.iter().any(String::is_empty) {
            return self.notes.push(format!("environment variable {name} is not used: a part of it is empty"));
        }
        let config = std::mem::take(&mut self.config);
        self.config = config.with_origin(path, value.into(), Origin::Environment(name.to_owned()));
    }

    fn has_spoken(&self, path: &[&str]) -> bool {
        matches!(self.config.origin(path), Some(Origin::Environment(_)))
    }

    fn flags(&mut self, flags: Flags) {
        let mut config = std::mem::take(&mut self.config);
        for (path, value) in flags.set {
            config = config.with_origin(path, value.into(), Origin::Flag("--set".to_owned()));
        }
        let two = |a: &str, b: &str| vec![a.to_owned(), b.to_owned()];
        if !flags.listen.is_empty() {
            let all: Value = flags.listen.into_iter().collect();
            config = config.with_origin(two("server", "listen"), all, Origin::Flag("--listen".to_owned()));
        }
        if let Some(url) = flags.registry {
            config = config.with_origin(two("registry", "url"), url.into(), Origin::Flag("--registry".to_owned()));
        }
        self.group = flags.group.or(self.group.take());
        self.config = config;
    }
}

impl Flags {
    fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Flags> {
        const KNOWN: [&str; 6] = ["--listen", "--registry", "--config", "--group", "--set", "--help"];
        let mut flags = Flags::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let (name, inline) = match argument.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name.to_owned(), Some(value.to_owned())),
                _ => (argument, None),
            };
            match name.as_str() {
                "--" => break,
                "--help" | "-h" => flags.help = true,
                known if KNOWN.contains(&known) => {
                    let value = inline.or_else(|| arguments.next()).filter(|value| !value.is_empty());
                    let value = value.ok_or_else(|| Status::invalid_argument(format!("flag {name} needs a value")))?;
                    flags.take(known, value)?;
                }
                other => {
                    let near = nearest(other, KNOWN).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                    return Err(Status::invalid_argument(format!(
                        "argument {other:?} is not known{near} (known: {}; arguments of your own go behind --, or \
                         give the App those it is to read with AppBuilder::arguments)",
                        KNOWN.join(", ")
                    )));
                }
            }
        }
        Ok(flags)
    }

    fn take(&mut self, name: &str, value: String) -> Result<()> {
        match name {
            "--listen" => self.listen.push(value),
            "--registry" => self.registry = Some(value),
            "--config" => self.files.push(value),
            "--group" => self.group = Some(value),
            _ => {
                let path = value.split_once('=').and_then(|(key, value)| Some((dotted(key)?, value.to_owned())));
                self.set.push(path.ok_or_else(|| {
                    Status::invalid_argument(
                        "flag --set needs KEY=VALUE, such as --set server.listen=tcp://0.0.0.0:4000",
                    )
                })?);
            }
        }
        Ok(())
    }
}

/// The parts of a key as TOML writes it: `modules."shop.orders".weight`.
fn dotted(key: &str) -> Option<Vec<String>> {
    if key.contains(['\n', '[', '=']) {
        return None;
    }
    let mut table: toml::Table = toml::from_str(&format!("{key} = 0")).ok()?;
    let mut path = Vec::new();
    loop {
        let (key, value) = table.into_iter().next()?;
        path.push(key);
        match value {
            toml::Value::Table(inner) => table = inner,
            _ => return Some(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(files: &[&str], environment: &[(&str, &str)], arguments: &[&str]) -> Result<Loaded> {
        let sources: Vec<_> =
            files.iter().map(|text| ConfigSource::from(Config::toml(text).expect("valid TOML"))).collect();
        let environment = environment.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        load(&sources, environment, arguments.iter().map(|argument| argument.to_string()))
    }

    fn value(loaded: &Loaded, key: &str) -> Option<String> {
        loaded.config.contains(key).then(|| loaded.config.get(key).expect("text"))
    }

    /// Lower rows win.
    #[test]
    fn the_later_layer_wins() {
        let files = ["[shop]\ngreeting = 'first file'", "[shop]\ngreeting = 'second file'"];
        let environment = [("MOTET_SHOP__GREETING", "environment")];
        let flags = ["--set", "shop.greeting=flag"];
        for (files, environment, flags, expected) in [
            (&files[..0], &environment[..0], &flags[..0], None),
            (&files[..1], &environment[..0], &flags[..0], Some("first file")),
            (&files[..], &environment[..0], &flags[..0], Some("second file")),
            (&files[..], &environment[..], &flags[..0], Some("environment")),
            (&files[..], &environment[..], &flags[..], Some("flag")),
            (&files[..0], &environment[..], &flags[..], Some("flag")),
        ] {
            let loaded = merged(files, environment, flags).expect("loads");
            assert_eq!(value(&loaded, "shop.greeting").as_deref(), expected);
        }
    }

    #[test]
    fn a_named_file_lies_over_the_code_and_under_the_environment() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("app.toml");
        std::fs::write(&path, "[shop]\na = 'file'\nb = 'file'\nc = 'file'").expect("written");
        let path = path.to_str().expect("UTF-8");
        let code = ["[shop]\na = 'code'\nd = 'code'"];
        for (environment, flags) in [
            (&[("MOTET_SHOP__B", "env"), ("MOTET_CONFIG", path)][..], &[][..]),
            (&[("MOTET_SHOP__B", "env")], &["--config", path]),
        ] {
            let loaded = merged(&code, environment, flags).expect("loads");
            let all: Vec<_> = ["a", "b", "c", "d"].map(|key| value(&loaded, &format!("shop.{key}"))).to_vec();
            assert_eq!(all.iter().flatten().collect::<Vec<_>>(), ["file", "env", "file", "code"]);
        }
    }

    #[test]
    fn variables_are_mapped_to_keys() {
        let loaded = merged(
            &[],
            &[
                ("MOTET_SERVER__LISTEN", "tcp://0.0.0.0:1"),
                ("MOTET_REGISTRY", "memory:"),
                ("MOTET_MODULES__GREETER__WEIGHT", "50"),
                ("MOTET_GROUP", "web"),
                ("MOTET_LOG", "debug"),
                ("RUST_LOG", "trace"),
                ("MOTET_SHOP__EMPTY", ""),
                ("MOTET_HOME", "/x"),
                ("PATH", "/bin"),
            ],
            &[],
        )
        .expect("loads");
        for (key, expected) in [
            ("server.listen", Some("tcp://0.0.0.0:1")),
            ("registry.url", Some("memory:")),
            ("modules.greeter.weight", Some("50")),
            ("log.level", Some("debug")),
            ("shop.empty", None),
            ("home", None),
        ] {
            assert_eq!(value(&loaded, key).as_deref(), expected, "{key}");
        }
        assert_eq!(loaded.group.as_deref(), Some("web"));
        assert!(loaded.notes.len() == 1 && loaded.notes[0].contains("MOTET_HOME"), "{:?}", loaded.notes);
        let level = |file: &str| value(&merged(&[file], &[("RUST_LOG", "trace")], &[]).expect("loads"), "log.level");
        assert_eq!(level("[log]\nlevel = 'warn'").as_deref(), Some("trace"));
    }

    #[test]
    fn the_default_address_counts_where_no_other_is_named() {
        let listen = |file: &str, environment: &[(&str, &str)], flags: &[&str]| {
            let default = ("MOTET_DEFAULT_LISTEN", "tcp://d:1");
            let loaded = merged(&[file], &[&[default], environment].concat(), flags).expect("loads");
            let all = loaded.config.get::<Vec<String>>("server.listen");
            (all.map_or_else(|_| value(&loaded, "server.listen"), |all| all.first().cloned()), loaded.notes)
        };
        for (file, environment, flags, expected) in [
            ("", &[][..], &[][..], "tcp://d:1"),
            ("[server]\nlisten = 'tcp://f:1'", &[], &[], "tcp://f:1"),
            ("", &[("MOTET_SERVER__LISTEN", "tcp://e:1")], &[], "tcp://e:1"),
            ("", &[], &["--listen=tcp://a:1"], "tcp://a:1"),
        ] {
            assert_eq!(listen(file, environment, flags), (Some(expected.to_owned()), Vec::new()));
        }
    }

    #[test]
    fn flags_are_read_in_both_spellings() {
        let flags =
            ["--listen=tcp://a:1", "--listen", "tcp://b:2", "--registry=memory:", "--group", "web", "--", "--mine"];
        let loaded = merged(&[], &[("MOTET_GROUP", "other")], &flags).expect("loads");
        assert_eq!(loaded.config.get::<Vec<String>>("server.listen").expect("a list"), ["tcp://a:1", "tcp://b:2"]);
        assert_eq!(
            (value(&loaded, "registry.url").as_deref(), loaded.group.as_deref()),
            (Some("memory:"), Some("web"))
        );
        let quoted = merged(&[], &[], &["--set", "modules.\"shop.orders\".weight=5"]).expect("loads");
        assert_eq!(quoted.config.keys(&["modules"]), ["shop.orders"]);
    }

    #[test]
    fn wrong_flags_say_what_is_known() {
        for (flags, expected) in [
            (&["--lisen", "x"][..], "did you mean --listen?"),
            (&["--listen"], "flag --listen needs a value"),
            (&["--set", "novalue"], "--set needs KEY=VALUE"),
            (&["--set", "a]b=1"], "--set needs KEY=VALUE"),
            (&["serve"], "argument \"serve\" is not known"),
            (&["--config", "/nowhere/app.toml"], "/nowhere/app.toml"),
        ] {
            let error = merged(&[], &[], flags).expect_err("wrong");
            assert!(error.message().contains(expected), "{error}");
        }
    }
}

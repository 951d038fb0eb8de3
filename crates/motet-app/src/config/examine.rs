//! What an App would read, for tools that look before one starts.

use std::path::PathBuf;

use motet_core::Result;
use motet_rpc::{ClientTls, ServerTls};

use super::{ConfigSource, load, settings::Settings};

/// What an App would read from files and environment.
#[derive(Clone, Debug)]
pub struct Examined {
    /// Where it would listen; nothing where that is left to the code.
    pub listen: Vec<String>,
    /// What is odd but no error.
    pub notes: Vec<String>,
}

/// Reads files in their order, and then the environment with the files that it names, as `run` does,
/// and the certificates and keys that they name. It blocks for the reads.
///
/// # Errors
/// What keeps an App from starting, naming the source and the key.
pub fn examine(files: &[PathBuf], environment: impl IntoIterator<Item = (String, String)>) -> Result<Examined> {
    let sources: Vec<_> = files.iter().map(|file| ConfigSource::from(file.as_path())).collect();
    let loaded = load(&sources, environment, [])?;
    let settings = Settings::read(&loaded.config)?;
    settings.server.tls.as_ref().map(ServerTls::load).transpose()?;
    settings.client_tls.as_ref().map(ClientTls::load).transpose()?;
    Ok(Examined { listen: settings.server.listen, notes: [loaded.notes, settings.notes].concat() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_app_would_refuse_is_refused_and_what_is_odd_is_noted() {
        let temp = tempfile::tempdir().expect("temp");
        let file = |name: &str, text: &str| {
            let path = temp.path().join(name);
            std::fs::write(&path, text).expect("written");
            path
        };
        let good = file("good.toml", "[server]\nlisten = 'tcp://127.0.0.1:4000'\n[sever]");
        let odd = [("MOTET_LISTN".to_owned(), "x".to_owned())];
        let examined = examine(std::slice::from_ref(&good), odd).expect("valid");
        assert_eq!(examined.listen, ["tcp://127.0.0.1:4000"]);
        assert!(examined.notes[0].contains("MOTET_LISTN") && examined.notes[1].contains("did you mean \"server\""));
        let over = [("MOTET_LISTEN".to_owned(), "tcp://b:1".to_owned())];
        assert_eq!(examine(std::slice::from_ref(&good), over).expect("valid").listen, ["tcp://b:1"]);
        for (text, says) in [
            ("[server]\nlisen = 'x'", "did you mean \"listen\"?"),
            ("[server", "line 1 is no valid TOML"),
            ("[tls]\ncert = '/nowhere/c.pem'\nkey = '/nowhere/k.pem'", "/nowhere/c.pem"),
        ] {
            let error = examine(&[good.clone(), file("bad.toml", text)], []).expect_err(text);
            assert!(error.message().contains(says), "{error}");
        }
    }
}

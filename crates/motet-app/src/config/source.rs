//! Where a builder takes configuration from.

use std::path::{Path, PathBuf};

use motet_core::Result;

use super::Config;

/// Configuration for a builder: a value, or the path of a file that is read when the App starts.
#[derive(Clone, Debug)]
pub struct ConfigSource(Kind);

#[derive(Clone, Debug)]
enum Kind {
    File(PathBuf),
    Value(Config),
}

impl ConfigSource {
    pub(crate) fn read(&self) -> Result<Config> {
        match &self.0 {
            Kind::File(path) => Config::file(path),
            Kind::Value(config) => Ok(config.clone()),
        }
    }
}

impl From<Config> for ConfigSource {
    fn from(config: Config) -> ConfigSource {
        ConfigSource(Kind::Value(config))
    }
}

impl From<PathBuf> for ConfigSource {
    fn from(path: PathBuf) -> ConfigSource {
        ConfigSource(Kind::File(path))
    }
}

impl From<&Path> for ConfigSource {
    fn from(path: &Path) -> ConfigSource {
        path.to_owned().into()
    }
}

impl From<&str> for ConfigSource {
    fn from(path: &str) -> ConfigSource {
        PathBuf::from(path).into()
    }
}

impl From<String> for ConfigSource {
    fn from(path: String) -> ConfigSource {
        PathBuf::from(path).into()
    }
}

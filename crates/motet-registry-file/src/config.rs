//! Where the registry is and how often it looks.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use motet_core::{Result, Status};
use serde::{Deserialize, Serialize};

/// Where a [`FileRegistry`](crate::FileRegistry) is and how often it looks.
///
/// In configuration files: `directory` (a path) and `poll_ms` (milliseconds).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FileConfig {
    /// The folder; by default [`FileConfig::default_directory`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
    /// How often the folder is looked at while somebody watches, and how often this process makes
    /// sure that its own records are still there; 200 ms by default, 10 ms to 1 s.
    #[serde(rename = "poll_ms", with = "milliseconds")]
    pub poll: Duration,
}

impl Default for FileConfig {
    fn default() -> FileConfig {
        FileConfig { directory: None, poll: Duration::from_millis(200) }
    }
}

impl FileConfig {
    /// A registry in this folder, everything else by default.
    pub fn at(directory: impl Into<PathBuf>) -> FileConfig {
        FileConfig { directory: Some(directory.into()), ..FileConfig::default() }
    }

    /// The registry that a URL names: `file:///path`, or `file:` for the default folder. The path is
    /// taken as it stands, without percent-decoding.
    ///
    /// # Errors
    /// InvalidArgument for another scheme, a host, or a path that is not absolute.
    pub fn from_url(url: &str) -> Result<FileConfig> {
        let wrong = || {
            let url: String = url.chars().take(200).collect();
            Status::invalid_argument(format!(
                "registry URL {url:?} must be `file:` for the default folder, or `file:///` and an absolute path"
            ))
        };
        match url.strip_prefix("file:").ok_or_else(wrong)? {
            "" | "//" => Ok(FileConfig::default()),
            rest => {
                let path = Path::new(rest.strip_prefix("//").unwrap_or(rest));
                if path.is_absolute() { Ok(FileConfig::at(path)) } else { Err(wrong()) }
            }
        }
    }

    /// The folder that all processes of one user share: `<temp>/motet-<uid>`. `<temp>` is
    /// [`std::env::temp_dir`], which reads the environment (`TMPDIR`); give a `directory` where that
    /// is not wanted.
    pub fn default_directory() -> PathBuf {
        #[cfg(unix)]
        let name = format!("motet-{}", rustix::process::geteuid().as_raw());
        #[cfg(not(unix))]
        let name = "motet";
        std::env::temp_dir().join(name)
    }

    /// Checks the values and gives the folder.
    #[cfg(unix)]
    pub(crate) fn checked(&self) -> Result<PathBuf> {
        if !(Duration::from_millis(10)..=Duration::from_secs(1)).contains(&self.poll) {
            return Err(Status::invalid_argument(format!(
                "poll_ms is {}: it must be 10 to 1000 milliseconds",
                self.poll.as_millis()
            )));
        }
        let directory = self.directory.clone().unwrap_or_else(FileConfig::default_directory);
        if directory.is_absolute() {
            return Ok(directory);
        }
        Err(Status::invalid_argument(format!("directory is {}: it must be an absolute path", directory.display())))
    }
}

mod milliseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(value.as_millis().try_into().unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_the_default_folder_or_an_absolute_path() {
        assert_eq!(FileConfig::from_url("file:"), Ok(FileConfig::default()));
        assert_eq!(FileConfig::from_url("file://"), Ok(FileConfig::default()));
        assert_eq!(FileConfig::from_url("file:///run/motet"), Ok(FileConfig::at("/run/motet")));
        assert_eq!(FileConfig::from_url("file:/run/motet"), Ok(FileConfig::at("/run/motet")));
        for wrong in ["file://host/run", "file:run", "memory:", "", "/run/motet"] {
            let status = FileConfig::from_url(wrong).expect_err(wrong);
            assert!(status.message().contains("file:///"), "{status}");
        }
    }

    #[test]
    fn a_configuration_is_written_in_milliseconds() {
        let config: FileConfig = serde_json::from_str(r#"{"directory":"/run/motet","poll_ms":50}"#).expect("valid");
        assert_eq!(config, FileConfig { poll: Duration::from_millis(50), ..FileConfig::at("/run/motet") });
        assert_eq!(serde_json::from_str::<FileConfig>("{}").expect("valid"), FileConfig::default());
        assert_eq!(serde_json::to_string(&FileConfig::default()).expect("writes"), r#"{"poll_ms":200}"#);
    }

    #[cfg(unix)]
    #[test]
    fn values_out_of_range_are_refused_by_name() {
        let slow = FileConfig { poll: Duration::from_secs(2), ..FileConfig::default() };
        assert!(slow.checked().expect_err("too slow").message().contains("poll_ms is 2000"));
        assert!(FileConfig::at("here").checked().expect_err("relative").message().contains("absolute"));
    }
}

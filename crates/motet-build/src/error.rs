//! Why no code was generated.

use std::{fmt, path::Path};

/// Why no code was generated. Its `Display` and its `Debug`, which cargo shows of a build script that
/// returns it, say file, line and what to do.
pub struct Error(Box<str>);

impl Error {
    pub(crate) fn new(message: impl Into<String>) -> Error {
        Error(message.into().into())
    }

    pub(crate) fn io(what: &str, path: &Path, error: &std::io::Error) -> Error {
        Error::new(format!("cannot {what} {}: {error}", path.display()))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{}\n", self.0)
    }
}

impl std::error::Error for Error {}

//! Metadata as rpcx writes it, and as Motet holds it.

use std::time::Duration;

use motet_core::{Code, Metadata, Result};

use crate::frame::{Frame, Writer};

/// The text of an error.
pub(crate) const ERROR: &str = "__rpcx_error__";
/// A caller's token.
pub(crate) const AUTH: &str = "__AUTH";
/// The time that a caller gives a call, in milliseconds.
pub(crate) const TIMEOUT: &str = "__ServerTimeout";

/// Keys of this beginning are rpcx's own.
const OWN: &str = "__";

/// The metadata of a frame without what rpcx adds for itself. Keys become lower case. Keys that Motet
/// cannot hold, and values that are neither text nor under a key that ends in `-bin`, are left out.
///
/// # Errors
/// ResourceExhausted past the limits of [`Metadata`].
pub(crate) fn read(frame: &Frame) -> Result<Metadata> {
    let mut all = Metadata::new();
    for (key, value) in frame.pairs() {
        let Ok(key) = std::str::from_utf8(&key) else { continue };
        if key.starts_with(OWN) {
            continue;
        }
        match all.push(key, value) {
            Err(status) if status.code() == Code::ResourceExhausted => return Err(status),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(all)
}

/// Adds metadata to a frame.
pub(crate) fn write(metadata: &Metadata, writer: &mut Writer<'_>) {
    for (key, value) in metadata.iter_raw() {
        if !key.starts_with(OWN) {
            writer.pair(key.as_bytes(), value);
        }
    }
}

/// The time that a caller gave, if it said.
pub(crate) fn timeout(frame: &Frame) -> Option<Duration> {
    let value = frame.value(TIMEOUT)?;
    let millis = std::str::from_utf8(&value).ok()?.parse().ok()?;
    Some(Duration::from_millis(millis))
}

/// A time as it is written: whole milliseconds, at least one.
pub(crate) fn millis(left: Duration) -> String {
    left.as_millis().max(1).to_string()
}

//! Which messages there are, and what every system does with them.

use anyhow::{Result, ensure};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// What the big message has in its strings.
pub(crate) const TEXT: &str = "许多往事在眼前一幕一幕，变的那麼模糊";
/// What it has in its integers.
pub(crate) const NUMBER: i32 = 100_000;

/// Which of the two messages a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Message {
    /// 581 bytes: 8 strings, 21 integers, 10 booleans.
    Big,
    /// 16 bytes: two fixed 64-bit integers.
    Small,
}

impl Message {
    pub(crate) const ALL: [Self; 2] = [Self::Big, Self::Small];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Big => "big",
            Self::Small => "small",
        }
    }
}

/// A message with a sample request and the handler that answers it.
pub(crate) trait Sample: Clone + PartialEq + Send + Sync + 'static {
    /// The request that the first call sends, and every other an equal one.
    fn sample() -> Self;

    /// The handler, the same in every system.
    fn handle(self) -> Self;

    /// Makes a reply the request again: sets back what the handler changed.
    fn again(&mut self);

    /// Whether the handler ran on the other side.
    fn is_reply(&self) -> bool;

    /// Fails when a reply is not the handler's, so that a broken system has no figures.
    fn check_reply(&self) -> Result<()> {
        ensure!(self.is_reply(), "a reply is not the handler's");
        Ok(())
    }
}

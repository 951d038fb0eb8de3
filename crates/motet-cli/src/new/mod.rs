//! `motet new`.

use crate::{failure::Outcome, global::Global};

/// The arguments of `motet new`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Runs the command.
pub(crate) async fn run(_: Args, _: &Global) -> Outcome {
    Ok(())
}

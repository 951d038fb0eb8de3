//! `motet run`.

use crate::{failure::Outcome, global::Global};

/// The arguments of `motet run`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Runs the command.
pub(crate) async fn run(_: Args, _: &Global) -> Outcome {
    Ok(())
}

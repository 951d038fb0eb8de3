//! `motet check`: whether callers of what was would break.

use std::path::Path;

use motet_proto::{Change, breaking_changes};
use serde::Serialize;

use crate::{
    call::interruptible,
    descriptors,
    failure::{Failure, Outcome, exit},
    global::Global,
    output::{Output, Style, plural},
    session::Session,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The services; all of --against if absent.
    #[arg(value_name = "SERVICE", add = crate::completions::services())]
    services: Vec<String>,
    /// What callers know: a file that `motet describe --json` has written, or the address of a process
    /// that runs (`host:port`, `unix:/path`).
    #[arg(long, value_name = "FILE|ADDRESS")]
    against: String,
    /// Check the services of this file instead of those that run.
    #[arg(long, value_name = "FILE")]
    from: Option<std::path::PathBuf>,
}

/// The result, as `--json` prints it.
#[derive(Serialize)]
struct Report {
    compatible: bool,
    services: Vec<String>,
    breaking: Vec<Change>,
}

/// Compares and says what would break.
pub(crate) async fn run(args: Args, global: &Global) -> Outcome {
    let output = Output::new(global.json);
    let old = match Path::new(&args.against) {
        file if file.is_file() => descriptors::only(descriptors::read(file)?, &args.services)?,
        file if !is_address(&args.against) => {
            return Err(Failure::usage(format!("there is no file {}", file.display()))
                .hint("write what callers know into one: motet describe --json > FILE"));
        }
        _ => {
            let there = Global { address: Some(args.against.clone()), ..global.clone() };
            let session = Session::open(&there).await?;
            interruptible(descriptors::running(&session, &args.services)).await?
        }
    };
    let new = match &args.from {
        Some(file) => descriptors::read(file)?,
        None => {
            let session = Session::open(global).await?;
            interruptible(descriptors::running(&session, &[])).await?
        }
    };
    let breaking =
        breaking_changes(&old, &new).map_err(|status| Failure::new(exit::STATUS, status.message().to_owned()))?;
    let services: Vec<_> = old.iter().map(|service| service.name.clone()).collect();
    let report = Report { compatible: breaking.is_empty(), services, breaking };
    tell(&output, &report)?;
    if report.compatible { Ok(()) } else { Err(Failure::said(exit::STATUS)) }
}

/// Whether it is meant as an address: a host and a port, or a scheme.
fn is_address(text: &str) -> bool {
    let port = text.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    port || text.contains("://") || text.starts_with("unix:")
}

fn tell(output: &Output, report: &Report) -> Outcome {
    if output.json {
        return output.json(report);
    }
    let names = report.services.join(", ");
    if report.compatible {
        return output.line(format!("{}: no caller would break", output.paint(Style::Name, names)));
    }
    for change in &report.breaking {
        output.line(crate::output::clean(&change.to_string()))?;
    }
    let count = plural(report.breaking.len(), "change");
    output.line(output.paint(Style::Bad, format!("{names}: {count} would break callers")))
}

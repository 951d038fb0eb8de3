//! Starts a server and a client process for each row.

use std::fmt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::plan::Step;
use crate::cli::Compare;
use crate::processes::{self, Server};
use crate::row::Row;

/// How both processes of every row are started.
pub(super) struct Pair {
    binary: PathBuf,
    /// The server's and the client's core; `None` leaves both to the scheduler.
    cores: Option<(usize, usize)>,
    workers: Option<u16>,
    warm_up: Duration,
    window: Duration,
}

impl Pair {
    pub(super) fn new(options: &Compare, window: Duration) -> Result<Self> {
        let cores = processes::cores()?;
        Ok(Self {
            binary: std::env::current_exe()?,
            cores: (options.workers.unwrap_or(1) <= 1).then_some(cores),
            workers: options.workers,
            warm_up: options.warm_up,
            window,
        })
    }

    /// Measures one row.
    pub(super) fn measure(&self, step: &Step) -> Result<Row> {
        let server = Server::start(self.command("serve", step, |(server, _)| server)?)?;
        let mut client = self.command("load", step, |(_, client)| client)?;
        client.args(["--shape", &step.shape.to_string()]);
        let mut row: Row = server.measured_by(client, self.warm_up, self.window)?;
        row.round = step.round;
        Ok(row)
    }

    fn command(&self, role: &str, step: &Step, core: impl Fn((usize, usize)) -> usize) -> Result<Command> {
        let mut command = Command::new(step.system.binary(&self.binary)?);
        command.args([role, step.system.name, "--message", step.message.name()]);
        if let Some(cores) = self.cores {
            command.args(["--core", &core(cores).to_string()]);
        }
        let workers = self.workers.unwrap_or(u16::from(!step.system.single_thread));
        if workers > 0 {
            command.args(["--workers", &workers.to_string()]);
        }
        Ok(command)
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cores {
            Some((one, other)) if one == other => {
                write!(f, "ONE core only: server and client share core {one}, throughput is not comparable")?
            }
            Some((server, client)) => {
                write!(f, "server on core {server}, client on core {client}")?;
            }
            None => write!(f, "server and client on any core")?,
        }
        match self.workers {
            None => write!(f, "; a multi-thread runtime of one worker each, motet-main on a single thread"),
            Some(0) => write!(f, "; a single-thread runtime each"),
            Some(workers) => write!(f, "; a multi-thread runtime each, workers: {workers}"),
        }
    }
}

//! Starts a server and a client process for each row.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::plan::Step;
use crate::cli::Compare;
use crate::process;
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
        let cores = process::cores()?;
        let first = *cores.first().context("no core to run on")?;
        let last = *cores.get(1).unwrap_or(&first);
        Ok(Self {
            binary: std::env::current_exe()?,
            cores: (options.workers.unwrap_or(1) <= 1).then_some((first, last)),
            workers: options.workers,
            warm_up: options.warm_up,
            window,
        })
    }

    /// Measures one row.
    pub(super) fn measure(&self, step: &Step) -> Result<Row> {
        let server = self.start_server(step)?;
        let shape = step.shape.to_string();
        let output = self
            .command("load", step, |(_, client)| client)
            .args(["--server", &server.address])
            .args(["--server-pid", &server.process.id().to_string()])
            .args(["--shape", &shape])
            .args(["--warm-up", &self.warm_up.as_secs_f64().to_string()])
            .args(["--seconds", &self.window.as_secs_f64().to_string()])
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()?;
        ensure!(output.status.success(), "the client ended: {}", output.status);
        let mut row: Row = serde_json::from_slice(&output.stdout).context("not a row")?;
        row.round = step.round;
        Ok(row)
    }

    fn start_server(&self, step: &Step) -> Result<Server> {
        let mut process =
            self.command("serve", step, |(server, _)| server).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdout = process.stdout.take().context("the server's output")?;
        let mut server = Server { process, address: String::new() };
        BufReader::new(stdout).read_line(&mut server.address)?;
        server.address = server.address.trim().to_owned();
        ensure!(!server.address.is_empty(), "the server did not start");
        Ok(server)
    }

    fn command(&self, role: &str, step: &Step, core: impl Fn((usize, usize)) -> usize) -> Command {
        let mut command = Command::new(&self.binary);
        command.args([role, step.system.name, "--message", step.message.name()]);
        if let Some(cores) = self.cores {
            command.args(["--core", &core(cores).to_string()]);
        }
        let workers = self.workers.unwrap_or(u16::from(!step.system.single_thread));
        if workers > 0 {
            command.args(["--workers", &workers.to_string()]);
        }
        command
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

/// A server process, ended with its row.
struct Server {
    process: Child,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when it has ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

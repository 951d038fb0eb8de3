//! Starts a server process and the client process that measures it, both this binary or one of its
//! shape.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::de::DeserializeOwned;

use crate::process;

/// The cores of the server and of the client: the first two, or the only one twice.
pub(crate) fn cores() -> Result<(usize, usize)> {
    let cores = process::cores()?;
    let first = *cores.first().context("no core to run on")?;
    Ok((first, *cores.get(1).unwrap_or(&first)))
}

/// A server process, ended when this is dropped.
pub(crate) struct Server {
    process: Child,
    address: String,
}

impl Server {
    /// Starts it and waits until it has printed its address.
    pub(crate) fn start(mut command: Command) -> Result<Self> {
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdout = process.stdout.take().context("the server's output")?;
        let mut server = Self { process, address: String::new() };
        BufReader::new(stdout).read_line(&mut server.address)?;
        server.address = server.address.trim().to_owned();
        ensure!(!server.address.is_empty(), "the server ended before it listened");
        Ok(server)
    }

    /// Runs a client against it to its end and reads what it has measured.
    pub(crate) fn measured_by<T: DeserializeOwned>(
        &self,
        mut client: Command,
        warm_up: Duration,
        window: Duration,
    ) -> Result<T> {
        let output = client
            .args(["--server", &self.address])
            .args(["--server-pid", &self.process.id().to_string()])
            .args(["--warm-up", &warm_up.as_secs_f64().to_string()])
            .args(["--seconds", &window.as_secs_f64().to_string()])
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()?;
        ensure!(output.status.success(), "the client ended: {}", output.status);
        serde_json::from_slice(&output.stdout).context("not what a client measures")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when it has ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Ends this process with its standard input: when the process that started it is gone.
pub(crate) fn end_with_input() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
}

//! The Go programs.

use std::{path::PathBuf, process::Stdio, time::Duration};

use motet::core::Endpoint;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdin, Command},
    time::timeout,
};

use crate::unary::LONG;

/// Where the Go programs are, and how long silence is.
pub(crate) struct Peers {
    folder: PathBuf,
    pub(crate) silence: Duration,
}

impl Peers {
    pub(crate) fn new(folder: PathBuf, full: bool) -> Peers {
        Peers { folder, silence: Duration::from_secs(if full { 60 } else { 1 }) }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.folder.join(program));
        command.env("MOTET_SILENCE", format!("{}s", self.silence.as_secs())).kill_on_drop(true);
        command
    }

    /// Runs a program to its end; gives what it said of each case.
    pub(crate) async fn cases(&self, program: &str, arguments: &[&str]) -> Vec<(String, Result<(), String>)> {
        self.cases_with("MOTET_PEER", program, program, arguments).await
    }

    /// The same with a variable of its environment set.
    pub(crate) async fn cases_with(
        &self,
        variable: &str,
        value: &str,
        program: &str,
        arguments: &[&str],
    ) -> Vec<(String, Result<(), String>)> {
        let said = match self.run(program, (variable, value), arguments).await {
            Ok(said) => said,
            Err(why) => return vec![(arguments.join(" "), Err(why))],
        };
        let case = |line: &str| match line.split_once(' ')? {
            ("ok", case) => Some((case.to_owned(), Ok(()))),
            ("FAILED", rest) => {
                let (case, why) = rest.split_once(": ").unwrap_or((rest, ""));
                Some((case.to_owned(), Err(why.to_owned())))
            }
            _ => None,
        };
        let mut cases: Vec<_> = said.out.lines().filter_map(case).collect();
        if !said.success && cases.iter().all(|(_, outcome)| outcome.is_ok()) {
            cases.push((arguments.join(" "), Err(said.error.chars().take(400).collect())));
        }
        cases
    }

    /// Runs a program to its end with a variable of its environment set.
    pub(crate) async fn run(
        &self,
        program: &str,
        (variable, value): (&str, &str),
        arguments: &[&str],
    ) -> Result<Said, String> {
        let running = self.command(program).env(variable, value).args(arguments).stdin(Stdio::null()).output();
        let output = timeout(LONG * 5, running).await.map_err(|_| "no end of it".to_owned())?;
        let output = output.map_err(|error| format!("{program}: {error}"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Said { success: output.status.success(), out: text(&output.stdout), error: text(&output.stderr) })
    }

    /// Starts a server.
    pub(crate) async fn server(&self, program: &str, arguments: &[&str]) -> Result<GoServer, String> {
        let mut command = self.command(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| format!("{program}: {error}"))?;
        let out = child.stdout.take().ok_or("no output")?;
        let mut lines = BufReader::new(out).lines();
        let listening = async {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some(address) = line.strip_prefix("listening ") {
                    return Ok(address.to_owned());
                }
            }
            Err(format!("{program} ended"))
        };
        let address = timeout(LONG, listening).await.map_err(|_| format!("{program} does not listen"))??;
        let stdin = child.stdin.take();
        Ok(GoServer { child, endpoint: Endpoint::new("tcp", address), _stdin: stdin })
    }
}

/// What a program said.
pub(crate) struct Said {
    pub(crate) success: bool,
    pub(crate) out: String,
    pub(crate) error: String,
}

/// A server of a Go program; it ends with this.
pub(crate) struct GoServer {
    child: Child,
    pub(crate) endpoint: Endpoint,
    _stdin: Option<ChildStdin>,
}

impl GoServer {
    /// Kills it.
    pub(crate) async fn kill(&mut self) {
        let _ = self.child.kill().await;
    }
}

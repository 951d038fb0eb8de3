//! One run of one program: its process, its lines, its end.

use std::{
    io,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    io::AsyncReadExt,
    process::{Child, Command},
    task::JoinHandle,
};

use super::screen::Screen;

/// The longest line that is shown whole.
const MAX_LINE: usize = 16 * 1024;

/// How long the last lines of a process that has ended are waited for.
const LAST_LINES: Duration = Duration::from_millis(300);

/// A process that runs. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// Its process group, until it has ended.
    group: Option<u32>,
    #[cfg(unix)]
    _guard: Option<Child>,
    lines: Option<JoinHandle<()>>,
}

impl Process {
    /// Starts a program in a process group of its own, so that a Ctrl-C meant for all reaches it
    /// through [`Process::ask`] only, and shows what it writes.
    ///
    /// # Errors
    /// The system's, when it cannot be started.
    pub(super) fn start(
        path: &Path,
        arguments: &[String],
        environment: &[(String, String)],
        program: usize,
        screen: &Screen,
    ) -> io::Result<Process> {
        // One pipe for both, so that their lines stay in order.
        let (reader, writer) = io::pipe()?;
        let mut command = Command::new(path);
        command.args(arguments).envs(environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer).kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        let child = command.spawn()?;
        // The writing ends go with it: the reader sees the end when the process has gone.
        drop(command);
        Ok(Process {
            #[cfg(unix)]
            _guard: guard(&child),
            group: child.id(),
            child,
            lines: Some(show(reader, program, screen.clone())?),
        })
    }

    /// Waits until it has ended and its last lines are shown; what it has started and left behind
    /// in its group ends with it. Cancel safe.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        self.kill();
        self.group = None;
        if let Some(lines) = &mut self.lines {
            let _ = tokio::time::timeout(LAST_LINES, lines).await;
            self.lines = None;
        }
        Ok(status)
    }

    /// Asks it to end.
    pub(super) fn ask(&mut self) {
        self.signal(false);
    }

    /// Ends it and what it has started.
    pub(super) fn kill(&mut self) {
        self.signal(true);
    }

    #[cfg(unix)]
    fn signal(&mut self, kill: bool) {
        use rustix::process::{Pid, Signal, kill_process_group};
        let signal = if kill { Signal::KILL } else { Signal::TERM };
        if let Some(group) = self.group.and_then(|id| Pid::from_raw(id.cast_signed())) {
            let _ = kill_process_group(group, signal);
        }
    }

    #[cfg(not(unix))]
    fn signal(&mut self, _kill: bool) {
        let _ = self.child.start_kill();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if let Some(lines) = &self.lines {
            lines.abort();
        }
    }
}

/// Ends the process when this one has been killed and cannot: a shell that waits for its input, which
/// this process holds, to end. It is killed with the [`Process`].
#[cfg(unix)]
fn guard(child: &Child) -> Option<Child> {
    const SCRIPT: &str = r#"read -r _
kill -s TERM -- "-$1" || exit 0
n=0
while [ $n -lt 50 ] && kill -s 0 -- "-$1"; do sleep 0.1; n=$((n + 1)); done
kill -s KILL -- "-$1""#;
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", SCRIPT, "motet-guard", &child.id()?.to_string()]);
    shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).kill_on_drop(true);
    // Without a shell the process is left to itself in that case.
    shell.spawn().ok()
}

/// Shows the lines of a pipe until it ends.
fn show(reader: io::PipeReader, program: usize, screen: Screen) -> io::Result<JoinHandle<()>> {
    #[cfg(unix)]
    let mut reader = tokio::net::unix::pipe::Receiver::from_owned_fd(reader.into())?;
    #[cfg(not(unix))]
    let mut reader = tokio::fs::File::from_std(std::os::windows::io::OwnedHandle::from(reader).into());
    Ok(tokio::spawn(async move {
        let mut buffer = Vec::new();
        loop {
            let end = !matches!(reader.read_buf(&mut buffer).await, Ok(n) if n > 0);
            let mut begin = 0;
            while let Some(length) = buffer[begin..].iter().position(|byte| *byte == b'\n') {
                line(&screen, program, &buffer[begin..begin + length]);
                begin += length + 1;
            }
            buffer.drain(..begin);
            if buffer.len() > MAX_LINE || (end && !buffer.is_empty()) {
                line(&screen, program, &buffer);
                buffer.clear();
            }
            if end {
                return;
            }
        }
    }))
}

fn line(screen: &Screen, program: usize, bytes: &[u8]) {
    screen.line(program, String::from_utf8_lossy(bytes).trim_end_matches('\r'));
}

//! Projects in folders of their own, and commands that run beside a test.
#![allow(dead_code, reason = "each test uses a part")]

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Long enough to build everything on a busy machine.
pub(crate) const COLD: Duration = Duration::from_secs(600);
/// Long enough to build one crate on a busy machine.
pub(crate) const WARM: Duration = Duration::from_secs(120);
/// Long enough for what needs no build.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A folder, with a registry that nobody else uses.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Place {
        Place { folder: tempfile::tempdir().expect("a folder") }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("in a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    }

    pub(crate) fn edit(&self, name: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path(name)).expect("read");
        assert!(text.contains(from), "{name} has no {from:?}");
        std::fs::write(self.path(name), text.replace(from, to)).expect("written");
    }

    pub(crate) fn registry(&self) -> String {
        format!("file://{}", self.path("registry").display())
    }

    /// A command in a folder of this place, apart from what the test's own environment says. The
    /// dependencies of all projects are built once, in one folder.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>, folder: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.path(folder)).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("MOTET_") || name.starts_with("CARGO_") || name == "RUST_LOG" || name == "RUSTFLAGS" {
                command.env_remove(name);
            }
        }
        let home = std::env::var_os("CARGO_HOME").into_iter().map(|home| ("CARGO_HOME", home));
        // Dependencies are those of this workspace, which has them already.
        command.envs(home).env("CARGO_NET_OFFLINE", "true");
        command.env("CARGO_TARGET_DIR", target()).env("MOTET_REGISTRY", self.registry());
        command
    }

    pub(crate) fn motet(&self, folder: &str, arguments: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_motet"), folder);
        command.args(arguments);
        command
    }

    /// Makes a project and gives it a program's name of its own.
    pub(crate) fn project(&self, name: &str) {
        let made = output(self.motet(".", &["new", name]));
        assert!(made.0, "{}", made.1);
    }
}

/// Where projects are built.
pub(crate) fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("projects")
}

/// Whether it went well, and all that it wrote.
pub(crate) fn output(mut command: Command) -> (bool, String) {
    let Output { status, stdout, stderr } = command.output().expect("starts");
    (status.success(), [String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)].concat())
}

/// A command that runs beside the test, and what it has written so far.
pub(crate) struct Beside {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    read: usize,
}

impl Beside {
    pub(crate) fn start(mut command: Command) -> Beside {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (out, err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        let listen = |reader: Box<dyn std::io::Read + Send>, lines: Arc<Mutex<Vec<String>>>| {
            std::thread::spawn(move || {
                for line in BufReader::new(reader).lines().map_while(Result::ok) {
                    lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                }
            })
        };
        listen(Box::new(out), lines.clone());
        listen(Box::new(err), lines.clone());
        Beside { child, lines, read: 0 }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// All that it has written.
    pub(crate) fn text(&self) -> String {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    /// Waits for a line that holds a text, behind the last one waited for.
    pub(crate) fn expect(&mut self, text: &str, patience: Duration) -> String {
        let (started, mut last) = (Instant::now(), false);
        loop {
            let (found, failed) = {
                let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
                let place = lines[self.read..].iter().position(|line| line.contains(text));
                let failed = lines[self.read..].iter().any(|line| line.contains("the build failed"));
                (place.map(|place| (self.read + place + 1, lines[self.read + place].clone())), failed)
            };
            if let Some((read, line)) = found {
                self.read = read;
                return line;
            }
            assert!(!last, "no line with {text:?} behind those waited for in:\n{}", self.text());
            last = failed || started.elapsed() > patience || self.child.try_wait().expect("a child").is_some();
            if last {
                // The last lines may still be on their way.
                std::thread::sleep(Duration::from_millis(300));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(name, self.id());
    }

    /// Waits for its end: the exit code, if it has one.
    pub(crate) fn end(&mut self, patience: Duration) -> Option<i32> {
        let started = Instant::now();
        loop {
            match self.child.try_wait().expect("a child") {
                Some(status) => return status.code(),
                None => assert!(started.elapsed() < patience, "it does not end:\n{}", self.text()),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            // In order, so that what it started ends as well.
            self.signal("-TERM");
            let started = Instant::now();
            while self.child.try_wait().is_ok_and(|ended| ended.is_none()) && started.elapsed() < SOON {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn signal(name: &str, id: u32) {
    assert!(Command::new("kill").args([name, &id.to_string()]).status().expect("kill runs").success());
}

/// Whether a process of this number runs.
pub(crate) fn runs(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // A dead one that nobody has waited for still has its number.
    !stat.is_empty() && !stat.contains(") Z ")
}

/// Waits until something holds.
pub(crate) fn wait_until(what: &str, patience: Duration, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < patience, "not within {patience:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What a printed line `curl http://ADDRESS/PATH -d 'BODY'` answers, sent as curl would: a reader's
/// machine has it, a tester's may not.
#[allow(dead_code, reason = "each test uses its part")]
pub(crate) fn curl(line: &str) -> String {
    use std::io::{Read, Write};
    let rest = line.trim().strip_prefix("curl http://").expect("a call by curl");
    let (url, body) = rest.split_once(" -d ").expect("a body");
    let (address, path) = url.split_once('/').expect("a path");
    let body = body.trim_matches('\'');
    let mut stream = std::net::TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).expect("a time");
    let request = format!(
        "POST /{path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\nConnection: close\r\n\
         Content-Length: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    answer
}

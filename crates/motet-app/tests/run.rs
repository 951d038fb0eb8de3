//! `run` in processes of its own: environment, flags, log and signals.
//!
//! Each test starts this test binary again and has it run one of the `child_*` functions, which do
//! nothing unless asked to by the variable `CHILD`.
#![cfg(unix)]

mod common;

use std::{
    io::Read,
    process::{Child, Command, Stdio},
    time::Duration,
};

use common::{Diarist, Diary, Runs, call, echo, stranger};
use motet_app::{App, runtime};
use motet_core::{Codec, Registry};
use motet_registry_file::{FileConfig, FileRegistry};
use tokio::time::Instant;

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

fn asked(child: &str) -> bool {
    std::env::var("CHILD").is_ok_and(|asked| asked == child)
}

fn exit(outcome: motet_core::Result<()>) -> ! {
    if let Err(status) = &outcome {
        eprintln!("error: {status}");
    }
    std::process::exit(if outcome.is_ok() { 0 } else { 1 });
}

/// The command line of a child comes from `FLAGS`: its own holds the test harness's.
fn app() -> motet_app::AppBuilder {
    let flags = std::env::var("FLAGS").unwrap_or_default();
    App::builder().name("child").arguments(flags.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
}

#[test]
fn child_serves() {
    if asked("serves") {
        exit(runtime::block_on(None, app().service(echo("echo")).run()));
    }
}

#[test]
fn child_has_its_own_log() {
    if asked("own-log") {
        tracing_subscriber::fmt().with_writer(std::io::stderr).with_target(false).init();
        tracing::info!("my own log");
        exit(runtime::block_on(Some(1), app().service(echo("echo")).run()));
    }
}

#[test]
fn child_hangs() {
    if asked("hangs") {
        let module = Diarist::new("stubborn", &Diary::default()).runs(Runs::Hangs);
        exit(runtime::block_on(None, app().module(module).service(echo("echo")).run()));
    }
}

struct Process {
    child: Child,
    folder: tempfile::TempDir,
}

impl Process {
    fn start(child: &str, test: &str, environment: &[(&str, &str)]) -> Process {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = Command::new(std::env::current_exe().expect("this binary"));
        command.args([test, "--exact", "--nocapture"]).env("CHILD", child).stdout(Stdio::null()).stderr(Stdio::piped());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MOTET_") || name == "RUST_LOG") {
            command.env_remove(name);
        }
        command.env("MOTET_REGISTRY", format!("file://{}", folder.path().join("registry").display()));
        command.envs(environment.iter().copied());
        Process { child: command.spawn().expect("starts"), folder }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
    }

    /// The address of its node, once it is there.
    async fn address(&mut self) -> String {
        let registry = FileRegistry::open(FileConfig::at(self.folder.path().join("registry"))).expect("opens");
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Some(node) = registry.lookup("echo").await.expect("reads").first()
                && node.state == motet_core::NodeState::Active
            {
                return node.endpoints[0].to_string();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no node: {}", self.end().1);
    }

    /// Waits for the end: whether it was a good one, and what was written to standard error.
    fn end(&mut self) -> (bool, String) {
        let started = Instant::now();
        let status = loop {
            match self.child.try_wait().expect("a child") {
                Some(status) => break status,
                None if started.elapsed() > PATIENCE => {
                    self.child.kill().expect("killed");
                }
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        let mut text = String::new();
        self.child.stderr.take().expect("piped").read_to_string(&mut text).expect("text");
        (status.success(), text)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn sigterm_lets_calls_finish() {
    for signal in ["-TERM", "-INT"] {
        let mut process = Process::start("serves", "child_serves", &[]);
        let address = process.address().await;
        let client = stranger(&address);
        let running = tokio::spawn(async move { call(&client, ("echo", "wait"), "1500", Codec::RAW).await });
        tokio::time::sleep(Duration::from_millis(300)).await;
        process.signal(signal);
        assert_eq!(running.await.expect("joined").expect("finished"), "1500");
        let (good, log) = process.end();
        assert!(good, "{log}");
        assert!(log.contains("started") && log.contains("stopped"), "{log}");
    }
}

#[tokio::test]
async fn a_second_signal_stops_at_once() {
    let mut process = Process::start("hangs", "child_hangs", &[("MOTET_APP__STOP_TIMEOUT", "1h")]);
    process.address().await;
    process.signal("-TERM");
    tokio::time::sleep(Duration::from_millis(500)).await;
    process.signal("-TERM");
    let (good, log) = process.end();
    assert!(!good && log.contains("stopped at once by a second signal"), "{log}");
}

#[tokio::test]
async fn a_module_that_hangs_fails_the_run_within_the_bound() {
    let mut process = Process::start("hangs", "child_hangs", &[("FLAGS", "--set app.stop_timeout=2s")]);
    process.address().await;
    process.signal("-TERM");
    let (good, log) = process.end();
    assert!(!good && log.contains("did not stop in time and were dropped: stubborn"), "{log}");
}

#[tokio::test]
async fn a_log_that_is_set_before_stays() {
    let mut process = Process::start("own-log", "child_has_its_own_log", &[("MOTET_LOG__FORMAT", "json")]);
    process.address().await;
    process.signal("-TERM");
    let (good, log) = process.end();
    assert!(good && log.contains("my own log") && log.contains("started") && !log.contains('{'), "{log}");
}

#[tokio::test]
async fn the_log_is_written_as_configured() {
    for (environment, shown, objects) in [
        (&[("MOTET_LOG__FORMAT", "json")][..], true, true),
        (&[("MOTET_LOG", "warn")], false, false),
        (&[("RUST_LOG", "motet_app=info")], true, false),
        (&[("FLAGS", "--set log.install=false")], false, false),
    ] {
        let mut process = Process::start("serves", "child_serves", environment);
        process.address().await;
        process.signal("-TERM");
        let (good, log) = process.end();
        assert!(good, "{log}");
        assert_eq!(log.contains("started"), shown, "{environment:?}: {log}");
        assert_eq!(log.starts_with('{'), objects, "{environment:?}: {log}");
    }
}

#[tokio::test]
async fn environment_and_flags_are_read() {
    let environment = [("MOTET_LISTEN", "tcp://127.0.0.1:0,memory://also"), ("MOTET_MODULES__ECHO__WEIGHT", "7")];
    let mut process = Process::start("serves", "child_serves", &environment);
    process.address().await;
    let registry = FileRegistry::open(FileConfig::at(process.folder.path().join("registry"))).expect("opens");
    let node = registry.lookup("echo").await.expect("reads").remove(0);
    assert_eq!((node.weight, node.endpoints.len()), (7, 2));
    for (flags, expected) in [
        ("--lisen tcp://x:1", "did you mean --listen?"),
        ("--set server.lisen=1", "flag --set: server.lisen is no known key; did you mean \"listen\"?"),
        ("--set log.level=a=b=c", "flag --set: log.level must be a filter"),
        ("--group web", "process group \"web\" is not configured"),
        ("--registry consul://x", "its scheme is none of"),
        ("--listen tcp://nowhere", "nowhere"),
    ] {
        let mut process = Process::start("serves", "child_serves", &[("FLAGS", flags)]);
        let (good, log) = process.end();
        assert!(!good && log.contains(expected), "{flags}: {log}");
    }
    let mut process = Process::start("serves", "child_serves", &[("FLAGS", "--help")]);
    assert!(process.end().0);
}

//! The service, and processes that run it.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use motet::{App, Context, FileConfig, FileRegistry, Registry, Result, RunningApp, Streaming, core::NodeState};
use tokio::time::{Instant, sleep};

use super::mixed::{MixedServer, Mixer};

const NAME: &str = "MOTET_TEST_NODE";
const FOLDER: &str = "MOTET_TEST_FOLDER";
/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Takes time and says who took it.
#[motet::service(name = "work", version = "1.0.0")]
pub(crate) trait Work {
    /// What must not run twice.
    async fn once(&self, cx: &Context, ms: u64) -> Result<String>;
    /// What may run twice.
    #[method(idempotent)]
    async fn again(&self, cx: &Context, ms: u64) -> Result<String>;
    /// Some answers, each after some time.
    async fn many(&self, cx: &Context, count: u64, ms: u64) -> Result<Streaming<String>>;
}

/// The protocol that calls go by.
#[derive(Clone, Copy)]
pub(crate) struct By {
    protocol: &'static str,
    /// What figures say of it.
    pub(crate) words: &'static str,
    /// How many calls are made: those by others cost several times as much in cargo's debug profile.
    pub(crate) calls_a_second: u64,
}

impl By {
    pub(crate) const MOTET: By = By { protocol: "motet", words: "", calls_a_second: 2_000 };
    #[cfg(feature = "full")]
    pub(crate) const GRPC: By = By { protocol: "grpc", words: " by gRPC", calls_a_second: 500 };
    #[cfg(feature = "full")]
    pub(crate) const HTTP: By = By { protocol: "http", words: " by HTTP/JSON", calls_a_second: 500 };

    /// Calls from this App.
    pub(crate) fn client(self, app: &RunningApp) -> WorkClient {
        WorkClient::new(app.client()).configure(|options| options.protocol = Some(self.protocol.to_owned()))
    }
}

struct Worker(String);

impl Worker {
    async fn work(&self, ms: u64) -> Result<String> {
        if ms > 0 {
            sleep(Duration::from_millis(ms)).await;
        }
        Ok(self.0.clone())
    }
}

impl Work for Worker {
    async fn once(&self, _: &Context, ms: u64) -> Result<String> {
        self.work(ms).await
    }

    async fn again(&self, _: &Context, ms: u64) -> Result<String> {
        self.work(ms).await
    }

    async fn many(&self, _: &Context, count: u64, ms: u64) -> Result<Streaming<String>> {
        let (items, stream) = Streaming::channel(1);
        let name = self.0.clone();
        tokio::spawn(async move {
            for _ in 0..count {
                sleep(Duration::from_millis(ms)).await;
                if items.send(Ok(name.clone())).await.is_err() {
                    return;
                }
            }
        });
        Ok(stream)
    }
}

/// Serves until told to stop, if this process was started by [`Process::start`].
pub(crate) fn run_if_asked() {
    let (Ok(name), Some(folder)) = (std::env::var(NAME), std::env::var_os(FOLDER)) else { return };
    let app = App::builder()
        .name(&name)
        .registry(url(Path::new(&folder)))
        .environment([])
        .arguments([])
        .install_log(false)
        .service(WorkServer::new(Worker(name)))
        .service(MixedServer::new(Mixer))
        .build();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let outcome = runtime.block_on(app.run());
    std::process::exit(if outcome.is_ok() { 0 } else { 1 });
}

/// The URL of a registry in this folder.
pub(crate) fn url(folder: &Path) -> String {
    format!("file://{}", folder.display())
}

/// A process that runs one node. Dropping it kills it.
pub(crate) struct Process {
    child: Child,
    pub(crate) name: &'static str,
}

impl Process {
    /// Starts a process and waits until its node takes calls.
    pub(crate) async fn start(folder: &Path, name: &'static str) -> Process {
        let mut command = Command::new(std::env::current_exe().expect("this binary"));
        command.args(["another_process", "--exact", "--nocapture"]).stdout(Stdio::null());
        let child = command.env(NAME, name).env(FOLDER, folder).spawn().expect("starts");
        let process = Process { child, name };
        process.wait_until_active(folder).await;
        process
    }

    /// Waits until the registry lists its node as one that takes calls.
    pub(crate) async fn wait_until_active(&self, folder: &Path) {
        let registry = FileRegistry::open(FileConfig::at(folder)).expect("opens");
        let started = Instant::now();
        let own = format!("\"pid\":{}", self.child.id());
        while started.elapsed() < PATIENCE {
            let listed = registry.lookup("work").await.unwrap_or_default();
            let active = listed.iter().filter(|node| node.state == NodeState::Active);
            if active.map(|node| record(folder, &node.id)).any(|record| record.contains(&own)) {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("{} is not registered after {PATIENCE:?}", self.name);
    }

    /// Sends a signal, such as `-TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success(), "kill {name}");
    }

    /// Waits for its end, and says whether it ended well.
    pub(crate) async fn ended(&mut self) -> bool {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.success();
            }
            sleep(Duration::from_millis(5)).await;
        }
        panic!("{} has not ended after {PATIENCE:?}", self.name);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn record(folder: &Path, id: &str) -> String {
    std::fs::read_to_string(folder.join(format!("work~{id}.node"))).unwrap_or_default()
}

//! Another process: this test binary, started once more to run only [`run`].

use std::{
    fs::Permissions,
    io::{BufRead, BufReader, Read},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::{self, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use motet_core::{Node, Registration, Registry, Result};
use motet_registry_file::{FileConfig, FileRegistry};
use tempfile::TempDir;

const DIRECTORY: &str = "MOTET_TEST_DIRECTORY";
const RESTLESS: &str = "MOTET_TEST_RESTLESS";
const NODES: &str = "MOTET_TEST_NODES";

/// A folder as the registry wants it.
pub(crate) fn folder() -> TempDir {
    tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().expect("temp")
}

/// A process that holds some nodes. Dropping it kills it.
pub(crate) struct Child(process::Child);

/// What the child said when it had registered: "ready", or the status that it got instead.
pub(crate) type Said = String;

impl Child {
    /// Starts a process that registers nodes, waits until it has done so, and gives what it said.
    pub(crate) fn start(directory: &Path, nodes: &[Node]) -> (Child, Said) {
        Child::start_with(directory, nodes, Command::new(std::env::current_exe().expect("this binary")))
    }

    /// The same, but from then on it changes its records as fast as it can.
    #[allow(dead_code, reason = "one of the two test binaries uses it")]
    pub(crate) fn start_restless(directory: &Path, nodes: &[Node]) -> (Child, Said) {
        let mut command = Command::new(std::env::current_exe().expect("this binary"));
        command.env(RESTLESS, "1");
        Child::start_with(directory, nodes, command)
    }

    /// The same as another user, from a copy of this binary that the user can read.
    #[allow(dead_code, reason = "one of the two test binaries uses it")]
    pub(crate) fn start_as(user: u32, binary: &Path, directory: &Path, nodes: &[Node]) -> (Child, Said) {
        let mut command = Command::new(binary);
        command.uid(user).gid(user).current_dir("/");
        Child::start_with(directory, nodes, command)
    }

    fn start_with(directory: &Path, nodes: &[Node], mut command: Command) -> (Child, Said) {
        command.args(["--ignored", "--exact", "--nocapture", "another_process"]);
        command.env(DIRECTORY, directory).env(NODES, serde_json::to_string(nodes).expect("nodes are JSON"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("started");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let lines = output.lines().map(|line| line.expect("text"));
        let said = lines.filter_map(|line| line.split_once("said: ").map(|(_, said)| said.to_owned())).next();
        (Child(child), said.expect("the child says something"))
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.0.kill().expect("killed");
    }

    /// Its process id.
    #[allow(dead_code, reason = "one of the two test binaries uses it")]
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the child does: registers, says so, and waits for its parent's end.
pub(crate) fn run() {
    let directory = std::env::var_os(DIRECTORY).expect("started by another test");
    let nodes: Vec<Node> = serde_json::from_str(&std::env::var(NODES).expect("given")).expect("nodes");
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let held: Result<Arc<[Box<dyn Registration>]>> = runtime.block_on(async {
        let registry = FileRegistry::open(FileConfig::at(directory))?;
        let mut registrations = Vec::new();
        for node in nodes {
            registrations.push(registry.register(node, Duration::ZERO).await?);
            registry.list().await?;
        }
        Ok(registrations.into())
    });
    println!("said: {}", held.as_ref().map_or_else(ToString::to_string, |_| "ready".to_owned()));
    if let (Ok(registrations), Some(_)) = (&held, std::env::var_os(RESTLESS)) {
        runtime.spawn(change_all_the_time(registrations.clone()));
    }
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    // Nobody closes anything.
    process::exit(0);
}

async fn change_all_the_time(registrations: Arc<[Box<dyn Registration>]>) {
    for weight in (0..1000).cycle() {
        for registration in &*registrations {
            let mut node = registration.node();
            node.weight = weight;
            registration.update(node).await.expect("updated");
        }
    }
}

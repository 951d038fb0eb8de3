//! A registry of its own, services in it, and the program.

use std::{path::Path, process::Stdio, time::Duration};

use motet::{App, RunningApp};
use serde_json::Value;
use tokio::{
    io::AsyncWriteExt,
    process::{Child, Command},
    sync::mpsc::UnboundedReceiver,
};

use crate::fixture::{GreeterServer, MyGreeter, tools};

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A registry in a folder of its own.
pub(crate) struct Lab {
    folder: tempfile::TempDir,
}

/// What a command ended with.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Lab {
    /// An empty registry.
    pub(crate) fn new() -> Lab {
        Lab { folder: tempfile::tempdir().expect("a folder") }
    }

    /// A registry with the services of [`crate::fixture`] in it.
    pub(crate) async fn serving() -> (Lab, RunningApp, UnboundedReceiver<&'static str>) {
        let lab = Lab::new();
        let (app, hear) = lab.serve().await;
        (lab, app, hear)
    }

    /// One more process with the services.
    pub(crate) async fn serve(&self) -> (RunningApp, UnboundedReceiver<&'static str>) {
        let (greeter, hear) = MyGreeter::new();
        let app = App::builder().name("fixture").registry(self.url());
        let app = app.service(GreeterServer::new(greeter)).service(tools());
        (app.start().await.expect("starts"), hear)
    }

    /// The registry's URL.
    pub(crate) fn url(&self) -> String {
        format!("file://{}", self.path().join("registry").display())
    }

    /// A folder for files.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The program with these arguments.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_motet"));
        command.args(arguments).env("MOTET_REGISTRY", self.url()).env_remove("NO_COLOR");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Runs the program to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ended {
        finish(self.command(arguments).spawn().expect("runs")).await
    }

    /// Runs the program with this on its standard input.
    pub(crate) async fn feed(&self, arguments: &[&str], input: &str) -> Ended {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().expect("runs");
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(input.as_bytes()).await.expect("written");
        drop(stdin);
        finish(child).await
    }
}

/// Waits for the end.
pub(crate) async fn finish(child: Child) -> Ended {
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("ends in time").expect("runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ended { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

/// What the handlers tell next.
pub(crate) async fn told(hear: &mut UnboundedReceiver<&'static str>) -> &'static str {
    tokio::time::timeout(PATIENCE, hear.recv()).await.expect("in time").expect("the service lives")
}

impl Ended {
    /// It went well and said nothing beside its result.
    #[track_caller]
    pub(crate) fn done(self) -> String {
        assert_eq!((self.code, &*self.err), (0, ""), "{}", self.out);
        self.out
    }

    /// It went well, and its result is JSON.
    #[track_caller]
    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.done()).expect("JSON")
    }

    /// It failed with this code and printed no result.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!((self.code, &*self.out), (code, ""), "{}", self.err);
        self.err
    }
}

//! The same services in one App, in two Apps, and in two processes.

use std::time::Duration;

use motet::{App, Code, Config, Context, HealthReport, MemoryRegistry, RegistrySource, RunningApp};
use several_services::{Orders, OrdersClient, Receipt, app};

const PATIENCE: u32 = 1000;

async fn start(group: Option<&str>, registry: impl Into<RegistrySource>) -> RunningApp {
    let mut app = app().expect("TOML").registry(registry);
    if let Some(group) = group {
        app = app.group(group);
    }
    app.start().await.expect("starts")
}

async fn healthy(app: &RunningApp, expected: impl Fn(&HealthReport) -> bool) -> HealthReport {
    for _ in 0..PATIENCE {
        if expected(&app.health()) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    app.health()
}

async fn order(app: &RunningApp, item: &str) -> motet::Result<Receipt> {
    OrdersClient::new(app.client()).order(&Context::new(), item.to_owned(), 2).await
}

#[tokio::test]
async fn in_one_app_services_call_each_other_without_the_network() {
    let app = start(None, "memory:").await;
    assert_eq!(order(&app, "pear").await, Ok(Receipt { total: 36, currency: "coins".into() }));
    assert_eq!(order(&app, "gold").await.expect_err("no price").code(), Code::NotFound);
    let report = healthy(&app, |report| report.ready).await;
    assert!(report.ready, "{report:?}");
    let names: Vec<_> = report.modules.iter().map(|module| module.name.as_str()).collect();
    assert_eq!(names, ["prices", "orders", "reporter"]);
    assert!(app.stop().await.is_clean());
}

#[tokio::test]
async fn two_apps_do_the_same_over_the_network() {
    let registry = MemoryRegistry::new();
    let front = start(Some("front"), registry.clone()).await;
    // Alone, the front is up but not ready, and says why.
    let reason =
        |report: &HealthReport| report.modules.iter().find_map(|module| module.reason.clone()).unwrap_or_default();
    let report = healthy(&front, |report| reason(report).contains("prices: ")).await;
    assert!(report.live && !report.ready && reason(&report).contains("no node of `prices`"), "{report:?}");
    assert_eq!(order(&front, "pear").await.expect_err("nobody knows").code(), Code::Unavailable);

    let back = start(Some("back"), registry).await;
    assert!(healthy(&front, |report| report.ready).await.ready);
    assert_eq!(order(&front, "melon").await.map(|receipt| receipt.total), Ok(270));
    assert!(front.stop().await.is_clean());
    assert!(back.stop().await.is_clean());
}

#[tokio::test]
async fn mistakes_in_configuration_keep_the_app_from_starting() {
    for (toml, expected) in [
        ("[shop]\ndiscont = 5", "did you mean \"discount\"?"),
        ("[shop]\ndiscount = 'much'", "shop.discount must be"),
        ("[shop]\ndiscount = 101", "shop.discount must be at most 100"),
        ("[modules.reporter]\nevery = 5", "modules.reporter.every must be a time"),
        ("[modules.reporter]\nevry = '5s'", "did you mean \"every\"?"),
        ("[server]\nlisen = 'x'", "did you mean \"listen\"?"),
    ] {
        let error = app().expect("TOML").config(Config::toml(toml).expect("TOML")).start().await.expect_err(toml);
        assert!(error.message().contains(expected), "{toml}: {error}");
    }
}

/// The program in a process of its own, ended with the test.
#[cfg(unix)]
struct Process(std::process::Child);

#[cfg(unix)]
impl Process {
    fn start(group: &str, registry: &str) -> Process {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_several-services"));
        command.args(["--group", group, "--registry", registry, "--set", "shop.currency=shells"]);
        Process(command.stderr(std::process::Stdio::null()).spawn().expect("starts"))
    }

    /// Asks it to stop and says whether it ended well.
    fn stop(&mut self) -> bool {
        let kill = std::process::Command::new("kill").arg(self.0.id().to_string()).status();
        kill.is_ok_and(|kill| kill.success()) && self.0.wait().is_ok_and(|status| status.success())
    }
}

#[cfg(unix)]
impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(unix)]
#[tokio::test]
async fn two_processes_share_a_registry_in_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let registry = format!("file://{}/registry", folder.path().display());
    let mut processes = ["back", "front"].map(|group| Process::start(group, &registry));
    let app = App::builder().registry(registry.as_str()).start().await.expect("starts");
    let mut outcome = order(&app, "pear").await;
    for _ in 0..PATIENCE {
        if outcome.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        outcome = order(&app, "pear").await;
    }
    assert_eq!(outcome, Ok(Receipt { total: 36, currency: "shells".into() }), "a flag counts above the file");
    assert!(processes.iter_mut().all(Process::stop));
    app.stop().await;
}

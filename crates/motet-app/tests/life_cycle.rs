//! The life cycle of modules, on paused time.

mod common;

use std::time::Duration;

use common::{Diarist, Diary, Runs, echo};
use motet_app::{App, Config, ModuleState, Phase};
use motet_core::{Code, NodeState};
use tokio::time::Instant;

fn config(toml: &str) -> Config {
    Config::toml(toml).expect("valid TOML")
}

#[tokio::test(start_paused = true)]
async fn modules_start_in_order_and_stop_in_reverse() {
    let diary = Diary::default();
    let app = App::builder()
        .module(Diarist::new("a", &diary))
        .module(Diarist::new("b", &diary))
        .start()
        .await
        .expect("starts");
    tokio::task::yield_now().await;
    assert_eq!(diary.entries(), ["a configure", "b configure", "a init", "b init", "a run", "b run"]);
    assert!(app.health().ready);
    let report = app.stop().await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(diary.entries()[6..], ["b finished", "b stop", "a finished", "a stop"]);
    assert_eq!(app.health().phase, Phase::Stopping);
    assert!(app.health().modules.iter().all(|module| module.state == ModuleState::Stopped));
    assert_eq!(app.wait().await, Ok(()), "and is over");
    assert_eq!(app.stop().await, report, "stopping again changes nothing");
}

#[tokio::test(start_paused = true)]
async fn a_failed_start_stops_what_was_begun() {
    let diary = Diary::default();
    let error = App::builder()
        .module(Diarist::new("a", &diary))
        .module(Diarist::new("b", &diary).failing())
        .module(Diarist::new("c", &diary))
        .start()
        .await
        .expect_err("b fails");
    assert_eq!((error.code(), error.message()), (Code::Unavailable, "no database"));
    assert_eq!(diary.entries()[3..], ["a init", "b init", "b stop", "a stop"]);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_hangs_ends_and_names_the_modules() {
    struct Stuck;
    impl motet_app::Module for Stuck {
        fn name(&self) -> &str {
            "stuck"
        }
        fn init<'a>(&'a self, _: &'a motet_app::AppContext) -> motet_core::BoxFuture<'a, motet_core::Result<()>> {
            Box::pin(std::future::pending())
        }
    }
    let started = Instant::now();
    let error = App::builder().module(Stuck).config(config("[app]\nstart_timeout = '5s'")).start().await;
    let error = error.expect_err("never starts");
    assert!(error.message().contains("app.start_timeout") && error.message().contains("stuck"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(6));
}

#[tokio::test(start_paused = true)]
async fn a_module_that_hangs_is_reported_and_the_others_still_stop() {
    let diary = Diary::default();
    let app = App::builder()
        .module(Diarist::new("a", &diary))
        .module(Diarist::new("b", &diary).runs(Runs::Hangs))
        .config(config("[app]\nstop_timeout = '5s'"))
        .start()
        .await
        .expect("starts");
    let started = Instant::now();
    let report = app.stop().await;
    assert_eq!(report.not_stopped, ["b"]);
    assert!(started.elapsed() <= Duration::from_millis(5200), "{:?}", started.elapsed());
    assert!(diary.entries().contains(&"a finished".to_owned()), "{:?}", diary.entries());
}

#[tokio::test(start_paused = true)]
async fn a_halt_waits_for_nobody() {
    let diary = Diary::default();
    let app = App::builder().module(Diarist::new("a", &diary).runs(Runs::Hangs)).start().await.expect("starts");
    let started = Instant::now();
    assert_eq!(app.halt().await.not_stopped, ["a"]);
    assert!(started.elapsed() < Duration::from_millis(300));
}

#[tokio::test(start_paused = true)]
async fn dropping_a_running_app_ends_it() {
    struct Guard(Diary);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.note("dropped");
        }
    }
    struct Holder(Diary);
    impl motet_app::Module for Holder {
        fn name(&self) -> &str {
            "holder"
        }
        fn run(
            &self,
            _: motet_app::AppContext,
            _: motet_core::Drain,
        ) -> motet_core::BoxFuture<'_, motet_core::Result<()>> {
            Box::pin(async move {
                let _guard = Guard(self.0.clone());
                std::future::pending().await
            })
        }
    }
    let diary = Diary::default();
    let app = App::builder().module(Holder(diary.clone())).start().await.expect("starts");
    tokio::task::yield_now().await;
    drop(app);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(diary.entries(), ["dropped"]);
}

#[tokio::test(start_paused = true)]
async fn a_module_that_panics_is_run_again_and_at_last_ends_the_app() {
    for runs in [Runs::Panics, Runs::Fails] {
        let diary = Diary::default();
        let app = App::builder()
            .module(Diarist::new("a", &diary))
            .module(Diarist::new("b", &diary).runs(runs))
            .config(config("[modules.b]\nmax_restarts = 3\nbackoff = '1s'"))
            .start()
            .await
            .expect("starts");
        tokio::time::sleep(Duration::from_millis(100)).await;
        let health = app.health();
        assert!(!health.ready && health.modules[1].state == ModuleState::Restarting, "{health:?}");
        let error = app.wait().await.expect_err("b failed for good");
        assert!(matches!(error.code(), Code::Internal | Code::Unavailable), "{error}");
        assert_eq!(diary.count("b run"), 4);
        assert_eq!((diary.count("a stop"), diary.count("b stop")), (1, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_module_that_panics_ends_the_app_where_configured() {
    let diary = Diary::default();
    let app = App::builder()
        .module(Diarist::new("a", &diary).runs(Runs::Panics))
        .config(config("[modules.a]\non_panic = 'stop'"))
        .start()
        .await
        .expect("starts");
    assert_eq!(app.wait().await.expect_err("failed").message(), "module a panicked in run");
    assert_eq!((diary.count("a run"), diary.count("a stop")), (1, 1));
    let report = app.stop().await;
    assert!(report.not_stopped.is_empty() && report.failures.len() == 1, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_a_restart() {
    let diary = Diary::default();
    let app = App::builder()
        .module(Diarist::new("a", &diary).runs(Runs::Fails))
        .config(config("[modules.a]\nbackoff = '10s'"))
        .start()
        .await
        .expect("starts");
    tokio::time::sleep(Duration::from_millis(100)).await;
    let started = Instant::now();
    assert!(app.stop().await.not_stopped.is_empty());
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn an_app_whose_modules_have_finished_ends() {
    let diary = Diary::default();
    let app = App::builder().module(Diarist::new("a", &diary).runs(Runs::Ends)).start().await.expect("starts");
    assert_eq!(app.wait().await, Ok(()));
    let serving = App::builder()
        .module(Diarist::new("b", &diary).runs(Runs::Ends).serves("echo"))
        .listen("memory://")
        .start()
        .await
        .expect("starts");
    tokio::time::timeout(Duration::from_secs(60), serving.wait()).await.expect_err("it has a service to serve");
    assert!(serving.health().ready);
}

#[tokio::test(start_paused = true)]
async fn a_process_group_runs_its_modules_alone() {
    let groups = "[groups.web]\nmodules = ['b']\n[groups.broken]\nmodules = ['c']";
    let app = |diary: &Diary, group: &str| {
        App::builder()
            .module(Diarist::new("a", diary))
            .module(Diarist::new("b", diary))
            .config(config(groups))
            .group(group)
            .start()
    };
    let diary = Diary::default();
    let web = app(&diary, "web").await.expect("starts");
    assert_eq!(diary.entries()[..3], ["a configure", "b configure", "b init"]);
    assert_eq!(web.health().modules.len(), 1);
    assert!(app(&diary, "wbe").await.expect_err("unknown").message().contains("did you mean \"web\"?"));
    assert!(app(&diary, "broken").await.expect_err("no module").message().contains("its modules: a, b"));
}

#[tokio::test(start_paused = true)]
async fn two_modules_of_one_name_are_refused() {
    let diary = Diary::default();
    let twice = App::builder().module(Diarist::new("a", &diary)).module(Diarist::new("a", &diary)).start().await;
    assert_eq!(twice.expect_err("twice").code(), Code::AlreadyExists);
}

#[tokio::test(start_paused = true)]
async fn wrong_configuration_is_found_before_anything_starts() {
    let diary = Diary::default();
    for (toml, expected) in [
        ("[server]\nlisen = 'x'", "server.lisen is no known key; did you mean \"listen\"?"),
        ("[modules.a]\non_panic = 'explode'", "modules.a.on_panic must be one of"),
        ("[modules.echo]\nwieght = 5", "modules.echo.wieght is no known key; did you mean \"weight\"?"),
        ("[registry]\nurl = 'nowhere:'", "registry URL: its scheme is none of file:, memory:, static:"),
    ] {
        let app = App::builder().module(Diarist::new("a", &diary)).service(echo("echo")).config(config(toml));
        let error = app.start().await.expect_err(toml);
        assert!(error.message().contains(expected), "{error}");
    }
    assert_eq!(diary.count("a init"), 0);
}

#[tokio::test(start_paused = true)]
async fn nodes_are_active_while_the_app_runs_and_gone_before_it_drains() {
    let registry = motet_core::MemoryRegistry::new();
    let app = App::builder()
        .service(echo("one"))
        .service(echo("two"))
        .listen("memory://here")
        .registry(registry.clone())
        .config(config(
            "[app]\nzone = 'east'\nlabels.tier = 'gold'\nseed = 1\n[modules.two]\nweight = 50\nlabels.canary = 'yes'",
        ))
        .start()
        .await
        .expect("starts");
    let nodes = app.nodes();
    assert_eq!(nodes.len(), 2);
    for (node, name, weight, labels) in [(&nodes[0], "one", 100, 1), (&nodes[1], "two", 50, 2)] {
        assert_eq!((&*node.service, &*node.version, node.weight, node.metadata.len()), (name, "1.0.0", weight, labels));
        assert_eq!((&*node.zone, node.state, node.methods.len()), ("east", NodeState::Active, 2));
        assert!(node.id.starts_with(&format!("{name}-")) && node.descriptor_hash.len() == 16);
        assert_eq!(node.endpoints[0].to_string(), "memory://here");
        let recorded = motet_core::Registry::lookup(&registry, name).await.expect("memory");
        assert_eq!(&recorded[..], std::slice::from_ref(node));
    }
    assert_eq!(app.health().services.iter().filter(|service| service.registered).count(), 2);
    app.stop().await;
    assert!(motet_core::Registry::list(&registry).await.expect("memory").is_empty());
    assert!(app.nodes().is_empty() && !app.health().services[0].registered);
}

#[tokio::test(start_paused = true)]
async fn ids_that_are_taken_are_drawn_again() {
    // The memory registry replaces what has the same id: one that refuses is needed.
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("file://{}", folder.path().join("registry").display());
    let app = || App::builder().service(echo("echo")).listen("memory://").seed(7).registry(url.clone()).start();
    let (a, b) = (app().await.expect("starts"), app().await.expect("starts"));
    assert_ne!(a.nodes()[0].id, b.nodes()[0].id);
}

#[tokio::test(start_paused = true)]
async fn callers_get_time_to_notice_where_the_registry_is_polled() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("file://{}", folder.path().join("registry").display());
    for (toml, least, most) in [("", 1000, 1500), ("[app]\ndrain_delay = '0'", 0, 500)] {
        let app = App::builder().service(echo("echo")).listen("memory://").registry(url.clone()).config(config(toml));
        let app = app.start().await.expect("starts");
        let took = app.stop().await.took;
        assert!((Duration::from_millis(least)..Duration::from_millis(most)).contains(&took), "{took:?}");
    }
}

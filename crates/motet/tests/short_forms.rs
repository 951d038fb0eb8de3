//! Short forms of built-in HTTP paths give way to the user's own routes, and the log says so once.

use std::{
    io,
    sync::{Arc, Mutex},
};

use motet::{App, AppBuilder, Context, Result, http::Routes};

#[motet::service(name = "machine")]
trait Machine {
    #[method(safe, http = "GET /metrics")]
    async fn measure(&self, cx: &Context) -> Result<String>;
}

struct Mine;

impl Machine for Mine {
    async fn measure(&self, _: &Context) -> Result<String> {
        Ok("all of it".to_owned())
    }
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines about paths that an App logs as it starts.
async fn lines(app: AppBuilder) -> Vec<String> {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _logged = tracing::subscriber::set_default(subscriber);
    let app = app.listen("tcp://127.0.0.1:0").start().await.expect("starts");
    assert!(app.stop().await.is_clean());
    let text = String::from_utf8(log.0.lock().expect("no panic").clone()).expect("text");
    text.lines().filter(|line| line.contains("built-in pages are under /-/")).map(str::to_owned).collect()
}

#[tokio::test]
async fn what_has_given_way_is_logged_once() {
    assert_eq!(lines(App::builder().name("plain")).await, Vec::<String>::new());

    let own = lines(App::builder().name("own").service(MachineServer::new(Mine))).await;
    assert!(own.len() == 1 && own[0].contains("INFO") && own[0].contains("\"/metrics\""), "{own:?}");

    let health = Routes::new().get("/ready", |_| async { "yes" }).build().expect("no two alike");
    let mounted = lines(App::builder().name("mounted").mount("/health", health.clone())).await;
    assert!(mounted.len() == 1 && mounted[0].contains("/health/live /health/ready /health"), "{mounted:?}");
    assert!(!mounted[0].contains("/metrics"), "{mounted:?}");

    let all = lines(App::builder().name("all").fallback(health)).await;
    assert!(all.len() == 1 && all[0].contains("/try") && all[0].contains("/openapi.json"), "{all:?}");
}

//! Three hops: a test calls node `b`, which calls node `c`, each in an App of its own.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use motet::{
    App, AppBuilder, ClientTls, Context, Result, RunningApp, ServerTls, Service, Status, Streaming,
    core::{MemoryRegistry, MemoryTransport},
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::{sync::watch, time::Instant};

/// Passes calls on until they have arrived at the last node.
#[motet::service(name = "hop", version = "1.0.0")]
pub(crate) trait Hop {
    /// Never answers.
    #[method(timeout = "20s")]
    async fn hold(&self, cx: &Context) -> Result<()>;
    /// Answers all the time.
    async fn ticks(&self, cx: &Context) -> Result<Streaming<u64>>;
    /// Never has enough.
    async fn swallow(&self, cx: &Context, parts: Streaming<u64>) -> Result<u64>;
    /// Answers what it gets.
    async fn echo(&self, cx: &Context, parts: Streaming<u64>) -> Result<Streaming<u64>>;
    /// The metadata that arrives at the last node.
    async fn seen(&self, cx: &Context) -> Result<BTreeMap<String, String>>;
    /// The last node's word about itself: `wrong`, `no` (not executed) or anything else for success.
    async fn answer(&self, cx: &Context, how: String) -> Result<String>;
}

/// What happened at a node.
#[derive(Debug, Default)]
pub(crate) struct Diary {
    /// The time that was left when the call came.
    pub(crate) remaining: Option<Duration>,
    pub(crate) over: Option<Instant>,
    pub(crate) calls: usize,
}

/// Tells when a handler is gone.
pub(crate) struct Guard(watch::Sender<Diary>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.send_modify(|diary| diary.over = Some(Instant::now()));
    }
}

#[derive(Clone, Default)]
pub(crate) struct Node {
    pub(crate) next: Arc<OnceLock<HopClient>>,
    pub(crate) diary: watch::Sender<Diary>,
    pub(crate) metadata: Arc<Mutex<Vec<BTreeMap<String, String>>>>,
}

impl Node {
    fn begin(&self, cx: &Context) -> Guard {
        self.diary.send_modify(|diary| {
            diary.calls += 1;
            (diary.remaining, diary.over) = (cx.remaining(), None);
        });
        let text = |key: &str| cx.metadata().get(key).unwrap_or_default().to_owned();
        let pairs = cx.metadata().iter().map(|(key, _)| (key.to_owned(), text(key)));
        self.metadata.lock().unwrap_or_else(PoisonError::into_inner).push(pairs.collect());
        Guard(self.diary.clone())
    }

    /// Waits until a handler is gone, and says when it went.
    pub(crate) async fn over(&self) -> Instant {
        let mut diary = self.diary.subscribe();
        let over = diary.wait_for(|diary| diary.calls > 0 && diary.over.is_some());
        let over = tokio::time::timeout(Duration::from_secs(5), over).await.expect("the handler has gone on");
        over.expect("open").over.expect("set")
    }

    /// Waits until so many calls have come.
    pub(crate) async fn called(&self, times: usize) {
        let mut diary = self.diary.subscribe();
        let called = diary.wait_for(|diary| diary.calls >= times);
        tokio::time::timeout(Duration::from_secs(5), called).await.expect("called").expect("open");
    }
}

impl Hop for Node {
    async fn hold(&self, cx: &Context) -> Result<()> {
        let _guard = self.begin(cx);
        match self.next.get() {
            Some(next) => next.hold(cx).await,
            None => std::future::pending().await,
        }
    }

    async fn ticks(&self, cx: &Context) -> Result<Streaming<u64>> {
        let guard = self.begin(cx);
        if let Some(next) = self.next.get() {
            let ticks = next.ticks(cx).await?;
            return Ok(ticks.map(move |tick| {
                let _kept = &guard;
                Ok(tick)
            }));
        }
        let (ticks, stream) = Streaming::channel(1);
        tokio::spawn(async move {
            let _guard = guard;
            for n in 0.. {
                tokio::time::sleep(Duration::from_millis(2)).await;
                // The receiver goes with the call.
                if ticks.send(Ok(n)).await.is_err() {
                    return;
                }
            }
        });
        Ok(stream)
    }

    async fn swallow(&self, cx: &Context, parts: Streaming<u64>) -> Result<u64> {
        let _guard = self.begin(cx);
        match self.next.get() {
            Some(next) => next.swallow(cx, parts).await,
            None => Ok(parts.collect().await?.len() as u64),
        }
    }

    async fn echo(&self, cx: &Context, parts: Streaming<u64>) -> Result<Streaming<u64>> {
        let guard = self.begin(cx);
        let parts = match self.next.get() {
            Some(next) => next.echo(cx, parts).await?,
            None => parts,
        };
        Ok(parts.map(move |part| {
            let _kept = &guard;
            Ok(part)
        }))
    }

    async fn seen(&self, cx: &Context) -> Result<BTreeMap<String, String>> {
        let _guard = self.begin(cx);
        cx.reply().add_initial("seen-by", if self.next.get().is_some() { "b" } else { "c" })?;
        match self.next.get() {
            Some(next) => next.seen(cx).await,
            None => {
                Ok(self.metadata.lock().unwrap_or_else(PoisonError::into_inner).last().cloned().unwrap_or_default())
            }
        }
    }

    async fn answer(&self, cx: &Context, how: String) -> Result<String> {
        let _guard = self.begin(cx);
        match (self.next.get(), how.as_str()) {
            (Some(next), _) => next.answer(cx, how).await,
            (None, "wrong") => Err(Status::not_found("nobody")),
            (None, "no") => Err(Status::unavailable("later").with_executed(motet::Executed::No)),
            (None, _) => Ok(how),
        }
    }
}

/// A certificate for this machine, and trust in it.
fn certificate() -> (ServerTls, ClientTls) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a key");
    let own = ServerTls::from_pem(cert.pem(), signing_key.serialize_pem()).expect("they belong together");
    (own, ClientTls::from_pem(cert.pem()).expect("a certificate"))
}

/// The Apps of all hops.
pub(crate) struct Chain {
    pub(crate) a: RunningApp,
    pub(crate) client: HopClient,
    pub(crate) b: Node,
    /// What lies between B and C, in chains of more than two calls.
    pub(crate) between: Vec<Node>,
    pub(crate) c: Node,
    pub(crate) app_b: RunningApp,
    pub(crate) app_c: RunningApp,
    apps_between: Vec<RunningApp>,
    _sockets: tempfile::TempDir,
}

impl Chain {
    /// Starts three, each listening at a place of this transport: `memory`, `tcp`, `tls` or `unix`; with
    /// `http` it is TCP, and calls go as HTTP/JSON over HTTP/2.
    pub(crate) async fn start(transport: &str) -> Chain {
        match transport {
            "http" => Chain::over("tcp", &["http", "http"]).await,
            _ => Chain::over(transport, &["motet", "motet"]).await,
        }
    }

    /// Starts as many as make these calls possible, each by its protocol, over this transport.
    pub(crate) async fn over(transport: &str, protocols: &[&str]) -> Chain {
        let (registry, memory) = (MemoryRegistry::new(), MemoryTransport::new());
        let tls = (transport == "tls").then(certificate);
        let app = |app: AppBuilder| {
            let app = app.registry(registry.clone()).transport(Arc::new(memory.clone()));
            tls.iter().fold(app, |app, (_, trust)| app.client_tls(trust.clone()))
        };
        let sockets = tempfile::tempdir().expect("a folder");
        let address = |name: &str| match transport {
            "tcp" | "tls" => format!("{transport}://127.0.0.1:0"),
            "unix" => format!("unix://{}", sockets.path().join(name).display()),
            other => format!("{other}://{name}"),
        };
        let serve = async |name: &str, node: &Node| {
            let service = Service::new(name).serve(HopServer::new(node.clone())).listen(address(name)).app(app);
            let service = tls.iter().fold(service, |service, (own, _)| service.app(|app| app.server_tls(own.clone())));
            service.start().await.expect("starts")
        };
        let last = protocols.len() - 1;
        let name = |at: usize| match at {
            0 => "b".to_owned(),
            at if at == last => "c".to_owned(),
            at => format!("between{at}"),
        };
        let to = |from: &RunningApp, at: usize| {
            let protocol = protocols[at].to_owned();
            HopClient::named(from.client(), &name(at)).configure(|options| options.protocol = Some(protocol))
        };
        let mut hops = VecDeque::new();
        for at in 0..protocols.len() {
            let node = Node::default();
            hops.push_back((serve(&name(at), &node).await, node));
        }
        for at in 1..protocols.len() {
            let (app, node) = &hops[at - 1];
            node.next.set(to(app, at)).expect("unset");
        }
        let a = app(App::builder()).build().start().await.expect("starts");
        let client = to(&a, 0);
        let (app_b, b) = hops.pop_front().expect("two calls at least");
        let (app_c, c) = hops.pop_back().expect("two calls at least");
        let (apps_between, between) = hops.into_iter().unzip();
        Chain { client, a, b, between, c, app_b, app_c, apps_between, _sockets: sockets }
    }

    /// All nodes, the last first.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node> {
        [&self.c].into_iter().chain(self.between.iter().rev()).chain([&self.b])
    }

    pub(crate) async fn stop(self) {
        self.a.stop().await;
        self.app_b.stop().await;
        for app in self.apps_between {
            app.stop().await;
        }
        self.app_c.stop().await;
    }
}

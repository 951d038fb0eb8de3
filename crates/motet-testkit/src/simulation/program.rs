//! What a node runs: an App, an App with a client's program, or the registry.

use std::{
    any::Any,
    fmt,
    future::Future,
    panic::AssertUnwindSafe,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{Either, select},
};
use motet_app::{App, AppBuilder, Config, RegistrySource, RunningApp, Service};
use motet_core::{BoxFuture, Endpoint, Entropy, Registry, Result, Status, Transport};
use motet_rpc::Client;

use super::{
    REGISTRY,
    network::{Network, NodeId, SCHEME, SimulatedTransport},
    registry::{self, RemoteRegistry},
};

/// What a node's factory makes: an [`AppBuilder`] or a [`Service`].
pub trait Program: Send + 'static {
    /// Starts it with what the simulation gives it: transport, registry, seed.
    fn start(self, given: Given) -> BoxFuture<'static, Result<RunningApp>>;
}

impl Program for AppBuilder {
    fn start(self, given: Given) -> BoxFuture<'static, Result<RunningApp>> {
        Box::pin(given.to(self).start())
    }
}

impl Program for Service {
    fn start(self, given: Given) -> BoxFuture<'static, Result<RunningApp>> {
        Box::pin(self.app(|app| given.to(app)).start())
    }
}

/// What the simulation gives to an App. It counts above what the App's own description says.
pub struct Given {
    name: String,
    seed: u64,
    transport: Arc<dyn Transport>,
    registry: Arc<dyn Registry>,
}

impl Given {
    /// Gives it.
    pub fn to(self, app: AppBuilder) -> AppBuilder {
        let config = Config::new()
            .with("app.seed", self.seed)
            .with("server.listen", vec![format!("{SCHEME}://{}", self.name)])
            .with("server.inline_blocking", true);
        app.transport(self.transport).registry(RegistrySource::Value(self.registry)).config(config)
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Given").field("name", &self.name).field("seed", &self.seed).finish_non_exhaustive()
    }
}

/// Makes the main task of a process, each time that its node is started.
pub(super) type Making = Box<dyn Fn(&Start) -> BoxFuture<'static, ()>>;

/// What a process is started with.
pub(super) struct Start {
    pub(super) network: Network,
    pub(super) node: NodeId,
    pub(super) name: String,
    pub(super) seed: u64,
    pub(super) life: Life,
}

impl Start {
    fn given(&self) -> Given {
        let transport: Arc<dyn Transport> = Arc::new(SimulatedTransport::new(self.network.clone(), self.node));
        let entropy = Entropy::seeded(self.seed);
        let registry = RemoteRegistry::new(transport.clone(), Endpoint::new(SCHEME, REGISTRY), &entropy);
        // Configuration has signed numbers.
        let seed = entropy.next_u64() >> 1;
        Given { name: self.name.clone(), seed, transport, registry: Arc::new(registry) }
    }
}

/// How a process is, told by its main task.
#[derive(Clone, Default)]
pub(super) struct Life(Arc<Mutex<State>>);

#[derive(Default)]
pub(super) struct State {
    /// The App, while it runs.
    pub(super) app: Option<Arc<RunningApp>>,
    /// Set once the process has ended by itself or was stopped: why.
    pub(super) ended: Option<Result<()>>,
    /// Whether the client's program has come to its end.
    pub(super) finished: bool,
    /// The message of the client's panic.
    pub(super) panicked: Option<String>,
}

impl Life {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of a process: an App, and beside it a program until that or the App ends.
    async fn run<F: Future<Output = ()>>(
        self,
        starting: BoxFuture<'static, Result<RunningApp>>,
        program: impl FnOnce(&Arc<RunningApp>) -> F,
    ) {
        let ended = match starting.await {
            Err(status) => Err(status),
            Ok(app) => {
                let app = Arc::new(app);
                self.lock().app = Some(app.clone());
                let beside = AssertUnwindSafe(program(&app)).catch_unwind();
                if let Either::Left((outcome, _)) = select(pin!(beside), pin!(app.wait())).await {
                    let mut state = self.lock();
                    match outcome {
                        Ok(()) => state.finished = true,
                        Err(panic) => state.panicked = Some(message(&*panic)),
                    }
                }
                let reason = app.wait().await;
                let report = app.stop().await;
                match reason {
                    Ok(()) if !report.is_clean() => Err(Status::internal(format!("it did not stop well: {report:?}"))),
                    reason => reason,
                }
            }
        };
        let app = {
            let mut state = self.lock();
            state.ended = Some(ended);
            state.app.take()
        };
        drop(app);
    }
}

/// A node that runs an App.
pub(super) fn serving<P: Program>(factory: impl Fn() -> P + 'static) -> Making {
    Box::new(move |start| Box::pin(start.life.clone().run(factory().start(start.given()), |_| std::future::pending())))
}

/// A node whose App serves nothing and whose program calls others.
pub(super) fn calling<F>(program: impl Fn(ClientNode) -> F + Send + Sync + 'static) -> Making
where
    F: Future<Output = ()> + Send + 'static,
{
    let program = Arc::new(program);
    Box::new(move |start| {
        let (program, network, node) = (program.clone(), start.network.clone(), start.node);
        // Other numbers than those of the App.
        let entropy = Entropy::seeded(start.seed.rotate_left(17));
        let starting = Program::start(App::builder().name(&start.name), start.given());
        let beside = move |app: &Arc<RunningApp>| {
            let seat = ClientNode { app: app.clone(), entropy, network, node };
            async move { program(seat).await }
        };
        Box::pin(start.life.clone().run(starting, beside))
    })
}

/// The node of the registry.
pub(super) fn registry() -> Making {
    Box::new(|start| {
        let transport = SimulatedTransport::new(start.network.clone(), start.node);
        let life = start.life.clone();
        Box::pin(async move {
            match transport.listen(REGISTRY).await {
                Ok(listener) => registry::serve(listener).await,
                Err(status) => life.lock().ended = Some(Err(status)),
            }
        })
    })
}

/// The text of a panic.
pub(super) fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without text".to_owned())
}

/// Where a client's program runs: a node of its own. Cheap to clone.
#[derive(Clone)]
pub struct ClientNode {
    app: Arc<RunningApp>,
    entropy: Entropy,
    network: Network,
    node: NodeId,
}

impl ClientNode {
    /// Calls services.
    pub fn client(&self) -> &Client {
        self.app.client()
    }

    /// The App of this node.
    pub fn app(&self) -> &RunningApp {
        &self.app
    }

    /// Randomness from the simulation's seed.
    pub fn entropy(&self) -> &Entropy {
        &self.entropy
    }

    /// Simulated time since the simulation began.
    pub fn elapsed(&self) -> Duration {
        Duration::from_millis(self.network.lock().time_of(self.node))
    }

    /// Puts a line into the trace.
    pub fn note(&self, what: impl fmt::Display) {
        let mut state = self.network.lock();
        let (at, name) = (state.time_of(self.node), state.name(self.node).to_owned());
        state.note_at(at, format_args!("{name}: {what}"));
    }
}

impl fmt::Debug for ClientNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientNode").field("app", &self.app).finish_non_exhaustive()
    }
}

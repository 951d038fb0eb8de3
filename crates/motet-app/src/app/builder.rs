//! Describing an App.

use std::{fmt, sync::Arc};

use motet_core::{
    ClientProtocol, Codec, Codecs, MemoryRegistry, Middleware, Registry, Result, ServerProtocol, StaticRegistry,
    Status, Strategy, Transport,
};
use motet_registry_file::FileRegistry;
use motet_rpc::{Client, ClientBuilder, ClientTls, Filter, Server, ServerBuilder, ServerTls, typed::IntoService};

use super::{RunningApp, run, running::Started, wiring};
use crate::{
    Config, ConfigSource, Registries,
    config::{Loaded, Settings, load},
    module::{Module, ServiceModule, UNVERSIONED},
};

/// One process's runtime value: it owns its modules, services, listeners, client and registry;
/// nothing is global, and two Apps in one process share nothing that they are not given.
///
/// ```no_run
/// use motet_app::App;
///
/// # async fn example(greeter: motet_core::Service) -> motet_core::Result<()> {
/// App::builder().name("shop").config("conf/app.toml").service(greeter).run().await
/// # }
/// ```
///
/// In tests, [`App::start`] reads no environment, no arguments and no signals, and uses a registry
/// of its own:
///
/// ```no_run
/// # use motet_app::{App, Config};
/// # async fn example(greeter: motet_core::Service) -> motet_core::Result<()> {
/// let app = App::builder().service(greeter).start().await?;
/// let client = app.client();
/// # let _ = client;
/// assert!(app.stop().await.is_clean());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct App(AppBuilder);

/// Describes an [`App`].
///
/// Settings that are methods here count below those of configuration files, which count below
/// environment and flags.
pub struct AppBuilder {
    pub(super) name: String,
    pub(super) code: Config,
    pub(super) sources: Vec<ConfigSource>,
    pub(super) group: Option<String>,
    pub(super) registry: Option<RegistrySource>,
    pub(super) registries: Registries,
    pub(super) modules: Vec<Making>,
    pub(super) server: ServerBuilder,
    pub(super) client: ClientBuilder,
    #[cfg(feature = "http")]
    pub(super) http: motet_http::HttpServer,
    pub(super) server_protocols: Vec<Arc<dyn ServerProtocol>>,
    pub(super) client_protocols: Vec<Arc<dyn ClientProtocol>>,
    pub(super) transports: Vec<Arc<dyn Transport>>,
    pub(super) codecs: Codecs,
    pub(super) client_tls: Option<ClientTls>,
    pub(super) environment: Option<Vec<(String, String)>>,
    pub(super) arguments: Option<Vec<String>>,
}

/// Makes a module, told the App's name.
type Making = Box<dyn FnOnce(&str) -> Result<Arc<dyn Module>> + Send>;

/// Which registry an App uses: a URL, or a registry itself.
#[derive(Clone, Debug)]
pub enum RegistrySource {
    /// A URL such as `file:` or `static:greeter=127.0.0.1:4000`; as `registry.url` in a file.
    Url(String),
    /// A registry that others may share.
    Value(Arc<dyn Registry>),
}

impl From<&str> for RegistrySource {
    fn from(url: &str) -> RegistrySource {
        RegistrySource::Url(url.to_owned())
    }
}

impl From<String> for RegistrySource {
    fn from(url: String) -> RegistrySource {
        RegistrySource::Url(url)
    }
}

impl From<Arc<dyn Registry>> for RegistrySource {
    fn from(registry: Arc<dyn Registry>) -> RegistrySource {
        RegistrySource::Value(registry)
    }
}

impl<R: Registry> From<Arc<R>> for RegistrySource {
    fn from(registry: Arc<R>) -> RegistrySource {
        RegistrySource::Value(registry)
    }
}

impl From<MemoryRegistry> for RegistrySource {
    fn from(registry: MemoryRegistry) -> RegistrySource {
        RegistrySource::Value(Arc::new(registry))
    }
}

impl From<StaticRegistry> for RegistrySource {
    fn from(registry: StaticRegistry) -> RegistrySource {
        RegistrySource::Value(Arc::new(registry))
    }
}

impl From<FileRegistry> for RegistrySource {
    fn from(registry: FileRegistry) -> RegistrySource {
        RegistrySource::Value(Arc::new(registry))
    }
}

impl App {
    /// Describes an App.
    pub fn builder() -> AppBuilder {
        AppBuilder {
            name: "app".to_owned(),
            code: Config::new(),
            sources: Vec::new(),
            group: None,
            registry: None,
            registries: Registries::default(),
            modules: Vec::new(),
            server: Server::builder(),
            client: Client::builder(),
            #[cfg(feature = "http")]
            http: motet_http::HttpServer::default(),
            server_protocols: Vec::new(),
            client_protocols: Vec::new(),
            transports: Vec::new(),
            codecs: Codecs::default(),
            client_tls: None,
            environment: None,
            arguments: None,
        }
    }

    /// Runs to the end: reads `MOTET_*` and `RUST_LOG` from the environment and flags from the
    /// command line (`--help` lists them), installs a log where there is none, starts, and on SIGINT
    /// or SIGTERM stops in order; a second signal stops at once. The registry is `file:` unless
    /// configured.
    ///
    /// # Errors
    /// What is wrong with configuration or start, the failure of a module that ended the App, or
    /// DeadlineExceeded when not everything stopped in time.
    pub async fn run(self) -> Result<()> {
        run::run(self.0).await
    }

    /// Starts with nothing but what this App was given: no environment, no arguments, no signals, no
    /// log. The registry is `memory:` unless configured.
    ///
    /// # Errors
    /// What is wrong with configuration, or what kept a module from starting.
    pub async fn start(self) -> Result<RunningApp> {
        let loaded = self.0.load([], [])?;
        let settings = Settings::read(&loaded.config)?;
        let (app, started) = self.0.launch(loaded, settings, "memory:").await?;
        started.wait().await?;
        Ok(app)
    }
}

impl AppBuilder {
    /// Names the App, for logs; `app.name` in configuration.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> AppBuilder {
        self.name = name.into();
        self
    }

    /// Lays configuration over that which was given before: a [`Config`], or the path of a TOML file
    /// that must exist when the App starts.
    #[must_use]
    pub fn config(mut self, source: impl Into<ConfigSource>) -> AppBuilder {
        self.sources.push(source.into());
        self
    }

    /// Listens at an address such as `tcp://127.0.0.1:4000`; may repeat. A free port of 127.0.0.1 by
    /// default; `server.listen` in configuration.
    #[must_use]
    pub fn listen(mut self, address: impl Into<String>) -> AppBuilder {
        let mut all: Vec<String> = self.code.get("server.listen").unwrap_or_default();
        all.push(address.into());
        self.code = self.code.with("server.listen", all);
        self
    }

    /// Uses a registry: a URL (`registry.url` in configuration), or a registry itself, which counts
    /// above files and below environment and flags.
    #[must_use]
    pub fn registry(mut self, registry: impl Into<RegistrySource>) -> AppBuilder {
        match registry.into() {
            RegistrySource::Url(url) => self.code = self.code.with("registry.url", url),
            value => self.registry = Some(value),
        }
        self
    }

    /// Replaces the table of registries that a URL can name.
    #[must_use]
    pub fn registries(mut self, registries: Registries) -> AppBuilder {
        self.registries = registries;
        self
    }

    /// Adds a module, initialised after those added before and stopped before them.
    #[must_use]
    pub fn module(mut self, module: impl Module) -> AppBuilder {
        self.modules.push(Box::new(|_| Ok(Arc::new(module))));
        self
    }

    /// Adds a service as a module of its name; a service without a name gets the App's.
    #[must_use]
    pub fn service(mut self, service: impl IntoService + Send + 'static) -> AppBuilder {
        self.modules.push(Box::new(|app| Ok(Arc::new(ServiceModule(service.into_service_or(app, UNVERSIONED)?)))));
        self
    }

    /// Runs the modules of this process group only: those that `modules` of `[groups.NAME]` lists.
    #[must_use]
    pub fn group(mut self, name: impl Into<String>) -> AppBuilder {
        self.group = Some(name.into());
        self
    }

    /// Adds middleware around every call of this App's services, inside that which was added before.
    /// Calls of the built-in [`meta`](crate::meta) service, which guards itself, do not pass it.
    #[must_use]
    pub fn middleware(mut self, middleware: impl Middleware) -> AppBuilder {
        self.server = self.server.middleware(middleware);
        self
    }

    /// Adds middleware around every call that is made, inside that which was added before.
    #[must_use]
    pub fn client_middleware(mut self, middleware: impl Middleware) -> AppBuilder {
        self.client = self.client.middleware(middleware);
        self
    }

    /// Adds a transport, for server and client, or replaces the one of the same scheme.
    #[must_use]
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> AppBuilder {
        self.transports.push(transport);
        self
    }

    /// Adds a protocol to the server, behind motet and those added before.
    #[must_use]
    pub fn server_protocol(mut self, protocol: Arc<dyn ServerProtocol>) -> AppBuilder {
        self.server_protocols.push(protocol);
        self
    }

    /// Adds a protocol to the client, behind motet and those added before.
    #[must_use]
    pub fn client_protocol(mut self, protocol: Arc<dyn ClientProtocol>) -> AppBuilder {
        self.client_protocols.push(protocol);
        self
    }

    /// Mounts an HTTP service, an axum router for example, on the App's port: for all requests at
    /// `prefix` and below that no service of the App claims. Its path stays unchanged.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn mount<S, B>(mut self, prefix: &str, service: S) -> AppBuilder
    where
        S: tower_service::Service<http::Request<motet_http::Body>, Response = http::Response<B>>
            + Clone
            + Send
            + 'static,
        S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
        S::Future: Send + 'static,
        B: http_body::Body + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.http = self.http.mount(prefix, service);
        self
    }

    /// Mounts an HTTP service for all requests that nobody else takes.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn fallback<S, B>(mut self, service: S) -> AppBuilder
    where
        S: tower_service::Service<http::Request<motet_http::Body>, Response = http::Response<B>>
            + Clone
            + Send
            + 'static,
        S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
        S::Future: Send + 'static,
        B: http_body::Body + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.http = self.http.fallback(service);
        self
    }

    /// Adds a protocol that HTTP carries, before HTTP/JSON and behind those added before.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn http_protocol(mut self, protocol: Arc<dyn motet_http::HttpProtocol>) -> AppBuilder {
        self.http = self.http.protocol(protocol);
        self
    }

    /// Adds a codec, for server and client.
    #[must_use]
    pub fn codec(mut self, codec: Codec) -> AppBuilder {
        self.codecs = self.codecs.with(codec);
        self
    }

    /// Leaves to a call the nodes that this filter keeps, of those that earlier ones have kept.
    /// Services of this App are called without the network, whatever filters say.
    #[must_use]
    pub fn filter(mut self, filter: impl Filter) -> AppBuilder {
        self.client = self.client.filter(Arc::new(filter));
        self
    }

    /// Chooses nodes by this strategy; power of two choices by default. `client.strategy` in
    /// configuration names one of those that there are, and counts above it.
    #[must_use]
    pub fn strategy(mut self, strategy: Arc<dyn Strategy>) -> AppBuilder {
        self.client = self.client.strategy(strategy);
        self
    }

    /// Serves with this certificate, in place of files that `[server.tls]` or `[tls]` name.
    #[must_use]
    pub fn server_tls(mut self, tls: ServerTls) -> AppBuilder {
        self.server = self.server.tls(tls);
        self
    }

    /// Calls with this trust and certificate, in place of files that `[client.tls]` or `[tls]` name.
    #[must_use]
    pub fn client_tls(mut self, tls: ClientTls) -> AppBuilder {
        self.client_tls = Some(tls);
        self
    }

    /// Draws all randomness from this seed; `app.seed` in configuration. It is predictable: for
    /// tests and simulation.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> AppBuilder {
        self.code = self.code.with("app.seed", seed);
        self
    }

    /// Whether [`App::run`] installs a log where there is none; `log.install` in configuration.
    #[must_use]
    pub fn install_log(mut self, install: bool) -> AppBuilder {
        self.code = self.code.with("log.install", install);
        self
    }

    /// What [`App::run`] reads in place of the process's environment.
    #[must_use]
    pub fn environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> AppBuilder {
        self.environment = Some(variables.into_iter().collect());
        self
    }

    /// What [`App::run`] reads in place of the command line, without the program's name: give an
    /// empty list to a program that has flags of its own.
    #[must_use]
    pub fn arguments(mut self, arguments: impl IntoIterator<Item = String>) -> AppBuilder {
        self.arguments = Some(arguments.into_iter().collect());
        self
    }

    /// The App.
    pub fn build(self) -> App {
        App(self)
    }

    /// As [`App::run`].
    ///
    /// # Errors
    /// As [`App::run`].
    pub async fn run(self) -> Result<()> {
        self.build().run().await
    }

    /// As [`App::start`].
    ///
    /// # Errors
    /// As [`App::start`].
    pub async fn start(self) -> Result<RunningApp> {
        self.build().start().await
    }

    /// Merges what the code says with environment and arguments.
    pub(super) fn load(
        &self,
        environment: impl IntoIterator<Item = (String, String)>,
        arguments: impl IntoIterator<Item = String>,
    ) -> Result<Loaded> {
        let mut sources = vec![ConfigSource::from(self.code.clone())];
        sources.extend(self.sources.iter().cloned());
        load(&sources, environment, arguments)
    }

    /// Puts the parts together and begins to start them.
    pub(super) async fn launch(
        mut self,
        loaded: Loaded,
        settings: Settings,
        registry: &str,
    ) -> Result<(RunningApp, Started)> {
        let modules: Vec<_> = self.modules.drain(..).map(|make| make(&self.name)).collect::<Result<_>>()?;
        check_names(&modules)?;
        let group = match loaded.group.or(self.group.take()) {
            Some(name) => Some(members(&settings, &name, &modules)?),
            None => None,
        };
        let notes = [loaded.notes, settings.notes.clone(), unknown(&loaded.config, &modules)].concat();
        notes.iter().for_each(|note| tracing::warn!("{note}"));
        let shared = wiring::assemble(self, loaded.config, settings, registry).await?;
        Ok(RunningApp::begin(shared, modules, group))
    }
}

fn check_names(modules: &[Arc<dyn Module>]) -> Result<()> {
    for (n, module) in modules.iter().enumerate() {
        if modules[..n].iter().any(|other| other.name() == module.name()) {
            return Err(Status::already_exists(format!(
                "two modules are named {:?}; configuration and process groups tell them apart by name",
                module.name()
            )));
        }
    }
    Ok(())
}

/// Sections of modules that this App does not have: a slip, or another process's of the same file.
fn unknown(config: &Config, modules: &[Arc<dyn Module>]) -> Vec<String> {
    let has = |name: &String| modules.iter().any(|module| module.name() == name);
    let others = config.keys(&["modules"]).into_iter().filter(|name| !has(name));
    others.map(|name| format!("configuration has a section modules.{name}, and this App no such module")).collect()
}

/// The names of a group's modules, all of which there must be.
fn members(settings: &Settings, group: &str, modules: &[Arc<dyn Module>]) -> Result<Vec<String>> {
    let names = settings.group(group)?;
    for name in names {
        if modules.iter().all(|module| module.name() != name) {
            let known: Vec<_> = modules.iter().map(|module| module.name()).collect();
            return Err(Status::not_found(format!(
                "groups.{group}.modules names {name:?}, which this App does not have; its modules: {}",
                known.join(", ")
            )));
        }
    }
    Ok(names.to_vec())
}

impl fmt::Debug for AppBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppBuilder").field("name", &self.name).field("code", &self.code).finish_non_exhaustive()
    }
}

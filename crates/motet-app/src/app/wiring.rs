//! Putting the parts of an App together.

use std::sync::{Arc, Mutex, atomic::AtomicBool};

use motet_core::{DrainSignal, Entropy, MemoryTransport, Registry, Result, Transport, Transports};
use motet_rpc::{ClientTls, NativeClient, NativeServer, TcpTransport, UnixTransport, native::MemoryBudget};
use tokio::sync::watch;

use super::{
    Shared,
    builder::{AppBuilder, RegistrySource},
    foreign,
    shared::Will,
};
use crate::{
    config::{Config, Settings},
    health::Board,
    meta,
};

/// An App's parts, put together and not yet running.
///
/// # Errors
/// What is wrong with settings, certificates or the registry's URL.
pub(super) async fn assemble(
    mut builder: AppBuilder,
    config: Config,
    settings: Settings,
    default_registry: &str,
) -> Result<Arc<Shared>> {
    let entropy = settings.app.seed.map_or_else(Entropy::from_system, Entropy::seeded);
    let registry = registry(&mut builder, &config, &settings, default_registry).await?;
    let transports = transports(&mut builder, &settings)?;

    let mut native = settings.native.clone();
    if !config.contains("protocols.motet.max_message") {
        native.max_message = settings.server.message_limit as u64;
    }
    let budget = MemoryBudget::new(settings.server.memory_limit);
    let motet = NativeServer::new(native.clone()).with_budget(budget.clone());
    let mut server = builder.server.config(settings.server.clone()).entropy(entropy.clone());
    server = server.transports(transports.clone()).codecs(builder.codecs.clone()).protocol(Arc::new(motet));
    let foreign = foreign::protocols(&config, &settings, &budget);
    for protocol in foreign.server.into_iter().chain(builder.server_protocols) {
        server = server.protocol(protocol);
    }
    #[cfg(feature = "http")]
    let insight = Arc::new(crate::meta::AppInsight::default());
    #[cfg(feature = "http")]
    let door = foreign.http.into_iter().fold(builder.http, motet_http::HttpServer::protocol);
    #[cfg(feature = "http")]
    let mounted = motet_protocol_http::SHORT_FORMS.into_iter().filter(|path| door.has_mounted(path)).collect();
    #[cfg(feature = "http")]
    for protocol in http(door.with_budget(budget.clone()), &config, &settings, &insight, &budget) {
        server = server.protocol(protocol);
    }
    let server = server.build()?;

    let local = DrainSignal::new();
    let mut client = builder.client.config(settings.client.clone()).entropy(entropy.clone());
    client = client.transports(transports).codecs(builder.codecs).registry(registry.clone());
    client = client.protocol(Arc::new(NativeClient::new(native)));
    for protocol in foreign.client.into_iter().chain(builder.client_protocols) {
        client = client.protocol(protocol);
    }
    #[cfg(feature = "grpc")]
    {
        use motet_protocol_grpc::{ConnectClient, GrpcClient, GrpcWebClient};
        let own = grpc_config(&config, &settings);
        client = client.protocol(Arc::new(GrpcClient::new(own.clone())));
        client = client.protocol(Arc::new(ConnectClient::new(own.clone())));
        client = client.protocol(Arc::new(GrpcWebClient::new(own)));
    }
    #[cfg(feature = "http")]
    {
        client = client.protocol(Arc::new(motet_protocol_http::HttpClient::new(settings.http_client.clone())));
    }
    #[cfg(feature = "websocket")]
    {
        let own = websocket_config(&config, &settings);
        client = client.protocol(Arc::new(motet_protocol_websocket::WebSocketClient::new(own)));
    }
    let client = client.local(server.dispatcher().clone(), Some(local.drain())).build();

    let name = if settings.app.name.is_empty() { builder.name } else { settings.app.name.clone() };
    let shared = Arc::new(Shared {
        name,
        config,
        settings,
        entropy,
        registry,
        client,
        server,
        local,
        board: Board::default(),
        will: watch::channel(Will::Run).0,
        open: AtomicBool::new(true),
        offered: Mutex::default(),
        nodes: Mutex::default(),
        #[cfg(feature = "http")]
        mounted,
    });
    #[cfg(feature = "http")]
    insight.of(&shared);
    // It guards itself, and a prober of its health has no credentials of the user's services.
    shared.server.add_without_middleware(meta::service(&shared)?)?;
    Ok(shared)
}

/// HTTP, with HTTP/JSON behind what the builder was given.
#[cfg(feature = "http")]
fn http(
    door: motet_http::HttpServer,
    config: &Config,
    settings: &Settings,
    insight: &Arc<crate::meta::AppInsight>,
    budget: &MemoryBudget,
) -> Vec<Arc<dyn motet_core::ServerProtocol>> {
    let mut own = settings.http.clone();
    if !config.contains("protocols.http.max_message") {
        own.max_message = settings.server.message_limit;
    }
    if !config.contains("protocols.http.head_timeout") {
        own.head_timeout = settings.server.head_timeout;
    }
    #[cfg(feature = "grpc")]
    let door = door.protocol(grpc(config, settings, insight));
    // Before HTTP/JSON, whose paths it shares where a request asks for an upgrade.
    #[cfg(feature = "websocket")]
    let door = {
        let app = insight.clone();
        let may_ask = Arc::new(move |cx: &motet_core::Context| motet_protocol_http::Insight::may_ask(&*app, cx));
        let server = motet_protocol_websocket::WebSocketServer::new(websocket_config(config, settings));
        door.protocol(Arc::new(server.with_budget(budget.clone()).with_introspection(may_ask)))
    };
    let _ = budget;
    let json = motet_protocol_http::HttpJson::new().with_insight(insight.clone());
    let door = settings.server.advertise.iter().fold(door.config(own), motet_http::HttpServer::advertised);
    let door = door.protocol(Arc::new(json));
    #[cfg(feature = "jsonrpc")]
    let door = door.protocol(Arc::new(motet_protocol_jsonrpc::HttpJsonRpc::default()));
    door.server_protocols()
}

#[cfg(feature = "websocket")]
fn websocket_config(config: &Config, settings: &Settings) -> motet_protocol_websocket::WebSocketConfig {
    let mut own = settings.websocket.clone();
    if !config.contains("protocols.websocket.max_message") {
        own.max_message = settings.server.message_limit;
    }
    own
}

/// gRPC, with the App's health and reflection of what it serves.
#[cfg(feature = "grpc")]
fn grpc(
    config: &Config,
    settings: &Settings,
    insight: &Arc<crate::meta::AppInsight>,
) -> Arc<dyn motet_http::HttpProtocol> {
    let app = insight.clone();
    let may_ask = Arc::new(move |cx: &motet_core::Context| motet_protocol_http::Insight::may_ask(&*app, cx));
    let server = motet_protocol_grpc::GrpcServer::new(grpc_config(config, settings));
    Arc::new(server.with_health(insight.clone()).with_reflection(may_ask))
}

#[cfg(feature = "grpc")]
fn grpc_config(config: &Config, settings: &Settings) -> motet_protocol_grpc::GrpcConfig {
    let mut own = settings.grpc.clone();
    if !config.contains("protocols.grpc.max_message") {
        own.max_message = settings.server.message_limit;
    }
    own
}

/// The registry: one given as a value counts above files, below environment and flags.
async fn registry(
    builder: &mut AppBuilder,
    config: &Config,
    settings: &Settings,
    default: &str,
) -> Result<Arc<dyn Registry>> {
    let url = &settings.registry.url;
    match builder.registry.take() {
        Some(RegistrySource::Value(registry)) if !config.is_text("registry.url") => Ok(registry),
        _ if url.is_empty() => builder.registries.open(default).await,
        _ => builder.registries.open(url).await,
    }
}

/// TCP, Unix sockets and a memory of the App's own, and what the builder adds.
fn transports(builder: &mut AppBuilder, settings: &Settings) -> Result<Transports> {
    let tls = match (builder.client_tls.take(), &settings.client_tls) {
        (Some(tls), _) => Some(tls),
        (None, Some(files)) => Some(ClientTls::load(files)?),
        (None, None) => None,
    };
    let (tcp, unix): (Arc<dyn Transport>, Arc<dyn Transport>) = match tls {
        Some(tls) => {
            (Arc::new(TcpTransport::new().with_tls(tls.clone())), Arc::new(UnixTransport::new().with_tls(tls)))
        }
        None => (Arc::new(TcpTransport::new()), Arc::new(UnixTransport::new())),
    };
    let own = Transports::new().with(tcp).with(unix).with(Arc::new(MemoryTransport::new()));
    Ok(builder.transports.drain(..).fold(own, Transports::with))
}

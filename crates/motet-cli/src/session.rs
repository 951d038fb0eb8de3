//! What a command that talks to services begins with: registry, client, metadata, limits.

use std::{sync::Arc, time::Duration};

use motet::{
    CallOptions, Client, ClientConfig, ClientTls, ClientTlsConfig, Context, Endpoint, GoRpcClient, GoRpcConfig,
    JsonRpcClient, JsonRpcConfig, JsonRpcVersion as Version, MucpClient, MucpConfig, NativeClient, NativeConfig,
    NetRpcClient, NetRpcConfig, Node, Registries, Registry, RpcxClient, RpcxConfig, ServiceClient, Status,
    TcpTransport, UnixTransport, WebSocketClient, WebSocketConfig,
    core::ClientProtocol,
    grpc::{ConnectClient, GrpcClient, GrpcConfig, GrpcWebClient},
    http::{HttpClient, HttpClientConfig},
};
use tokio::time::Instant;

use crate::{
    failure::{Failure, Outcome, exit, in_flags},
    global::Global,
    names,
    output::Output,
    url::{self, Url},
};

/// How long a registry or a node may take to say what it knows, unless `--timeout` says otherwise.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// What a command that talks to services works with. It registers nothing.
pub(crate) struct Session {
    /// Standard output.
    pub(crate) output: Output,
    /// The one address to talk to.
    pub(crate) address: Option<String>,
    /// The time that `--timeout` gives, and when it is over.
    pub(crate) limit: Option<(Duration, Instant)>,
    /// Metadata of all calls.
    pub(crate) cx: Context,
    client: Client,
    registry: Option<Arc<dyn Registry>>,
}

impl Session {
    /// Reads the options that all commands share, and opens the registry unless there is an address.
    ///
    /// # Errors
    /// What is wrong with an option, a certificate or the registry.
    pub(crate) async fn open(global: &Global) -> Outcome<Session> {
        Session::open_with(global, ClientConfig::default()).await
    }

    /// As [`Session::open`], with other settings of the client.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub(crate) async fn open_with(global: &Global, config: ClientConfig) -> Outcome<Session> {
        let registry = match &global.address {
            Some(_) => None,
            None => Some(open_registry(registry_url(global)).await?),
        };
        Session::new(global, config, registry)
    }

    /// A session that asks no registry: only addresses can be called.
    ///
    /// # Errors
    /// What is wrong with an option or a certificate.
    pub(crate) fn without_registry(global: &Global) -> Outcome<Session> {
        Session::new(global, ClientConfig::default(), None)
    }

    fn new(global: &Global, config: ClientConfig, registry: Option<Arc<dyn Registry>>) -> Outcome<Session> {
        let cx = global.meta.iter().try_fold(Context::new(), |cx, pair| with_metadata(&cx, pair))?;
        let mut client = Client::builder().config(config);
        for protocol in protocols() {
            client = client.protocol(protocol);
        }
        let address = global.address.as_deref().map(|address| normal(address, global.ca.is_some())).transpose()?;
        client = match tls(global, address.as_deref())? {
            Some(tls) => client
                .transport(Arc::new(TcpTransport::new().with_tls(tls.clone())))
                .transport(Arc::new(UnixTransport::new().with_tls(tls))),
            None => client.transport(Arc::new(TcpTransport::new())).transport(Arc::new(UnixTransport::new())),
        };
        if let Some(registry) = &registry {
            client = client.registry(registry.clone());
        }
        let mut client = client.build();
        if let Some(address) = &address {
            client = client.to(address).map_err(|status| Failure::usage(format!("--address: {}", status.message())))?;
        }
        let limit = global.timeout.map(|time| (time, Instant::now() + time));
        Ok(Session { output: Output::new(global.json), address, limit, cx, client, registry })
    }

    /// The protocol that the one address names; `motet` if there is none.
    pub(crate) fn protocol(&self) -> &str {
        self.address.as_deref().map_or("motet", url::protocol)
    }

    /// The client for calls of a service: all its nodes, or the one address.
    pub(crate) fn service(&self, name: &str, options: CallOptions) -> ServiceClient {
        self.client.service(name).with_options(options)
    }

    /// The client of one endpoint.
    ///
    /// # Errors
    /// As [`Client::to`].
    pub(crate) fn at(&self, endpoint: &Endpoint) -> motet::Result<Client> {
        self.client.to(endpoint)
    }

    /// The client of the one address.
    pub(crate) fn pinned(&self) -> &Client {
        &self.client
    }

    /// Where services are looked up, in words: `file:///tmp/motet-0`, or the address.
    pub(crate) fn place(&self) -> String {
        match (&self.address, &self.registry) {
            (Some(address), _) => address.clone(),
            (None, Some(registry)) => registry.url(),
            (None, None) => String::new(),
        }
    }

    /// The time that a question to a node may take from now on.
    pub(crate) fn patience(&self) -> Duration {
        match self.limit {
            // Zero would be no limit to some; a millisecond is over soon enough.
            Some((_, until)) => until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)),
            None => PATIENCE,
        }
    }

    /// The names of the services that are registered, sorted.
    ///
    /// # Errors
    /// When the registry does not answer.
    pub(crate) async fn registered(&self) -> Outcome<Vec<String>> {
        let Some(registry) = &self.registry else { return Ok(Vec::new()) };
        let all = self.in_time(registry.list()).await?;
        Ok(all.into_iter().map(|summary| summary.name).collect())
    }

    /// The nodes of a service, or of all services, sorted; there may be none.
    ///
    /// # Errors
    /// When the registry does not answer.
    pub(crate) async fn lookup(&self, service: Option<&str>) -> Outcome<Vec<Node>> {
        let Some(registry) = &self.registry else { return Ok(Vec::new()) };
        let names = match service {
            Some(name) => vec![name.to_owned()],
            None => self.registered().await?,
        };
        let mut nodes = Vec::new();
        for name in &names {
            nodes.extend(self.in_time(registry.lookup(name)).await?);
        }
        nodes.sort_by(|a, b| (&a.service, &a.version, &a.id).cmp(&(&b.service, &b.version, &b.id)));
        Ok(nodes)
    }

    /// The nodes of a service that is meant to run.
    ///
    /// # Errors
    /// What is registered instead, when it has none.
    pub(crate) async fn nodes_of(&self, service: &str) -> Outcome<Vec<Node>> {
        let nodes = self.lookup(Some(service)).await?;
        if nodes.is_empty() { Err(self.no_node(service).await?) } else { Ok(nodes) }
    }

    async fn no_node(&self, service: &str) -> Outcome<Failure> {
        if service == motet_app::meta::SERVICE {
            return Ok(Failure::unreachable(format!("every process has its own `{service}`, and none is registered"))
                .hint("name the process with --address; `motet nodes` lists them"));
        }
        let running = self.registered().await?;
        Ok(unknown_service(
            &format!("no node of `{service}` is registered in {}", self.place()),
            service,
            running.iter().map(|name| &**name),
        ))
    }

    async fn in_time<T>(&self, question: impl Future<Output = motet::Result<T>>) -> Outcome<T> {
        let patience = self.patience();
        match tokio::time::timeout(patience, question).await {
            Ok(answer) => answer.map_err(|status| at_registry(&status)),
            Err(_) => Err(Failure::new(
                exit::TIMEOUT,
                format!("the registry {} has not answered within {}", self.place(), crate::duration::show(patience)),
            )
            .hint("allow it more with --timeout 30s, or name another with --registry")),
        }
    }
}

/// The failure of a service that is not there: what is, and what was probably meant.
pub(crate) fn unknown_service<'a>(
    problem: &str,
    wanted: &str,
    running: impl IntoIterator<Item = &'a str> + Clone,
) -> Failure {
    let list = names::list(running.clone());
    if list.is_empty() {
        let failure = Failure::unreachable(format!("{problem}; no service is running"));
        return failure.hint("start one: `motet demo` serves a few to try, `motet new hello` makes one of your own");
    }
    let meant = names::find(wanted, running.clone()).or_else(|| names::nearest(wanted, running));
    let meant = meant.map_or(String::new(), |meant| format!("; did you mean `{meant}`?"));
    Failure::unreachable(format!("{problem}; running services: {list}{meant}"))
}

/// What a registry says when it cannot do what it is asked.
fn at_registry(status: &Status) -> Failure {
    Failure::unreachable(status.message()).answer(status)
}

/// The URL of the registry that the command line or the environment names; `file:` if none does.
pub(crate) fn registry_url(global: &Global) -> &str {
    global.registry.as_deref().filter(|url| !url.is_empty()).unwrap_or("file:")
}

async fn open_registry(url: &str) -> Outcome<Arc<dyn Registry>> {
    if url.starts_with("memory:") {
        let problem = "the registry memory: is seen only by the program that it belongs to";
        return Err(Failure::usage(problem).hint("name one that is shared, such as --registry file:"));
    }
    Registries::default().open(url).await.map_err(|status| match status.code() {
        motet::Code::InvalidArgument => Failure::usage(format!("--registry: {}", status.message()))
            .hint("write file:, file:///path or static:NAME=HOST:PORT"),
        _ => at_registry(&status),
    })
}

fn with_metadata(cx: &Context, pair: &str) -> Outcome<Context> {
    let Some((key, value)) = pair.split_once('=') else {
        // What is not a pair may be a value that nobody should see again.
        return Err(Failure::usage("--meta takes KEY=VALUE, such as --meta tenant=acme; there is no `=`"));
    };
    if key.ends_with("-bin") {
        return Err(Failure::usage(format!(
            "--meta {key}: keys that end in -bin hold bytes, which cannot be written here"
        )));
    }
    cx.with_metadata(key, value).map_err(|status| Failure::usage(format!("--meta: {}", status.message())))
}

fn tls(global: &Global, address: Option<&str>) -> Outcome<Option<ClientTls>> {
    let Global { ca, cert, key, server_name, .. } = global;
    // A URL such as https://host is one of the whole world's.
    let public = ca.is_none() && address.is_some_and(|at| at.contains("+tls://") && url::protocol(at) != "motet");
    if ca.is_none() && !public {
        let alone = [("--cert", cert.is_some()), ("--key", key.is_some()), ("--server-name", server_name.is_some())];
        return match alone.iter().find(|(_, given)| *given) {
            Some((flag, _)) => Err(Failure::usage(format!("{flag} needs --ca as well"))
                .hint("--ca FILE names the authority that signed the server's certificate, and turns TLS on")),
            None => Ok(None),
        };
    }
    let mut config = ClientTlsConfig::default();
    config.system_roots = public;
    (config.ca, config.server_name) = (ca.clone(), server_name.clone());
    (config.cert, config.key) = (cert.clone(), key.clone());
    ClientTls::load(&config).map(Some).map_err(|status| Failure::usage(in_flags(status.message())))
}

/// What can be spoken, the preferred first: each is a scheme of an address.
fn protocols() -> Vec<Arc<dyn ClientProtocol>> {
    vec![
        Arc::new(NativeClient::new(NativeConfig::default())),
        Arc::new(GrpcClient::new(GrpcConfig::default())),
        Arc::new(ConnectClient::new(GrpcConfig::default())),
        Arc::new(GrpcWebClient::new(GrpcConfig::default())),
        Arc::new(WebSocketClient::new(WebSocketConfig::default())),
        Arc::new(HttpClient::new(HttpClientConfig::default())),
        Arc::new(JsonRpcClient::new(Version::V1, JsonRpcConfig::default())),
        Arc::new(JsonRpcClient::new(Version::V2, JsonRpcConfig::default())),
        Arc::new(NetRpcClient::new(NetRpcConfig::default())),
        Arc::new(NetRpcClient::over_http(NetRpcConfig::default())),
        Arc::new(RpcxClient::new(RpcxConfig::default())),
        Arc::new(GoRpcClient::new(GoRpcConfig::default())),
        Arc::new(MucpClient::new(MucpConfig::default())),
    ]
}

/// An address as the client reads it: `unix:/path` gets its slashes, `https://host` its port, and with
/// TLS wanted an address that does not say how to speak gets TLS.
fn normal(address: &str, tls: bool) -> Outcome<String> {
    if let Some(path) = address.strip_prefix("unix:").filter(|path| path.starts_with('/') && !path.starts_with("//")) {
        return Ok(format!("unix://{path}"));
    }
    match Url::read(address, tls) {
        Some(url) => {
            let url = url?;
            match url.path.is_empty() {
                true => Ok(url.address),
                false => Err(Failure::usage(format!("--address {address}: a path has no place here"))
                    .hint(format!("write it behind the command: motet call {address}"))),
            }
        }
        None if tls => Ok(format!("tcp+tls://{address}")),
        None => Ok(address.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (address, tls, expected) in [
            ("a:1", false, "a:1"),
            ("a:1", true, "tcp+tls://a:1"),
            ("tcp://a:1", true, "tcp+tls://a:1"),
            ("unix:/run/x", false, "unix:///run/x"),
            ("unix:///run/x", true, "unix:///run/x"),
            ("https://a", false, "http+tls://a:443"),
            ("grpcs://a:1/", false, "grpc+tls://a:1"),
        ] {
            assert_eq!(normal(address, tls).expect(address), expected);
        }
        assert!(
            normal("http://a/greeter", false).expect_err("a path").to_string().contains("motet call http://a/greeter")
        );
    }

    #[test]
    fn a_service_that_is_not_there_is_answered_with_those_that_are() {
        let failure = unknown_service("no node of `greter` is registered in x", "greter", ["greeter", "orders"]);
        assert_eq!(
            failure.message,
            "no node of `greter` is registered in x; running services: greeter, orders; did you mean `greeter`?"
        );
        assert!(unknown_service("x", "greeter", []).to_string().contains("motet demo"));
    }

    #[test]
    fn metadata_that_is_no_pair_is_refused_without_being_shown() {
        let error = with_metadata(&Context::new(), "hunter2").expect_err("no pair");
        assert!(!error.to_string().contains("hunter2") && error.message.contains("KEY=VALUE"));
        assert!(with_metadata(&Context::new(), "motet-x=1").expect_err("reserved").message.contains("reserved"));
        assert!(with_metadata(&Context::new(), "a=b=c").is_ok());
    }
}

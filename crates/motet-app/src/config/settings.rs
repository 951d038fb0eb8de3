//! Motet's own sections.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use motet_core::{Result, Status};
use motet_rpc::{
    ClientConfig, NativeConfig, ServerConfig,
    transport::{ClientTlsConfig, ServerTlsConfig},
};
use serde::Deserialize;
use serde_json::Value;

use super::{Config, nearest};

/// The sections that are Motet's; all others are the user's.
const SECTIONS: [&str; 9] = ["app", "client", "groups", "log", "modules", "protocols", "registry", "server", "tls"];

/// The keys of `[modules.NAME]` by which the App supervises a module.
pub(super) const SUPERVISION: [&str; 3] = ["on_panic", "max_restarts", "backoff"];

/// All of Motet's own sections, read and checked.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) app: AppSettings,
    pub(crate) introspection: ServerSettings,
    pub(crate) server: ServerConfig,
    pub(crate) client: ClientConfig,
    pub(crate) client_tls: Option<ClientTlsConfig>,
    pub(crate) native: NativeConfig,
    #[cfg(feature = "http")]
    pub(crate) http: motet_http::HttpConfig,
    #[cfg(feature = "http")]
    pub(crate) http_client: motet_protocol_http::HttpClientConfig,
    #[cfg(feature = "gorpc")]
    pub(crate) gorpc: motet_protocol_gorpc::GoRpcConfig,
    #[cfg(feature = "rpcx")]
    pub(crate) rpcx: motet_protocol_rpcx::RpcxConfig,
    #[cfg(feature = "mucp")]
    pub(crate) mucp: motet_protocol_mucp::MucpConfig,
    #[cfg(feature = "grpc")]
    pub(crate) grpc: motet_protocol_grpc::GrpcConfig,
    #[cfg(feature = "jsonrpc")]
    pub(crate) jsonrpc: motet_protocol_jsonrpc::JsonRpcConfig,
    #[cfg(feature = "netrpc")]
    pub(crate) netrpc: motet_protocol_netrpc::NetRpcConfig,
    #[cfg(feature = "websocket")]
    pub(crate) websocket: motet_protocol_websocket::WebSocketConfig,
    pub(crate) registry: RegistrySettings,
    pub(crate) log: LogSettings,
    pub(crate) groups: BTreeMap<String, Group>,
    /// What is odd but no error.
    pub(crate) notes: Vec<String>,
}

/// `[app]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct AppSettings {
    /// The name in logs; the builder's if empty.
    pub(crate) name: String,
    /// The zone that its nodes announce.
    pub(crate) zone: String,
    /// Labels that its nodes announce.
    pub(crate) labels: BTreeMap<String, String>,
    /// The seed of its randomness; a different one each time if absent.
    pub(crate) seed: Option<u64>,
    /// How long a start may take altogether.
    pub(crate) start_timeout: Duration,
    /// How long a stop may take altogether.
    pub(crate) stop_timeout: Duration,
    /// How long callers are given to notice that a node is gone, before calls are refused; by
    /// default what the registry needs.
    pub(crate) drain_delay: Option<Duration>,
}

impl Default for AppSettings {
    fn default() -> AppSettings {
        AppSettings {
            name: String::new(),
            zone: String::new(),
            labels: BTreeMap::new(),
            seed: None,
            start_timeout: Duration::from_secs(60),
            stop_timeout: Duration::from_secs(30),
            drain_delay: None,
        }
    }
}

/// The part of `[server]` that the App itself reads; the rest is [`ServerConfig`].
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ServerSettings {
    /// Who may ask what runs here.
    pub(crate) introspection: Introspection,
    /// What such a caller may present in the metadata `introspection-token`.
    pub(crate) introspection_token: String,
}

const SERVER: [&str; 2] = ["introspection", "introspection_token"];

impl std::fmt::Debug for ServerSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerSettings").field("introspection", &self.introspection).finish_non_exhaustive()
    }
}

/// Who may ask what runs here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Introspection {
    /// Callers on this machine and callers with credentials.
    #[default]
    Credentials,
    /// Everyone.
    Anyone,
}

/// `[registry]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct RegistrySettings {
    /// Which registry; the builder's if empty.
    pub(crate) url: String,
    /// How long a record outlives its process, where the registry measures that.
    pub(crate) ttl: Duration,
}

impl Default for RegistrySettings {
    fn default() -> RegistrySettings {
        RegistrySettings { url: String::new(), ttl: Duration::from_secs(10) }
    }
}

/// `[log]`
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct LogSettings {
    /// What to log, as `RUST_LOG` writes it: `info`, `warn,motet_rpc=debug`.
    pub(crate) level: String,
    /// How to write it.
    pub(crate) format: LogFormat,
    /// Whether `run` installs a subscriber if none is set.
    pub(crate) install: bool,
}

impl Default for LogSettings {
    fn default() -> LogSettings {
        LogSettings { level: "info".to_owned(), format: LogFormat::Text, install: true }
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object a line.
    Json,
}

/// `[tls]`: paths of PEM files, for `[server.tls]` and `[client.tls]` where those say nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct TlsSettings {
    /// The certificate chain that this App shows, as server and as client.
    cert: Option<PathBuf>,
    /// Its private key.
    key: Option<PathBuf>,
    /// The authorities that servers' certificates are checked against.
    ca: Option<PathBuf>,
    /// The authorities that clients' certificates are checked against; giving it asks for them.
    client_ca: Option<PathBuf>,
}

/// `[groups.NAME]`
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Group {
    /// The names of the modules that a process of this group runs.
    pub(crate) modules: Vec<String>,
}

/// How the App supervises a module: part of `[modules.NAME]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct Supervision {
    /// What to do when its `run` panics or fails.
    pub(crate) on_panic: OnPanic,
    /// How many times in a row it is restarted before the App ends; a run of one minute starts the
    /// count anew.
    pub(crate) max_restarts: u32,
    /// The wait before the first restart; each later one is twice as long, up to 10 s.
    pub(crate) backoff: Duration,
}

impl Default for Supervision {
    fn default() -> Supervision {
        Supervision { on_panic: OnPanic::Restart, max_restarts: 5, backoff: Duration::from_millis(100) }
    }
}

/// What to do when a module's `run` panics or fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnPanic {
    /// Run it again.
    #[default]
    Restart,
    /// End the App.
    Stop,
}

/// What a service's node announces: the rest of `[modules.NAME]` where the module is a service.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct ServiceSettings {
    /// Its share of the calls, 100 being an equal one.
    pub(crate) weight: u32,
    /// Labels beside those of `[app]`.
    pub(crate) labels: BTreeMap<String, String>,
}

impl Default for ServiceSettings {
    fn default() -> ServiceSettings {
        ServiceSettings { weight: 100, labels: BTreeMap::new() }
    }
}

impl Settings {
    /// Reads and checks Motet's own sections.
    ///
    /// # Errors
    /// InvalidArgument naming the source and the key.
    pub(crate) fn read(config: &Config) -> Result<Settings> {
        let config = &one_is_a_list(config);
        let own = |section: &'static str, keys: &[&str]| {
            let others = config.keys(&[section]).into_iter().filter(|key| !keys.contains(&key.as_str()));
            others.collect::<Vec<_>>()
        };
        let others = own("server", &SERVER);
        let mut settings = Settings {
            app: config.get("app")?,
            introspection: config.read(&["server"], &texts(&others), &[])?,
            server: config.read(&["server"], &SERVER, &SERVER)?,
            client: config.read(&["client"], &["tls"], &["tls"])?,
            client_tls: config.contains("client.tls").then(|| config.get("client.tls")).transpose()?,
            native: config.get("protocols.motet")?,
            #[cfg(feature = "http")]
            http: config.get("protocols.http")?,
            #[cfg(feature = "http")]
            http_client: config.get("protocols.http_client")?,
            #[cfg(feature = "gorpc")]
            gorpc: config.get("protocols.gorpc")?,
            #[cfg(feature = "rpcx")]
            rpcx: config.get("protocols.rpcx")?,
            #[cfg(feature = "mucp")]
            mucp: config.get("protocols.mucp")?,
            #[cfg(feature = "grpc")]
            grpc: config.get("protocols.grpc")?,
            #[cfg(feature = "jsonrpc")]
            jsonrpc: config.get("protocols.jsonrpc")?,
            #[cfg(feature = "netrpc")]
            netrpc: config.get("protocols.netrpc")?,
            #[cfg(feature = "websocket")]
            websocket: config.get("protocols.websocket")?,
            registry: config.get("registry")?,
            log: config.get("log")?,
            groups: config.get("groups")?,
            notes: misspelled(config),
        };
        settings.check(config)?;
        settings.shared_tls(config)?;
        Ok(settings)
    }

    fn check(&self, config: &Config) -> Result<()> {
        if self.registry.ttl < Duration::from_secs(1) {
            return Err(config.wrong("registry.ttl", "must be at least \"1s\""));
        }
        for (key, time) in [("app.stop_timeout", self.app.stop_timeout), ("app.start_timeout", self.app.start_timeout)]
        {
            if time.is_zero() {
                return Err(config.wrong(key, "must be more than zero"));
            }
        }
        Ok(())
    }

    fn shared_tls(&mut self, config: &Config) -> Result<()> {
        let tls: TlsSettings = config.get("tls")?;
        match (&tls.cert, &tls.key) {
            (Some(_), None) => return Err(config.wrong("tls.cert", "needs tls.key beside it")),
            (None, Some(_)) => return Err(config.wrong("tls.key", "needs tls.cert beside it")),
            (None, None) if tls.client_ca.is_some() => {
                return Err(
                    config.wrong("tls.client_ca", "needs tls.cert and tls.key: without them nothing is encrypted")
                );
            }
            (Some(cert), Some(key)) if self.server.tls.is_none() => {
                let mut server = ServerTlsConfig::new(cert, key);
                server.client_ca.clone_from(&tls.client_ca);
                self.server.tls = Some(server);
            }
            _ => {}
        }
        if self.client_tls.is_none() && tls.ca.is_some() {
            let mut client = ClientTlsConfig::default();
            (client.ca, client.cert, client.key) = (tls.ca, tls.cert, tls.key);
            self.client_tls = Some(client);
        }
        Ok(())
    }

    /// The names of the modules of a process group.
    ///
    /// # Errors
    /// NotFound naming the groups that there are.
    pub(crate) fn group(&self, name: &str) -> Result<&[String]> {
        self.groups.get(name).map(|group| &group.modules[..]).ok_or_else(|| {
            let known: Vec<_> = self.groups.keys().map(String::as_str).collect();
            let near = nearest(name, known.iter().copied());
            let hint = match (near, known.is_empty()) {
                (Some(near), _) => format!("did you mean {near:?}?"),
                (None, true) => format!("there are none; add [groups.{name}] with modules = [\"…\"]"),
                (None, false) => format!("there are: {}", known.join(", ")),
            };
            Status::not_found(format!("process group {name:?} is not configured; {hint}"))
        })
    }
}

impl Supervision {
    pub(crate) fn read(config: &Config, module: &str) -> Result<Supervision> {
        let path = ["modules", module];
        let mut others = config.keys(&path);
        others.retain(|key| !SUPERVISION.contains(&key.as_str()));
        config.read(&path, &texts(&others), &[])
    }
}

impl ServiceSettings {
    pub(crate) fn read(config: &Config, service: &str) -> Result<ServiceSettings> {
        config.read(&["modules", service], &SUPERVISION, &SUPERVISION)
    }
}

fn texts(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

/// One address, or one network, is a list of one.
fn one_is_a_list(config: &Config) -> Config {
    ["listen", "proxy_from"].into_iter().fold(config.clone(), |config, key| {
        match config.find(&["server", key]).cloned() {
            Some(Value::String(text)) => config.replaced(&["server", key], |origin_is_text| {
                // Text from the environment or a flag may hold several and is taken apart when it is read.
                if origin_is_text { text.clone().into() } else { vec![text.clone()].into() }
            }),
            _ => config,
        }
    })
}

/// Sections that are probably meant to be Motet's own.
fn misspelled(config: &Config) -> Vec<String> {
    let others = config.keys(&[]).into_iter().filter(|key| !SECTIONS.contains(&key.as_str()));
    let near = others.filter_map(|key| nearest(&key, SECTIONS).map(|near| (key, near)));
    near.map(|(key, near)| format!("configuration has a section {key:?}; did you mean {near:?}?")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(toml: &str) -> Result<Settings> {
        Settings::read(&Config::toml(toml).expect("TOML"))
    }

    #[test]
    fn everything_has_a_default() {
        let settings = read("").expect("defaults");
        assert_eq!(settings.app.stop_timeout, Duration::from_secs(30));
        assert_eq!(settings.introspection.introspection, Introspection::Credentials);
        assert_eq!((settings.log.format, settings.log.install), (LogFormat::Text, true));
    }

    #[test]
    fn wrong_keys_name_the_nearest() {
        for (toml, expected) in [
            ("[server]\nlisen = 'x'", "server.lisen is no known key; did you mean \"listen\"?"),
            ("[server]\nintrospection_tokn = 'x'", "did you mean \"introspection_token\"?"),
            ("[app]\nstop_timout = '1s'", "did you mean \"stop_timeout\"?"),
            ("[app]\nstop_timeout = 5", "app.stop_timeout must be a time"),
            ("[app]\nstop_timeout = '0'", "app.stop_timeout must be more than zero"),
            ("[log]\nformat = 'xml'", "log.format must be one of \"text\", \"json\""),
            ("[groups.web]\nmodule = ['a']", "did you mean \"modules\"?"),
            ("[groups.web]", "groups.web needs the key \"modules\""),
            ("[tls]\ncert = 'c.pem'", "tls.cert needs tls.key"),
            ("[tls]\nclient_ca = 'c.pem'", "needs tls.cert and tls.key"),
            ("[registry]\nttl = '1ms'", "registry.ttl must be at least"),
            ("[client]\ntimout = '1s'", "did you mean \"timeout\"?"),
            ("[client]\ntimeout = 1", "client.timeout must be a time"),
            ("[client]\nstrategy = 'fastest'", "client.strategy must be one of \"p2c\", \"random\", \"round-robin\""),
            ("[client.tls]\nca_file = 'x'", "client.tls.ca_file is no known key"),
            ("[server]\nhead_timeout = true", "server.head_timeout must be a time"),
            ("[server]\nproxy_from = '10.0.0.0/33'", "server.proxy_from.0 \"10.0.0.0/33\" is no network"),
        ] {
            let error = read(toml).expect_err(toml);
            assert!(error.message().contains(expected), "{error}");
        }
    }

    /// One syntax for all sections, whether it comes from a file, the environment or a flag.
    #[test]
    fn times_are_written_alike_everywhere() {
        let keys = ["server.head_timeout", "client.timeout", "app.stop_timeout", "registry.ttl", "app.drain_delay"];
        for key in keys {
            let set = |value: &str| {
                let (section, name) = key.split_once('.').expect("a section");
                let variable = format!("MOTET_{}__{}", section.to_uppercase(), name.to_uppercase());
                let quoted = format!("{key} = {value:?}");
                [
                    Config::toml(&quoted).expect("TOML"),
                    super::super::load(&[], [(variable, value.to_owned())], []).expect("loads").config,
                    super::super::load(&[], [], [format!("--set={key}={value}")]).expect("loads").config,
                ]
            };
            for config in set("1h30m") {
                let settings = Settings::read(&config).expect(key);
                let time = match key {
                    "server.head_timeout" => settings.server.head_timeout,
                    "client.timeout" => settings.client.timeout,
                    "app.stop_timeout" => settings.app.stop_timeout,
                    "registry.ttl" => settings.registry.ttl,
                    _ => settings.app.drain_delay.expect("set"),
                };
                assert_eq!(time, Duration::from_secs(5400), "{key}");
            }
            let number = Config::toml(&format!("{key} = 5")).expect("TOML");
            for config in set("5").into_iter().chain([number]) {
                let error = Settings::read(&config).expect_err("no unit").to_string();
                assert!(error.contains(key) && error.contains("\"5s\" is five seconds"), "{error}");
            }
        }
    }

    #[test]
    fn addresses_are_one_or_many() {
        let listen = |toml: &str| read(&format!("[server]\nlisten = {toml}")).expect("read").server.listen;
        assert_eq!(listen("'tcp://a:1'"), ["tcp://a:1"]);
        assert_eq!(listen("['tcp://a:1', 'tcp://b:1']"), ["tcp://a:1", "tcp://b:1"]);
    }

    #[test]
    fn networks_of_proxies_are_one_or_many_from_everywhere() {
        let both = "10.0.0.0/8,::1";
        for (config, expected) in [
            (Config::toml("[server]\nproxy_from = '10.0.0.0/8'").expect("TOML"), "10.0.0.0/8"),
            (Config::toml("[server]\nproxy_from = ['10.0.0.0/8', '::1']").expect("TOML"), "10.0.0.0/8 ::1/128"),
            (
                super::super::load(&[], [("MOTET_SERVER__PROXY_FROM".to_owned(), both.to_owned())], [])
                    .expect("loads")
                    .config,
                "10.0.0.0/8 ::1/128",
            ),
            (
                super::super::load(&[], [], [format!("--set=server.proxy_from={both}")]).expect("loads").config,
                "10.0.0.0/8 ::1/128",
            ),
        ] {
            let networks = Settings::read(&config).expect("read").server.proxy_from;
            assert_eq!(networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "), expected);
        }
    }

    #[test]
    fn the_tls_section_stands_in_for_those_of_server_and_client() {
        let settings = read("[tls]\ncert = 'c'\nkey = 'k'\nca = 'a'\nclient_ca = 'b'").expect("read");
        let server = settings.server.tls.expect("from [tls]");
        assert_eq!((server.cert, server.client_ca), ("c".into(), Some("b".into())));
        assert_eq!(settings.client_tls.expect("from [tls]").cert, Some("c".into()));
        let own = "[tls]\ncert = 'c'\nkey = 'k'\n[server.tls]\ncert = 'own'\nkey = 'own'";
        assert_eq!(read(own).expect("read").server.tls.expect("its own").cert, PathBuf::from("own"));
    }

    #[test]
    fn a_module_s_own_keys_stand_beside_those_of_its_supervision() {
        let config = Config::toml("[modules.timer]\non_panic = 'stop'\nevery = '5s'").expect("TOML");
        #[derive(Deserialize)]
        struct Timer {
            every: Duration,
        }
        let timer: Timer = super::super::ConfigView::new(config.clone(), "timer").module().expect("read");
        assert_eq!(timer.every, Duration::from_secs(5));
        assert_eq!(Supervision::read(&config, "timer").expect("read").on_panic, OnPanic::Stop);
        let error = ServiceSettings::read(&config, "timer").expect_err("a service has no such key");
        assert!(error.message().contains("modules.timer.every is no known key"), "{error}");
    }

    #[test]
    fn an_unknown_group_names_the_nearest() {
        let settings = read("[groups.web]\nmodules = ['a']").expect("read");
        assert_eq!(settings.group("web").expect("known"), ["a"]);
        assert!(settings.group("wbe").expect_err("unknown").message().contains("did you mean \"web\"?"));
        assert!(read("").expect("read").group("web").expect_err("none").message().contains("add [groups.web]"));
    }

    #[test]
    fn a_section_that_looks_like_one_of_motet_s_is_noted() {
        assert_eq!(read("[sever]\n[shop]").expect("read").notes.len(), 1);
    }
}

//! The settings of a server.

use std::time::Duration;

use motet_core::Timeouts;
use serde::{Deserialize, Serialize};

use super::{Network, OverloadConfig};
use crate::transport::ServerTlsConfig;

/// The settings of a server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ServerConfig {
    /// Where to listen, such as `tcp://127.0.0.1:4000`, `unix:///run/greeter.sock`; a bare
    /// `host:port` is TCP. Nowhere by default; [`Server::listen`](super::Server::listen) listens at
    /// more.
    pub listen: Vec<String>,
    /// The host, or host and port, that others reach this server at, in place of the bound address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advertise: Option<String>,
    /// The time a unary call may take whose caller sent no deadline and whose method has no timeout
    /// of its own. 10 s.
    pub default_timeout: Duration,
    /// The most time that a caller may ask for in a unary call. 10 min.
    pub max_timeout: Duration,
    /// The largest message in bytes, each way, after decompression. 4 MiB.
    pub message_limit: usize,
    /// How many bytes of messages and open calls may be in memory at once, all connections together,
    /// beside the first 64 KiB of each. 512 MiB.
    pub memory_limit: usize,
    /// From the first byte of a connection to the end of TLS handshake, recognition and first head.
    /// 10 s.
    pub head_timeout: Duration,
    /// How long a connection may wait before its first byte. 10 min.
    pub idle_first_byte: Duration,
    /// How many connections may be open at once. 10,000.
    pub max_connections: usize,
    /// How many of them may be silent: no first byte yet. Beyond, the oldest is closed. 1,000.
    pub max_silent: usize,
    /// How many one-way calls may run at once. 10,000.
    pub max_one_way: usize,
    /// Whether `blocking` methods run on the task of their call, where they keep all others waiting:
    /// for simulated time, in which a thread of their own could not be replayed. No.
    pub inline_blocking: bool,
    /// The networks of proxies, such as `10.0.0.0/8`. A connection from one of them may begin with a
    /// header of the PROXY protocol, version 1 or 2, before TLS; its peer is then the one that the
    /// header names, in Contexts, limits and logs. Name only proxies that always send one: what comes
    /// through any other could say that it is from anywhere. None.
    pub proxy_from: Vec<Network>,
    /// How it protects itself against more calls than it can serve.
    pub overload: OverloadConfig,
    /// The certificate and key. With them all listeners speak TLS, except those inside the process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ServerTlsConfig>,
    /// Whether connections without TLS are served where TLS is configured. Client certificates are
    /// then no authentication. No.
    pub allow_plaintext: bool,
}

impl Default for ServerConfig {
    fn default() -> ServerConfig {
        let timeouts = Timeouts::default();
        ServerConfig {
            listen: Vec::new(),
            advertise: None,
            default_timeout: timeouts.default,
            max_timeout: timeouts.max,
            message_limit: 4 << 20,
            memory_limit: 512 << 20,
            head_timeout: Duration::from_secs(10),
            idle_first_byte: Duration::from_secs(600),
            max_connections: 10_000,
            max_silent: 1_000,
            max_one_way: super::pipeline::MAX_ONE_WAY,
            inline_blocking: false,
            proxy_from: Vec::new(),
            overload: OverloadConfig::default(),
            tls: None,
            allow_plaintext: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_has_its_default() {
        let config: ServerConfig = serde_json::from_str(r#"{"max_silent": 5}"#).expect("valid");
        assert_eq!(config, ServerConfig { max_silent: 5, ..ServerConfig::default() });
        assert_eq!(config.default_timeout, Duration::from_secs(10));
    }

    #[test]
    fn a_config_survives_being_written() {
        let config = ServerConfig { head_timeout: Duration::from_millis(1500), ..ServerConfig::default() };
        let text = serde_json::to_string(&config).expect("plain data");
        assert_eq!(serde_json::from_str::<ServerConfig>(&text).expect("plain data"), config);
    }

    #[test]
    fn a_misspelt_setting_is_named() {
        let error = serde_json::from_str::<ServerConfig>(r#"{"head_timout": 1}"#).expect_err("misspelt");
        assert!(error.to_string().contains("head_timout"));
    }
}

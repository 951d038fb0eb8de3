//! The settings of a server.

use std::{fmt, time::Duration};

use motet_core::Timeouts;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::transport::ServerTlsConfig;

/// The settings of a server. In configuration files durations are written `10s`, `500ms`, `2m` or
/// `1h`; a bare number is seconds.
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
    #[serde(with = "span")]
    pub default_timeout: Duration,
    /// The most time that a caller may ask for in a unary call. 10 min.
    #[serde(with = "span")]
    pub max_timeout: Duration,
    /// The largest message in bytes, each way, after decompression. 4 MiB.
    pub message_limit: usize,
    /// How many bytes of incoming messages may be in memory at once, all connections together.
    /// 512 MiB.
    pub memory_limit: usize,
    /// From the first byte of a connection to the end of TLS handshake, recognition and first head.
    /// 10 s.
    #[serde(with = "span")]
    pub head_timeout: Duration,
    /// How long a connection may wait before its first byte. 10 min.
    #[serde(with = "span")]
    pub idle_first_byte: Duration,
    /// How many connections may be open at once. 10,000.
    pub max_connections: usize,
    /// How many of them may be silent: no first byte yet. Beyond, the oldest is closed. 1,000.
    pub max_silent: usize,
    /// How many one-way calls may run at once. 10,000.
    pub max_one_way: usize,
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
            tls: None,
            allow_plaintext: false,
        }
    }
}

/// Durations as people write them.
mod span {
    use super::*;

    const UNITS: [(&str, f64); 4] = [("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    /// A year: longer is a mistake, and times too far away cannot be represented.
    const MAX_SECONDS: f64 = 365.0 * 24.0 * 3600.0;

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        match duration.subsec_millis() {
            0 => serializer.serialize_str(&format!("{}s", duration.as_secs())),
            _ => serializer.serialize_str(&format!("{}ms", duration.as_millis())),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        deserializer.deserialize_any(Span)
    }

    struct Span;

    impl Span {
        fn seconds<E: de::Error>(seconds: f64) -> Result<Duration, E> {
            match (0.0..=MAX_SECONDS).contains(&seconds) {
                true => Ok(Duration::from_secs_f64(seconds)),
                false => Err(E::custom("a duration is between 0 and a year")),
            }
        }
    }

    impl de::Visitor<'_> for Span {
        type Value = Duration;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a duration such as \"10s\", \"500ms\", \"2m\", \"1h\", or a number of seconds")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
            let text = text.trim();
            let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
            let (number, unit) = text.split_at(digits);
            let unit = UNITS.iter().find(|(name, _)| *name == unit.trim());
            match (number.parse::<f64>(), unit) {
                (Ok(number), Some((_, seconds))) => Span::seconds(number * seconds),
                (Ok(number), None) if digits == text.len() => Span::seconds(number),
                _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
            }
        }

        fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Duration, E> {
            Span::seconds(seconds as f64)
        }

        fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Duration, E> {
            Span::seconds(seconds as f64)
        }

        fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Duration, E> {
            Span::seconds(seconds)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_has_its_default() {
        let config: ServerConfig = serde_json::from_str(r#"{"head_timeout": "500ms"}"#).expect("valid");
        let expected = ServerConfig { head_timeout: Duration::from_millis(500), ..ServerConfig::default() };
        assert_eq!(config, expected);
        assert_eq!(config.default_timeout, Duration::from_secs(10));
    }

    #[test]
    fn durations_are_written_as_people_do() {
        for (text, seconds) in [("\"2m\"", 120.0), ("\"1.5 s\"", 1.5), ("\"1h\"", 3600.0), ("7", 7.0), ("\"8\"", 8.0)] {
            let config: ServerConfig = serde_json::from_str(&format!(r#"{{"max_timeout": {text}}}"#))
                .unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(config.max_timeout.as_secs_f64(), seconds, "{text}");
        }
        for text in ["\"soon\"", "\"10 parsecs\"", "-1", "1e300", "\"\""] {
            assert!(serde_json::from_str::<ServerConfig>(&format!(r#"{{"max_timeout": {text}}}"#)).is_err(), "{text}");
        }
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

//! The fields of an HTTP message.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use motet_core::{Code, Metadata, Result};

use super::name;

/// Written without padding, read with and without, as elsewhere in HTTP.
pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Fields that belong to one hop, to the message or to mucp itself, and are no metadata of a call. Sorted.
const NO_METADATA: [&str; 31] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "expect",
    "host",
    "keep-alive",
    "local",
    "micro-endpoint",
    "micro-error",
    "micro-id",
    "micro-method",
    "micro-protocol",
    "micro-service",
    "micro-stream",
    "micro-target",
    "micro-topic",
    "origin",
    "proxy-connection",
    "remote",
    "server",
    "te",
    "timeout",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
];

/// The fields of a message, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(pub(super) Vec<(Bytes, Bytes)>);

impl Fields {
    /// The first value of a field, if it is text.
    pub fn get(&self, name: &str) -> Option<&str> {
        let of_name = self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()));
        of_name.and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// As [`Fields::get`], or that of the name that version 1 has, `X-` before it; empty ones count as absent.
    pub fn micro(&self, name: &str) -> Option<&str> {
        let old = || self.iter().find(|(known, _)| known.get(2..).is_some_and(|rest| old(known, rest, name)));
        let value = self.get(name).filter(|value| !value.is_empty());
        value.or_else(|| old().map(|(_, value)| value)).filter(|value| !value.is_empty())
    }

    /// All fields that are text.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .filter_map(|(name, value)| Some((std::str::from_utf8(name).ok()?, std::str::from_utf8(value).ok()?)))
    }

    /// All values of a field.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| &value[..])
    }

    /// Whether the connection ends behind this message.
    pub fn closes(&self) -> bool {
        self.all("connection").any(|value| {
            value.split(|byte| *byte == b',').any(|token| token.trim_ascii().eq_ignore_ascii_case(b"close"))
        })
    }
}

fn old(known: &str, rest: &str, name: &str) -> bool {
    known.as_bytes().first_chunk::<2>().is_some_and(|start| start.eq_ignore_ascii_case(b"x-"))
        && rest.eq_ignore_ascii_case(name)
}

/// The metadata in fields: HTTP's own, mucp's, those with the reserved prefix `motet-` and those that
/// metadata cannot hold are left out. `-bin` fields are base64.
///
/// # Errors
/// ResourceExhausted past the limits of [`Metadata`].
pub fn metadata_of(fields: &Fields) -> Result<Metadata> {
    let mut all = Metadata::new();
    for (name, value) in &fields.0 {
        let Ok(name) = std::str::from_utf8(name) else { continue };
        let lower = name.to_ascii_lowercase();
        let micro = lower.strip_prefix("x-").filter(|rest| rest.starts_with("micro-"));
        let own = NO_METADATA.binary_search(&micro.unwrap_or(&lower)).is_ok() || lower.starts_with("motet-");
        if own {
            continue;
        }
        let value = match lower.len() > 4 && lower.ends_with("-bin") {
            false => value.clone(),
            true => match BASE64.decode(value.trim_ascii()) {
                Ok(bytes) => bytes.into(),
                Err(_) => continue,
            },
        };
        match all.push(&lower, value) {
            Err(status) if status.code() == Code::ResourceExhausted => return Err(status),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(all)
}

/// Whether metadata of this key would be taken for something else.
pub(super) fn is_own(key: &str) -> bool {
    NO_METADATA.binary_search(&key).is_ok() || key.starts_with("motet-")
}

/// The time that a caller gave, if it said.
pub(crate) fn timeout(fields: &Fields) -> Option<std::time::Duration> {
    Some(std::time::Duration::from_nanos(fields.get(name::TIMEOUT)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn fields(pairs: &[(&'static str, &'static str)]) -> Fields {
        Fields(pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
    }

    #[test]
    fn the_list_of_names_is_sorted() {
        assert!(NO_METADATA.is_sorted());
    }

    #[test]
    fn names_of_version_1_are_known_and_come_second() {
        let both = fields(&[("X-Micro-Service", "old"), ("micro-service", "new"), ("x-micro-method", "A.B")]);
        assert_eq!((both.micro("Micro-Service"), both.micro("Micro-Method")), (Some("new"), Some("A.B")));
        assert_eq!(fields(&[("Y-Micro-Service", "old")]).micro("Micro-Service"), None);
        assert_eq!(fields(&[("Micro-Service", ""), ("X-Micro-Service", "old")]).micro("Micro-Service"), Some("old"));
    }

    #[test]
    fn what_is_not_the_protocol_s_is_metadata() {
        let all = fields(&[
            ("Host", "h"),
            ("Micro-Service", "greeter"),
            ("X-Micro-Service", "greeter"),
            ("Micro-Trace-Id", "7"),
            ("Micro-From-Service", "web"),
            ("Authorization", "Bearer t"),
            ("X-Foo_bar", "1"),
            ("Motet-Executed", "no"),
            ("Key-Bin", "AP8"),
            ("Bad-Bin", "!"),
            ("Timeout", "5"),
        ]);
        let metadata = metadata_of(&all).expect("little");
        let keys: Vec<_> = metadata.iter_raw().map(|(key, _)| key).collect();
        assert_eq!(keys, ["micro-trace-id", "micro-from-service", "authorization", "x-foo_bar", "key-bin"]);
        assert_eq!(metadata.get_bin("key-bin").map(|bytes| &bytes[..]), Some(&[0, 255][..]));
    }

    #[test]
    fn close_is_a_token() {
        for (value, closes) in [("close", true), ("keep-alive, Close", true), ("closed", false), ("", false)] {
            assert_eq!(Fields(vec![("connection".into(), value.into())]).closes(), closes, "{value}");
        }
    }
}

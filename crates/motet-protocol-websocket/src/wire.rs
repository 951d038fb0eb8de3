//! The extension's messages as text, and what stands beside a call.

use std::{
    borrow::Cow,
    collections::{BTreeMap, btree_map::Entry},
    time::Duration,
};

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::{BufMut, Bytes, BytesMut};
use motet_core::{Metadata, ReplyMeta, Result, Status};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// As gRPC and HTTP have it: written without padding, read with and without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The most messages that a side may be allowed to send at once.
pub(crate) const MAX_CREDIT: usize = 65_536;

/// What a request says beside its parameters: its member `motet`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// How long the call may take.
    pub timeout: Option<Duration>,
    /// Its metadata.
    pub metadata: Metadata,
    /// How many messages of its reply stream the caller takes before it asks for more.
    pub credit: Option<u32>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct OptionsText {
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<f64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: Values,
    #[serde(skip_serializing_if = "Option::is_none")]
    credit: Option<u32>,
}

type Values = BTreeMap<String, Several>;

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Several {
    One(String),
    Many(Vec<String>),
}

impl Options {
    /// Reads the member; nothing is nothing said.
    pub(crate) fn parse(text: Option<&Bytes>) -> Result<Options> {
        let Some(text) = text else { return Ok(Options::default()) };
        // A list would be read as a struct too.
        let object = Some(text).filter(|text| text.starts_with(b"{"));
        let read: OptionsText = object.and_then(|text| serde_json::from_slice(text).ok()).ok_or_else(|| {
            Status::invalid_argument(
                "motet: an object of timeout_ms (a number), metadata (texts by key) and credit (a whole number)",
            )
        })?;
        let timeout =
            match read.timeout_ms {
                None => None,
                Some(ms) => Some(Duration::try_from_secs_f64(ms / 1000.0).map_err(|_| {
                    Status::invalid_argument("motet.timeout_ms: a number of milliseconds, not below zero")
                })?),
            };
        Ok(Options { timeout, metadata: metadata_of(read.metadata)?, credit: read.credit })
    }

    /// The text of the member; `None` where there is nothing to say.
    pub(crate) fn write(&self) -> Option<Bytes> {
        if *self == Options::default() {
            return None;
        }
        let timeout_ms = self.timeout.map(|timeout| (timeout.as_secs_f64() * 1e6).round() / 1e3);
        let text = OptionsText { timeout_ms, metadata: values_of(&self.metadata), credit: self.credit };
        serde_json::to_vec(&text).ok().map(Bytes::from)
    }
}

fn metadata_of(values: Values) -> Result<Metadata> {
    let mut metadata = Metadata::new();
    for (key, values) in values {
        if key.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("motet-")) {
            return Err(Status::invalid_argument("motet.metadata: the prefix motet- is reserved"));
        }
        for value in match values {
            Several::One(value) => vec![value],
            Several::Many(values) => values,
        } {
            let value = match key.ends_with("-bin") {
                true => BASE64
                    .decode(value.trim())
                    .map_err(|_| Status::invalid_argument("motet.metadata: keys that end in -bin hold base64"))?,
                false => value.into_bytes(),
            };
            metadata.push(&key, value.into())?;
        }
    }
    Ok(metadata)
}

fn values_of(metadata: &Metadata) -> Values {
    let mut values = Values::new();
    for (key, value) in metadata.iter_raw() {
        let value = match key.ends_with("-bin") {
            true => BASE64.encode(value),
            false => String::from_utf8_lossy(value).into_owned(),
        };
        match values.entry(key.to_owned()) {
            Entry::Vacant(entry) => {
                entry.insert(Several::One(value));
            }
            Entry::Occupied(mut entry) => match entry.get_mut() {
                Several::Many(values) => values.push(value),
                one => {
                    let Several::One(first) = std::mem::replace(one, Several::Many(Vec::new())) else { continue };
                    *one = Several::Many(vec![first, value]);
                }
            },
        }
    }
    values
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct MetaText {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: Values,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    trailers: Values,
}

/// The member `motet` of a response: initial and trailing metadata.
pub(crate) fn reply_meta(initial: Option<Metadata>, trailing: Option<&Metadata>) -> Option<Bytes> {
    let text = MetaText {
        metadata: initial.as_ref().map(values_of).unwrap_or_default(),
        trailers: trailing.map(values_of).unwrap_or_default(),
    };
    if text.metadata.is_empty() && text.trailers.is_empty() {
        return None;
    }
    serde_json::to_vec(&text).ok().map(Bytes::from)
}

/// Takes what a response says into a record. What breaks the rules of metadata is passed over.
pub(crate) fn learn_meta(text: Option<&Bytes>, meta: &ReplyMeta) -> Option<Metadata> {
    let read: MetaText = serde_json::from_slice(text?).ok()?;
    if let Ok(initial) = metadata_of(read.metadata)
        && !initial.is_empty()
    {
        meta.set_initial(initial);
    }
    let trailing = metadata_of(read.trailers).ok().filter(|trailing| !trailing.is_empty())?;
    meta.set_trailing(trailing.clone());
    Some(trailing)
}

/// A message of the extension: a notification whose method begins with `rpc.`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Note {
    /// The reply stream begins; from the server.
    Head(Metadata),
    /// A message of the stream; from either side.
    Message(Bytes),
    /// The caller sends no more messages.
    End,
    /// The caller is no longer interested.
    Cancel,
    /// So many more messages may be sent; from either side.
    Credit(u32),
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    /// Any JSON, `null` included.
    #[serde(borrow, default, deserialize_with = "present")]
    message: Option<&'a RawValue>,
    #[serde(default)]
    credit: Option<u32>,
    #[serde(default)]
    metadata: Values,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl Note {
    /// What a notification says, and of which call; `None` for one that says nothing here.
    pub(crate) fn parse(method: &str, params: Option<&Bytes>) -> Option<(Bytes, Note)> {
        let text = params?;
        let read: Params<'_> = serde_json::from_slice(text).ok()?;
        let slice = |raw: &RawValue| text.slice_ref(raw.get().as_bytes());
        let note = match method {
            "rpc.head" => Note::Head(metadata_of(read.metadata).unwrap_or_default()),
            "rpc.message" => Note::Message(slice(read.message?)),
            "rpc.end" => Note::End,
            "rpc.cancel" => Note::Cancel,
            "rpc.credit" => Note::Credit(read.credit?),
            _ => return None,
        };
        Some((slice(read.id), note))
    }

    /// The notification's text.
    pub(crate) fn write(&self, id: &[u8]) -> BytesMut {
        let (name, rest): (&str, Cow<'_, [u8]>) = match self {
            Note::Head(metadata) if metadata.is_empty() => ("head", Cow::Borrowed(b"")),
            Note::Head(metadata) => {
                let values = serde_json::to_vec(&values_of(metadata)).unwrap_or_else(|_| b"{}".to_vec());
                ("head", [&b",\"metadata\":"[..], &values].concat().into())
            }
            Note::Message(message) => return message_text(id, message),
            Note::End => ("end", Cow::Borrowed(b"")),
            Note::Cancel => ("cancel", Cow::Borrowed(b"")),
            Note::Credit(credit) => ("credit", format!(",\"credit\":{credit}").into_bytes().into()),
        };
        let mut out = BytesMut::with_capacity(64 + id.len() + rest.len());
        for part in [&b"{\"jsonrpc\":\"2.0\",\"method\":\"rpc."[..], name.as_bytes(), b"\",\"params\":{\"id\":", id] {
            out.put_slice(part);
        }
        out.put_slice(&rest);
        out.put_slice(b"}}");
        out
    }
}

/// The text of a message of a stream.
pub(crate) fn message_text(id: &[u8], message: &[u8]) -> BytesMut {
    let mut out = BytesMut::with_capacity(80 + id.len() + message.len());
    out.put_slice(b"{\"jsonrpc\":\"2.0\",\"method\":\"rpc.message\",\"params\":{\"id\":");
    out.put_slice(id);
    out.put_slice(b",\"message\":");
    out.put_slice(message);
    out.put_slice(b"}}");
    out
}

/// Text to send; what is no UTF-8 is none.
pub(crate) fn text(bytes: BytesMut) -> Result<motet_websocket::Message> {
    let mut bytes = Vec::from(bytes);
    bytes.truncate(bytes.trim_ascii_end().len());
    let text = String::from_utf8(bytes).map_err(|_| Status::internal("the message is no UTF-8"))?;
    Ok(motet_websocket::Message::Text(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_survive_as_text() {
        let mut metadata = Metadata::new();
        metadata.append("a", "1").expect("valid");
        metadata.append("a", "grüß").expect("valid");
        metadata.append_bin("b-bin", vec![0, 255, 1]).expect("valid");
        let options = Options { timeout: Some(Duration::from_micros(1500)), metadata, credit: Some(3) };
        let text = options.write().expect("something to say");
        assert_eq!(text, r#"{"timeout_ms":1.5,"metadata":{"a":["1","grüß"],"b-bin":"AP8B"},"credit":3}"#);
        assert_eq!(Options::parse(Some(&text)), Ok(options));
        assert_eq!((Options::default().write(), Options::parse(None)), (None, Ok(Options::default())));
    }

    #[test]
    fn options_that_make_no_sense_are_refused_by_name() {
        for (text, names) in [
            (r#"[]"#, "timeout_ms"),
            (r#"{"timeout_ms":-1}"#, "motet.timeout_ms"),
            (r#"{"metadata":{"a b":"1"}}"#, "metadata key"),
            (r#"{"metadata":{"a-bin":"!"}}"#, "base64"),
            (r#"{"metadata":{"Motet-x":"1"}}"#, "reserved"),
            (r#"{"credit":-1}"#, "credit"),
        ] {
            let status = Options::parse(Some(&Bytes::from(text))).expect_err(text);
            assert!(status.message().contains(names), "{status}");
        }
    }

    #[test]
    fn notes_survive_as_text() {
        let mut metadata = Metadata::new();
        metadata.append("a", "1").expect("valid");
        for note in [
            Note::Head(Metadata::new()),
            Note::Head(metadata),
            Note::Message(Bytes::from("null")),
            Note::Message(Bytes::from("{\"a\": 1}")),
            Note::End,
            Note::Cancel,
            Note::Credit(7),
        ] {
            let text = note.write(b"\"x\"").freeze();
            let Ok(motet_protocol_jsonrpc::Message::Request(request)) = motet_protocol_jsonrpc::Message::parse(&text)
            else {
                panic!("{text:?}");
            };
            assert!(request.id.is_none());
            let read = Note::parse(&request.method, request.params.as_ref());
            assert_eq!(read, Some((Bytes::from("\"x\""), note)));
        }
    }
}

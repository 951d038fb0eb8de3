//! The header of a frame: an object of nine fields, in JSON or MessagePack.

use std::fmt;

use bytes::{BufMut, BytesMut};
use motet_framed::Broken;
use serde::{
    Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::{any::Any, config::Serialize, wide};

/// What a frame is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A call.
    #[default]
    Request,
    /// The answer to one.
    Response,
    /// A request for a sign of life, and its answer.
    Heartbeat,
}

/// The header of a frame, without its metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The number of the call.
    pub seq: u64,
    /// What the frame is.
    pub kind: Kind,
    /// 0: nothing is compressed.
    pub compress: u8,
    /// What the sender says of its serializer; go-rpc does not look at it.
    pub serialize: u8,
    /// 0, or 1 for an error.
    pub status: u8,
    /// The service, such as `ArithService`.
    pub service: String,
    /// The method, such as `Add`.
    pub method: String,
    /// What went wrong.
    pub error: String,
    /// Metadata, the values as text, numbers and truth values as they would be written. Bytes come as
    /// text as well, where they are.
    pub(crate) metadata: Vec<(String, Any)>,
}

/// The names of the fields, in their order.
const FIELDS: [&str; 9] = [
    "Seq",
    "MessageType",
    "CompressType",
    "SerializeType",
    "StatusCode",
    "ServiceName",
    "MethodName",
    "Error",
    "MetaData",
];
/// How deep metadata may nest.
const MAX_DEPTH: usize = 32;

/// In what a header is written, by its first byte.
pub fn serializer(header: &[u8]) -> Option<Serialize> {
    match header.first()? {
        b'{' => Some(Serialize::Json),
        0x80..=0x9f | 0xdc..=0xdf => Some(Serialize::MsgPack),
        _ => None,
    }
}

impl Header {
    /// Reads a header. Fields may be missing, in any order and of any case; others are passed over;
    /// in MessagePack a list of the fields in their order is a header too.
    ///
    /// # Errors
    /// The bytes are no header.
    pub fn read(bytes: &[u8]) -> Result<(Header, Serialize), Broken> {
        let broken = Broken::Malformed("a header cannot be read");
        let serialize = serializer(bytes).ok_or(broken)?;
        let header = match serialize {
            Serialize::Json => {
                let mut json = serde_json::Deserializer::from_slice(bytes);
                let header = json.deserialize_any(HeaderVisitor).map_err(|_| broken)?;
                json.end().map_err(|_| broken)?;
                header
            }
            Serialize::MsgPack => {
                let mut msgpack = rmp_serde::Deserializer::from_read_ref(bytes);
                msgpack.set_max_depth(MAX_DEPTH);
                msgpack.deserialize_any(HeaderVisitor).map_err(|_| broken)?
            }
        };
        Ok((header, serialize))
    }

    /// Appends the header as go-rpc writes it, byte for byte, with this metadata: keys and values,
    /// values of `tags` being an object.
    pub(crate) fn write(&self, serialize: Serialize, metadata: &Outgoing<'_>, out: &mut BytesMut) {
        match serialize {
            Serialize::Json => self.write_json(metadata, out),
            Serialize::MsgPack => self.write_msgpack(metadata, out),
        }
    }

    fn numbers(&self) -> [u8; 4] {
        [self.kind as u8, self.compress, self.serialize, self.status]
    }

    fn texts(&self) -> [&str; 3] {
        [&self.service, &self.method, &self.error]
    }

    fn write_msgpack(&self, metadata: &Outgoing<'_>, out: &mut BytesMut) {
        out.put_u8(0x80 | FIELDS.len() as u8);
        let mut names = FIELDS.into_iter();
        let mut name = |out: &mut BytesMut| wide::text(names.next().unwrap_or_default(), out);
        name(out);
        wide::u64(self.seq, out);
        for number in self.numbers() {
            name(out);
            out.put_slice(&[0xcc, number]);
        }
        for text in self.texts() {
            name(out);
            wide::text(text, out);
        }
        name(out);
        if metadata.is_empty() {
            return out.put_u8(0xc0);
        }
        wide::map(metadata.len(), out);
        for (key, value) in metadata.pairs {
            wide::text(key, out);
            match std::str::from_utf8(value) {
                Ok(text) => wide::text(text, out),
                Err(_) => wide::bytes(value, out),
            }
        }
        if !metadata.tags.is_empty() {
            wide::text("tags", out);
            wide::map(metadata.tags.len(), out);
            for text in metadata.tags.iter().flat_map(|(key, value)| [key, value]) {
                wide::text(text, out);
            }
        }
    }

    fn write_json(&self, metadata: &Outgoing<'_>, out: &mut BytesMut) {
        let [kind, compress, serialize, status] = self.numbers();
        let numbers = format!(
            "{{\"Seq\":{},\"MessageType\":{kind},\"CompressType\":{compress},\"SerializeType\":{serialize},\
             \"StatusCode\":{status}",
            self.seq
        );
        out.put_slice(numbers.as_bytes());
        for (name, text) in FIELDS[5..8].iter().zip(self.texts()) {
            json_pair(name, text, ',', out);
        }
        out.put_slice(b",\"MetaData\":");
        if metadata.is_empty() {
            return out.put_slice(b"null}");
        }
        let mut before = '{';
        for (key, value) in metadata.pairs {
            // go-rpc writes bytes in base64; text that cannot be is not sent.
            if let Ok(text) = std::str::from_utf8(value) {
                json_pair(key, text, std::mem::replace(&mut before, ','), out);
            }
        }
        if !metadata.tags.is_empty() {
            out.put_slice(if before == '{' { b"{\"tags\":" } else { b",\"tags\":" });
            before = '{';
            for (key, value) in metadata.tags {
                json_pair(key, value, std::mem::replace(&mut before, ','), out);
            }
            out.put_u8(b'}');
        } else if before == '{' {
            out.put_u8(b'{');
        }
        out.put_slice(b"}}");
    }
}

/// Metadata to be written.
#[derive(Default)]
pub(crate) struct Outgoing<'a> {
    pub(crate) pairs: &'a [(&'a str, &'a [u8])],
    pub(crate) tags: &'a [(&'a str, &'a str)],
}

impl Outgoing<'_> {
    fn len(&self) -> usize {
        self.pairs.len() + usize::from(!self.tags.is_empty())
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn json_pair(key: &str, value: &str, before: char, out: &mut BytesMut) {
    out.put_u8(before as u8);
    json_text(key, out);
    out.put_u8(b':');
    json_text(value, out);
}

/// A text as Go writes it.
fn json_text(text: &str, out: &mut BytesMut) {
    let quoted = serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned());
    for c in quoted.chars() {
        match c {
            '<' => out.put_slice(b"\\u003c"),
            '>' => out.put_slice(b"\\u003e"),
            '&' => out.put_slice(b"\\u0026"),
            '\u{2028}' => out.put_slice(b"\\u2028"),
            '\u{2029}' => out.put_slice(b"\\u2029"),
            c => out.put_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a header")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Header, A::Error> {
        let mut header = Header::default();
        while let Some(name) = fields.next_key::<String>()? {
            match FIELDS.iter().position(|field| field.eq_ignore_ascii_case(&name)) {
                Some(0) => header.seq = fields.next_value()?,
                Some(1) => header.kind = kind(fields.next_value()?)?,
                Some(2) => header.compress = fields.next_value()?,
                Some(3) => header.serialize = fields.next_value()?,
                Some(4) => header.status = fields.next_value()?,
                Some(5) => header.service = fields.next_value()?,
                Some(6) => header.method = fields.next_value()?,
                Some(7) => header.error = fields.next_value()?,
                Some(8) => header.metadata = pairs(fields.next_value()?),
                _ => drop(fields.next_value::<IgnoredAny>()?),
            }
        }
        Ok(header)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut fields: A) -> Result<Header, A::Error> {
        let mut header = Header {
            seq: fields.next_element()?.unwrap_or_default(),
            kind: kind(fields.next_element()?.unwrap_or_default())?,
            compress: fields.next_element()?.unwrap_or_default(),
            serialize: fields.next_element()?.unwrap_or_default(),
            status: fields.next_element()?.unwrap_or_default(),
            service: fields.next_element()?.unwrap_or_default(),
            method: fields.next_element()?.unwrap_or_default(),
            error: fields.next_element()?.unwrap_or_default(),
            metadata: Vec::new(),
        };
        header.metadata = pairs(fields.next_element()?.unwrap_or(Any::Other));
        while fields.next_element::<IgnoredAny>()?.is_some() {}
        Ok(header)
    }
}

fn kind<E: serde::de::Error>(number: u8) -> Result<Kind, E> {
    match number {
        0 => Ok(Kind::Request),
        1 => Ok(Kind::Response),
        2 => Ok(Kind::Heartbeat),
        _ => Err(E::custom("no such message type")),
    }
}

fn pairs(metadata: Any) -> Vec<(String, Any)> {
    match metadata {
        Any::Map(pairs) => pairs,
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Header {
        Header::read(bytes).expect("a header").0
    }

    #[test]
    fn a_header_is_read_as_go_reads_it() {
        let expected = Header { seq: 7, service: "A".to_owned(), ..Header::default() };
        for bytes in [
            &br#"{"Seq":7,"ServiceName":"A"}"#[..],
            br#" {"seq":7,"servicename":"A"}"#.trim_ascii_start(),
            br#"{"Unknown":[{}],"ServiceName":"A","Seq":7,"MetaData":null}"#,
            // A compact number, an unknown field, fields out of order.
            b"\x83\xa7Unknown\x91\x80\xabServiceName\xa1A\xa3Seq\x07",
            // A list, numbers in full width, text as bytes of its own kind.
            b"\x96\xcf\0\0\0\0\0\0\0\x07\xcc\0\0\0\0\xd9\x01A",
        ] {
            assert_eq!(read(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn metadata_may_be_anything() {
        let json = br#"{"MetaData":{"a":"b","n":-1,"t":true,"l":[1],"tags":{"idc":"lf"},"f":1.5,"z":null}}"#;
        let text = |text: &str| Any::Text(text.to_owned());
        let tags = Any::Map(vec![("idc".to_owned(), text("lf"))]);
        let values: Vec<_> = read(json).metadata.into_iter().map(|(_, value)| value).collect();
        assert_eq!(values, [text("b"), text("-1"), text("true"), Any::Other, tags, text("1.5"), Any::Other]);
        let msgpack = b"\x81\xa8MetaData\x82\xa1b\xc4\x02\xff\xfe\xa1t\xd6\xff\0\0\0\0";
        assert_eq!(read(msgpack).metadata[0].1, Any::Bytes(vec![0xff, 0xfe]));
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let deep = [&b"\x81\xa8MetaData"[..], &[0x91; 40_000]].concat();
        let deep_json = [&br#"{"MetaData":"#[..], &[b'['; 40_000]].concat();
        for bytes in [
            &b""[..],
            b"x",
            b"{",
            b"{}x",
            br#"{"Seq":-1}"#,
            br#"{"Seq":1.5}"#,
            br#"{"MessageType":3}"#,
            br#"{"MessageType":256}"#,
            b"\x81\xa3Seq\xcb\0\0\0\0\0\0\0\0",
            b"\xdf\xff\xff\xff\xff",
            b"\xdd\xff\xff\xff\xff",
            b"\x81\xa8MetaData\xdf\xff\xff\xff\xff",
            b"\x81\xabServiceName\xdb\xff\xff\xff\xff",
            &deep,
            &deep_json,
        ] {
            assert!(Header::read(bytes).is_err(), "{:?}", &bytes[..bytes.len().min(40)]);
        }
    }

    #[test]
    fn a_header_in_json_is_written_as_go_writes_it() {
        let header =
            Header { seq: 1, service: "ArithService".to_owned(), method: "Add".to_owned(), ..Header::default() };
        let mut out = BytesMut::new();
        let pairs = [("rpc_auth", &b"hello01"[..])];
        header.write(Serialize::Json, &Outgoing { pairs: &pairs, tags: &[] }, &mut out);
        assert_eq!(
            std::str::from_utf8(&out).expect("text"),
            r#"{"Seq":1,"MessageType":0,"CompressType":0,"SerializeType":0,"StatusCode":0,"ServiceName":"ArithService","MethodName":"Add","Error":"","MetaData":{"rpc_auth":"hello01"}}"#
        );
        for (pairs, tags, expected) in [
            (&[][..], &[][..], "null"),
            (&[], &[("idc", "lf"), ("a", "b")], r#"{"tags":{"idc":"lf","a":"b"}}"#),
            (&[("k", &b"<v>&\"\n"[..])], &[("idc", "lf")], r#"{"k":"\u003cv\u003e\u0026\"\n","tags":{"idc":"lf"}}"#),
            (&[("k", &b"\xff"[..])], &[], "{}"),
        ] {
            let mut out = BytesMut::new();
            Header::default().write(Serialize::Json, &Outgoing { pairs, tags }, &mut out);
            let text = std::str::from_utf8(&out).expect("text");
            assert_eq!(text.split_once("\"MetaData\":").expect("the last field").1, format!("{expected}}}"));
            serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        }
    }
}

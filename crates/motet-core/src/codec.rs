//! Content types, and the codecs behind them.

use std::{fmt, io, sync::Arc};

use bytes::BytesMut;
use serde::{
    Serialize,
    de::{DeserializeOwned, DeserializeSeed},
};

use crate::{
    Map, Result, Status,
    diagnose::{self, Problem},
};

mod structure;

/// How deep values of any codec may nest.
pub(crate) const MAX_DEPTH: usize = 100;

/// A content type and the way between values and bytes behind it. Cheap to clone; equal by content
/// type.
#[derive(Clone)]
pub struct Codec(Kind);

#[derive(Clone)]
enum Kind {
    Protobuf,
    Json,
    MsgPack,
    Raw,
    Other(Arc<dyn Encoding>),
}

impl Codec {
    /// Binary protobuf, `application/protobuf`: the default.
    pub const PROTOBUF: Codec = Codec(Kind::Protobuf);
    /// JSON, `application/json`.
    pub const JSON: Codec = Codec(Kind::Json);
    /// MessagePack with named fields, `application/msgpack`.
    pub const MSGPACK: Codec = Codec(Kind::MsgPack);
    /// Bytes as they are, `application/octet-stream`.
    pub const RAW: Codec = Codec(Kind::Raw);

    /// A codec of one's own; make it known to an App through [`Codecs::with`].
    pub fn custom(encoding: impl Encoding) -> Codec {
        Codec(Kind::Other(Arc::new(encoding)))
    }

    /// The content type, such as `application/json`.
    pub fn content_type(&self) -> &str {
        match &self.0 {
            Kind::Protobuf => "application/protobuf",
            Kind::Json => "application/json",
            Kind::MsgPack => "application/msgpack",
            Kind::Raw => "application/octet-stream",
            Kind::Other(encoding) => encoding.content_type(),
        }
    }

    /// Appends a value to `out`. On error `out` may hold part of the value.
    pub(crate) fn encode<T>(&self, value: &T, out: &mut BytesMut) -> Result<()>
    where
        T: Serialize + motet_protobuf::Shape,
    {
        match &self.0 {
            Kind::Protobuf => motet_protobuf::encode(value, out).map_err(|e| unencodable(self, e)),
            _ => self.encode_plain(value, out),
        }
    }

    /// As [`Codec::encode`], for values without a protobuf shape: they are a `google.protobuf.Struct`.
    pub(crate) fn encode_plain<T: Serialize>(&self, value: &T, out: &mut BytesMut) -> Result<()> {
        match &self.0 {
            Kind::Json => serde_json::to_writer(Appending(out), value).map_err(|e| unencodable(self, e)),
            Kind::MsgPack => {
                let mut serializer = rmp_serde::Serializer::new(Appending(out)).with_struct_map();
                value.serialize(&mut serializer).map_err(|e| unencodable(self, e))
            }
            Kind::Other(encoding) => encoding.encode(Encode(value), out),
            Kind::Protobuf => structure::encode(value, out).map_err(|e| unencodable(self, e)),
            Kind::Raw => Err(self.unsupported()),
        }
    }

    pub(crate) fn decode<T>(&self, bytes: &[u8]) -> Result<T>
    where
        T: DeserializeOwned + motet_protobuf::Shape,
    {
        match &self.0 {
            Kind::Protobuf => motet_protobuf::decode(bytes).map_err(|e| undecodable(self, &e.to_string())),
            _ => self.decode_plain(bytes),
        }
    }

    pub(crate) fn decode_plain<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T> {
        match &self.0 {
            Kind::Json => serde_json::from_slice(bytes)
                .map_err(|_| undecodable(self, &diagnose::json(bytes, diagnose::trace_type::<T>))),
            Kind::MsgPack => {
                let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes);
                deserializer.set_max_depth(MAX_DEPTH);
                T::deserialize(&mut deserializer).map_err(|error| {
                    undecodable(self, &diagnose::msgpack(bytes, MAX_DEPTH, &error, diagnose::trace_type::<T>))
                })
            }
            Kind::Other(encoding) => {
                let mut value = None;
                let read = &mut |deserializer: &mut dyn erased_serde::Deserializer<'_>| {
                    value = Some(erased_serde::deserialize::<T>(deserializer)?);
                    Ok(())
                };
                encoding
                    .decode(bytes, Decode(read))
                    .map_err(|status| self.refused(encoding, bytes, status, diagnose::trace_type::<T>))?;
                value.ok_or_else(|| undecodable(self, "the codec gave no value"))
            }
            Kind::Protobuf => {
                let json = structure::to_json(bytes).map_err(|problem| undecodable(self, &problem))?;
                serde_json::from_slice(&json)
                    .map_err(|_| undecodable(self, &diagnose::json(&json, diagnose::trace_type::<T>)))
            }
            Kind::Raw => Err(self.unsupported()),
        }
    }

    /// Reads a value whose type is known at run time only. Binary protobuf, which needs the type's
    /// descriptor, has none of this.
    /// `names` are those of its fields.
    pub(crate) fn decode_seed<S, T>(&self, bytes: &[u8], names: &[&'static str], seed: S) -> Result<T>
    where
        S: for<'de> DeserializeSeed<'de, Value = T> + Copy,
    {
        let trace = |deserializer: &mut dyn erased_serde::Deserializer<'_>| diagnose::trace(seed, names, deserializer);
        match &self.0 {
            Kind::Json => {
                let mut deserializer = serde_json::Deserializer::from_slice(bytes);
                seed.deserialize(&mut deserializer)
                    .and_then(|value| deserializer.end().map(|()| value))
                    .map_err(|_| undecodable(self, &diagnose::json(bytes, trace)))
            }
            Kind::MsgPack => {
                let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes);
                deserializer.set_max_depth(MAX_DEPTH);
                seed.deserialize(&mut deserializer)
                    .map_err(|error| undecodable(self, &diagnose::msgpack(bytes, MAX_DEPTH, &error, trace)))
            }
            Kind::Other(encoding) => {
                let mut value = None;
                let read = &mut |deserializer: &mut dyn erased_serde::Deserializer<'_>| {
                    value = Some(seed.deserialize(deserializer)?);
                    Ok(())
                };
                encoding.decode(bytes, Decode(read)).map_err(|status| self.refused(encoding, bytes, status, trace))?;
                value.ok_or_else(|| undecodable(self, "the codec gave no value"))
            }
            Kind::Protobuf | Kind::Raw => Err(self.unsupported()),
        }
    }

    /// The status of a body that a codec of one's own refused: where the value is to blame, it is read
    /// again to say why; else the codec has said so.
    #[cold]
    fn refused(
        &self,
        encoding: &Arc<dyn Encoding>,
        bytes: &[u8],
        status: Status,
        trace: impl Fn(&mut dyn erased_serde::Deserializer<'_>) -> Option<Problem>,
    ) -> Status {
        let mut problem = None;
        let read = &mut |deserializer: &mut dyn erased_serde::Deserializer<'_>| {
            problem = trace(deserializer);
            match problem {
                Some(_) => Err(serde::de::Error::custom("refused")),
                None => Ok(()),
            }
        };
        let _ = encoding.decode(bytes, Decode(read));
        problem.map_or(status, |problem| undecodable(self, &problem.to_string()))
    }

    /// The status of a value that this codec cannot carry.
    pub(crate) fn unsupported(&self) -> Status {
        Status::unimplemented(format!("this message cannot be carried as {}", self.content_type()))
    }
}

/// Writes into memory, which takes all at once: serializers write a few bytes at a time, and what
/// `BufMut::writer` asks for each of those takes longer than writing them.
struct Appending<'a>(&'a mut BytesMut);

impl io::Write for Appending<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn unencodable(codec: &Codec, error: impl fmt::Display) -> Status {
    Status::internal(format!("the message cannot be written as {}: {error}", codec.content_type()))
}

pub(crate) fn undecodable(codec: &Codec, problem: &str) -> Status {
    Status::invalid_argument(format!("the body is no valid {} of this message: {problem}", codec.content_type()))
}

impl PartialEq for Codec {
    #[inline]
    fn eq(&self, other: &Codec) -> bool {
        match (&self.0, &other.0) {
            (Kind::Other(_), _) | (_, Kind::Other(_)) => self.content_type() == other.content_type(),
            (own, other) => std::mem::discriminant(own) == std::mem::discriminant(other),
        }
    }
}

impl Eq for Codec {}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Codec({})", self.content_type())
    }
}

/// A codec of one's own. Errors it returns must not quote the input.
pub trait Encoding: Send + Sync + 'static {
    /// The content type, lower case, such as `application/cbor`.
    fn content_type(&self) -> &str;

    /// Appends the value to `out`.
    ///
    /// # Errors
    /// Internal when the value cannot be written.
    fn encode(&self, value: Encode<'_>, out: &mut BytesMut) -> Result<()>;

    /// Reads one value: makes a deserializer over `bytes` and hands it to [`Decode::from`]. It must
    /// bound depth and allocation by the input's length.
    ///
    /// # Errors
    /// InvalidArgument when the bytes are no value of the kind asked for.
    fn decode(&self, bytes: &[u8], into: Decode<'_>) -> Result<()>;
}

/// The value to be written: any serde serializer takes it.
pub struct Encode<'a>(&'a dyn erased_serde::Serialize);

impl Serialize for Encode<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        erased_serde::serialize(self.0, serializer)
    }
}

type Read<'a> = dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> std::result::Result<(), erased_serde::Error> + 'a;

/// The place for the value that is read.
pub struct Decode<'a>(&'a mut Read<'a>);

impl Decode<'_> {
    /// Reads the value from a deserializer.
    ///
    /// # Errors
    /// InvalidArgument, without the deserializer's own text: it may quote the input.
    pub fn from<'de, D: serde::Deserializer<'de>>(mut self, deserializer: D) -> Result<()> {
        self.attempt(deserializer)
    }

    /// As [`Decode::from`], for a deserializer that offers the value in one form of several: after an error
    /// it can be offered in another.
    ///
    /// # Errors
    /// As [`Decode::from`].
    pub fn attempt<'de, D: serde::Deserializer<'de>>(&mut self, deserializer: D) -> Result<()> {
        let mut erased = <dyn erased_serde::Deserializer<'_>>::erase(deserializer);
        (self.0)(&mut erased).map_err(|_| Status::invalid_argument("the body is no valid value of this message"))
    }
}

/// The codecs that an App accepts, by content type.
#[derive(Clone, Debug)]
pub struct Codecs(Arc<Map<String, Codec>>);

impl Default for Codecs {
    /// Protobuf, JSON, MessagePack and raw bytes.
    fn default() -> Codecs {
        let all = [Codec::PROTOBUF, Codec::JSON, Codec::MSGPACK, Codec::RAW];
        Codecs(Arc::new(all.into_iter().map(|codec| (codec.content_type().to_owned(), codec)).collect()))
    }
}

impl Codecs {
    /// The same codecs and one more, which replaces one of the same content type.
    #[must_use]
    pub fn with(mut self, codec: Codec) -> Codecs {
        Arc::make_mut(&mut self.0).insert(codec.content_type().to_ascii_lowercase(), codec);
        self
    }

    /// The codec of a content type; parameters such as `; charset=utf-8` are passed over.
    ///
    /// # Errors
    /// Unimplemented, naming those that are accepted.
    pub fn find(&self, content_type: &str) -> Result<Codec> {
        let name = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        self.0.get(&name).cloned().ok_or_else(|| {
            let shown: String = name.chars().filter(|c| c.is_ascii_graphic()).take(64).collect();
            Status::unimplemented(format!(
                "content type {shown:?} is not spoken here; accepted: {}",
                self.content_types().join(", ")
            ))
            .with_executed(crate::Executed::No)
        })
    }

    /// The content types, sorted.
    pub fn content_types(&self) -> Vec<String> {
        let mut names: Vec<_> = self.0.keys().cloned().collect();
        names.sort();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Upper;

    impl Encoding for Upper {
        fn content_type(&self) -> &str {
            "application/upper"
        }

        fn encode(&self, value: Encode<'_>, out: &mut BytesMut) -> Result<()> {
            let text = serde_json::to_string(&value).map_err(|_| Status::internal("no text"))?;
            out.extend_from_slice(text.to_ascii_uppercase().as_bytes());
            Ok(())
        }

        fn decode(&self, bytes: &[u8], into: Decode<'_>) -> Result<()> {
            into.from(&mut serde_json::Deserializer::from_slice(bytes))
        }
    }

    #[test]
    fn a_registered_codec_is_found_and_works() {
        let codecs = Codecs::default().with(Codec::custom(Upper));
        let codec = codecs.find("Application/Upper; q=1").expect("registered");
        let mut out = BytesMut::new();
        codec.encode_plain(&"abc", &mut out).expect("encodes");
        assert_eq!(&out[..], b"\"ABC\"");
        assert_eq!(codec.decode_plain::<String>(&out).expect("decodes"), "ABC");
        assert!(codec.decode_plain::<u32>(&out).is_err());
    }

    #[test]
    fn an_unknown_content_type_names_those_accepted() {
        let error = Codecs::default().find("text/xml").expect_err("unknown");
        assert_eq!(error.code(), crate::Code::Unimplemented);
        assert!(error.message().contains("application/json") && error.message().contains("text/xml"), "{error}");
    }
}

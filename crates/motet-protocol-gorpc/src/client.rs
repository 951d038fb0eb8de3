//! The client side of go-rpc.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use motet_core::{
    BoxFuture, ClientProtocol, Code, Codec, Codecs, Connecting, Connection, Endpoint, Executed, Payload, Reply, Result,
    Status,
};
use motet_framed::{Answer, Asked, Broken, ClientWire, Extent, Wire, connect, too_long};

use crate::{
    GoRpcConfig, Serialize, frame,
    header::{Header, Kind, Outgoing},
    metadata, wide,
};

/// The client side of go-rpc: `gorpc://host:port`.
///
/// The labels that a call asks for ([`CallOptions::labels`](motet_core::CallOptions)) go along as its
/// tags.
#[derive(Clone, Debug)]
pub struct GoRpcClient {
    wire: ClientFrames,
}

impl Default for GoRpcClient {
    fn default() -> GoRpcClient {
        GoRpcClient::new(GoRpcConfig::default())
    }
}

impl GoRpcClient {
    /// A client with these settings.
    pub fn new(config: GoRpcConfig) -> GoRpcClient {
        GoRpcClient { wire: ClientFrames { config: Arc::new(config), msgpack: wide::codec() } }
    }
}

impl ClientProtocol for GoRpcClient {
    fn name(&self) -> &str {
        ClientFrames::NAME
    }

    fn connect<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        connecting: &'a Connecting,
    ) -> BoxFuture<'a, Result<Arc<dyn Connection>>> {
        let config = &self.wire.config;
        Box::pin(connect(self.wire.clone(), config.limits(), config.heartbeats(), endpoint, connecting))
    }
}

/// The client's side of the frames. go-rpc counts calls from 1, connections here from 0.
#[derive(Clone, Debug)]
struct ClientFrames {
    config: Arc<GoRpcConfig>,
    msgpack: Codec,
}

impl ClientFrames {
    fn codec(&self) -> Codec {
        match self.config.serialize {
            Serialize::Json => Codec::JSON,
            Serialize::MsgPack => self.msgpack.clone(),
        }
    }
}

impl Wire for ClientFrames {
    const NAME: &'static str = "gorpc";

    fn measure(&self, input: &[u8]) -> Result<Option<Extent>, Broken> {
        frame::measure(input)
    }
}

impl ClientWire for ClientFrames {
    fn ask(&self, asked: Asked<'_>, out: &mut BytesMut) -> Result<()> {
        let Asked { seq, call, message, .. } = asked;
        // There are no one-way calls: the answer to one goes nowhere.
        let (codec, message) = (self.codec(), message.clone().with_codec(self.codec()));
        if *message.codec() != codec {
            return Err(Status::unimplemented(format!(
                "this client speaks go-rpc in {}; the message is {}: set protocols.gorpc.serialize",
                codec.content_type(),
                message.codec().content_type()
            )));
        }
        let dotted = call.method.dotted();
        let (service, method) = dotted.split_once('.').unwrap_or(("", &dotted));
        let header = Header {
            seq: seq.wrapping_add(1),
            serialize: self.config.serialize as u8,
            service: service.to_owned(),
            method: method.to_owned(),
            ..Header::default()
        };
        let pairs = metadata::pairs(&call.metadata, &self.config.token);
        let mut tags: Vec<_> = self.config.ask_tags.iter().map(|(key, value)| (&key[..], &value[..])).collect();
        tags.retain(|(key, _)| call.options.labels.iter().all(|(label, _)| label != key));
        tags.extend(call.options.labels.iter().map(|(key, value)| (&key[..], &value[..])));
        let before = out.len();
        let start = frame::begin(out);
        header.write(self.config.serialize, &Outgoing { pairs: &pairs, tags: &tags }, out);
        frame::end_header(out, start);
        let (body, max) = (out.len(), self.config.limits().max_message);
        let encoded = message.encode_into(out).and_then(|()| match out.len() - body > max {
            true => Err(too_long("message", max)),
            false => Ok(()),
        });
        frame::end(out, start);
        if encoded.is_err() {
            out.truncate(before);
        }
        encoded
    }

    fn ask_life(&self, seq: u64, out: &mut BytesMut) {
        let header = Header { seq: seq.wrapping_add(1), kind: Kind::Heartbeat, ..Header::default() };
        let start = frame::begin(out);
        header.write(self.config.serialize, &Outgoing::default(), out);
        frame::end_header(out, start);
        // An empty text, as go-rpc sends it.
        out.extend_from_slice(match self.config.serialize {
            Serialize::Json => b"\"\"",
            Serialize::MsgPack => b"\xa0",
        });
        frame::end(out, start);
    }

    fn learn(&self, bytes: Bytes, _: &Codecs) -> Result<Option<Answer>, Broken> {
        let (header, message) = frame::split(bytes)?;
        let (header, serialize) = Header::read(&header)?;
        if header.kind == Kind::Request {
            return Ok(None);
        }
        let (seq, max) = (header.seq.wrapping_sub(1), self.config.limits().max_message);
        let codec = match serialize {
            Serialize::Json => Codec::JSON,
            Serialize::MsgPack => Codec::MSGPACK,
        };
        let result = match header.status {
            0 if message.len() > max => Err(too_long("reply", max).with_executed(Executed::Yes)),
            0 => Ok(Reply::one(Payload::encoded(message, codec))),
            _ => Err(failure(header.error)),
        };
        Ok(Some(Answer { seq, result, last: false }))
    }

    fn learn_head(&self, head: &[u8]) -> Result<u64, Broken> {
        let (header, _) = frame::split(Bytes::copy_from_slice(head))?;
        Ok(Header::read(&header)?.0.seq.wrapping_sub(1))
    }
}

/// The status of an error, which has a text and no code. What a server of go-rpc says before it runs a
/// handler is known by its words.
fn failure(text: String) -> Status {
    let (code, executed) = match &text[..] {
        "can not find service" | "can not find method" => (Code::Unimplemented, Executed::No),
        "auth failed" => (Code::Unauthenticated, Executed::No),
        "request limited" => (Code::ResourceExhausted, Executed::No),
        text if text.starts_with(metadata::OTHER_TAG) => (Code::FailedPrecondition, Executed::No),
        // The handler's word, or that of a server that could not read the request.
        _ => (Code::Unknown, Executed::Unknown),
    };
    Status::new(code, text).with_executed(executed)
}

//! The client side of rpcx.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use motet_core::{
    BoxFuture, ClientProtocol, Code, Codecs, Connecting, Connection, Endpoint, Executed, Metadata, Payload, Reply,
    ReplyMeta, Result, Status,
};
use motet_framed::{Answer, Asked, Broken, ClientWire, Extent, Unreadable, Wire, connect, decompress, too_long};

use crate::{
    RpcxConfig,
    frame::{self, Frame, Header, Writer},
    metadata,
};

/// The client side of rpcx: `rpcx://host:port`.
#[derive(Clone, Debug, Default)]
pub struct RpcxClient {
    wire: ClientFrames,
}

impl RpcxClient {
    /// A client with these settings.
    pub fn new(config: RpcxConfig) -> RpcxClient {
        RpcxClient { wire: ClientFrames { config: Arc::new(config) } }
    }
}

impl ClientProtocol for RpcxClient {
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

/// The client's side of the frames.
#[derive(Clone, Debug, Default)]
struct ClientFrames {
    config: Arc<RpcxConfig>,
}

impl Wire for ClientFrames {
    const NAME: &'static str = "rpcx";

    fn measure(&self, input: &[u8]) -> Result<Option<Extent>, Broken> {
        frame::measure(input)
    }
}

impl ClientWire for ClientFrames {
    fn ask(&self, asked: Asked<'_>, out: &mut BytesMut) -> Result<()> {
        let Asked { seq, call, message, left } = asked;
        let message = message.clone().with_codec(self.config.codec(call));
        let Some(serializer) = frame::serializer(message.codec()) else {
            let text = format!(
                "rpcx carries no {}; it carries JSON, protobuf and MessagePack",
                message.codec().content_type()
            );
            return Err(Status::unimplemented(text));
        };
        let dotted = call.method.dotted();
        let (service, method) = dotted.split_once('.').unwrap_or(("", &dotted));
        let header = Header { one_way: call.one_way, serializer, seq, ..Header::default() };
        let mut writer = Writer::begin(&header, service.as_bytes(), method.as_bytes(), out);
        metadata::write(&call.metadata, &mut writer);
        let token = call.metadata.get(metadata::AUTH).unwrap_or(&self.config.token);
        if !token.is_empty() {
            writer.pair(metadata::AUTH.as_bytes(), token.as_bytes());
        }
        if let Some(left) = left {
            writer.pair(metadata::TIMEOUT.as_bytes(), metadata::millis(left).as_bytes());
        }
        let before = writer.message().len();
        let max = self.config.limits().max_message;
        let encoded =
            message.encode_into(writer.message()).and_then(|()| match writer.message().len() - before > max {
                true => Err(too_long("message", max)),
                false => Ok(()),
            });
        if let Err(status) = encoded {
            writer.undo();
            return Err(status);
        }
        if let Some(above) = self.config.compress_above(call) {
            writer.compress(above);
        }
        writer.end();
        Ok(())
    }

    fn ask_life(&self, seq: u64, out: &mut BytesMut) {
        let header = Header { heartbeat: true, serializer: 3, seq, ..Header::default() };
        let mut writer = Writer::begin(&header, b"", b"", out);
        // A MessagePack int64, as rpcx sends the time; what comes back is not looked at.
        writer.message().extend_from_slice(&[0xd3]);
        writer.message().extend_from_slice(&seq.to_be_bytes());
        writer.end();
    }

    fn learn(&self, bytes: Bytes, codecs: &Codecs) -> Result<Option<Answer>, Broken> {
        let frame = Frame::read(bytes).map_err(|(_, broken)| broken)?;
        if !frame.header.response {
            // A call from the server, which nobody here serves.
            return Ok(None);
        }
        let result = self.reply(&frame, codecs);
        let last = result.as_ref().is_err_and(|status| status.code() == Code::Unauthenticated);
        Ok(Some(Answer { seq: frame.header.seq, result, last }))
    }

    fn learn_head(&self, head: &[u8]) -> Result<u64, Broken> {
        Header::read(head).map(|header| header.seq)
    }
}

impl ClientFrames {
    fn reply(&self, frame: &Frame, codecs: &Codecs) -> Result<Reply> {
        // The handler has run; metadata that cannot be held does not change that.
        let metadata = metadata::read(frame).unwrap_or_default();
        if frame.header.error {
            return Err(failure(frame, metadata));
        }
        let ran = |status: Status| status.with_executed(Executed::Yes);
        if frame.header.is_strange() {
            return Err(ran(Status::internal("the reply has an unknown compression")));
        }
        let codec = codecs.find(frame::content_type(frame.header.serializer)).map_err(ran)?;
        let max = self.config.limits().max_message;
        let message = match frame.header.is_gzip() {
            false => frame.message.clone(),
            true => decompress(&frame.message, max).map_err(|why| match why {
                Unreadable::Damaged => ran(Status::internal("the reply is no gzip")),
                Unreadable::TooLong => ran(too_long("reply", max)),
            })?,
        };
        if message.len() > max {
            return Err(ran(too_long("reply", max)));
        }
        let mut reply = Reply::one(Payload::encoded(message, codec));
        if !metadata.is_empty() {
            reply.meta = ReplyMeta::new();
            reply.meta.set_initial(metadata);
        }
        Ok(reply)
    }
}

/// The status of an error, which has a text and no code. What a server of rpcx says before it runs a
/// handler is known by its words.
fn failure(frame: &Frame, metadata: Metadata) -> Status {
    let text = frame.value(metadata::ERROR).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let (code, executed) = match &text[..] {
        text if text.starts_with("rpcx: can't find") => (Code::Unimplemented, Executed::No),
        "auth failed" => (Code::Unauthenticated, Executed::No),
        // What a server of Motet says of the limit that this side sent, whose own clock is about to say it.
        text if text.contains(": the caller's limit of ") => (Code::DeadlineExceeded, Executed::Unknown),
        "request reached rate limit" => (Code::ResourceExhausted, Executed::No),
        // The handler's word, or that of a server that could not read the request.
        _ => (Code::Unknown, Executed::Unknown),
    };
    Status::new(code, text).with_executed(executed).with_metadata(metadata)
}

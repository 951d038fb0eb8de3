//! `grpc.testing.TestService`, served by Motet.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use motet::{
    BoxFuture, Call, Code, Codec, Handler, Kind, MethodDescriptor, Payload, Reply, Result, ServiceDescriptor, Status,
    Streaming,
    core::{Family, MessageType, Service},
};
use prost::Message;

use crate::messages::{
    Block, EchoStatus, InputRequest, InputResponse, Nothing, OutputRequest, OutputResponse, SimpleRequest,
    SimpleResponse,
};

/// The service's name.
pub(crate) const SERVICE: &str = "grpc.testing.TestService";

/// A method of it.
pub(crate) fn method(service: &str, name: &str, kind: Kind) -> MethodDescriptor {
    MethodDescriptor::new(service, name).kind(kind).family(Family::Proto)
}

pub(crate) fn written<T: Message + Default + 'static>(message: T) -> Payload {
    Payload::typed(message, &MessageType::proto(), Codec::PROTOBUF)
}

pub(crate) fn read<T: Message + Default + 'static>(payload: Payload) -> Result<T> {
    payload.take(&MessageType::proto())
}

fn handler<F>(f: fn(Call) -> F) -> Arc<dyn Handler>
where
    F: Future<Output = Result<Reply>> + Send + 'static,
{
    Arc::new(move |call: Call| -> BoxFuture<'static, Result<Reply>> { Box::pin(f(call)) })
}

/// The service.
pub(crate) fn test_service() -> Result<Service> {
    let mut descriptor = ServiceDescriptor::new(SERVICE, "1.0.0");
    let mut handlers: Vec<Arc<dyn Handler>> = Vec::new();
    let mut add = |name, kind, handler| {
        descriptor.add(method(SERVICE, name, kind));
        handlers.push(handler);
    };
    add("EmptyCall", Kind::Unary, handler(empty));
    add("UnaryCall", Kind::Unary, handler(unary));
    add("CacheableUnaryCall", Kind::Unary, handler(unary));
    add("StreamingInputCall", Kind::ClientStream, handler(input));
    add("StreamingOutputCall", Kind::ServerStream, handler(output));
    add("FullDuplexCall", Kind::Bidi, handler(duplex));
    add("HalfDuplexCall", Kind::Bidi, handler(duplex));
    // `ServiceDescriptor::proto_name` says what in the file it is.
    descriptor = descriptor.proto_name(SERVICE);
    descriptor.protobuf = bytes::Bytes::from_static(include_bytes!("../../proto/test.binpb"));
    Service::new(descriptor, handlers)
}

/// Gives back the metadata that the tests want back.
fn echo(call: &Call) -> Result<()> {
    let reply = call.cx.reply();
    if let Some(value) = call.metadata.get("x-grpc-test-echo-initial") {
        reply.add_initial("x-grpc-test-echo-initial", value)?;
    }
    if let Some(value) = call.metadata.get_bin("x-grpc-test-echo-trailing-bin") {
        let mut trailing = reply.trailing().unwrap_or_default();
        trailing.append_bin("x-grpc-test-echo-trailing-bin", value.clone())?;
        reply.set_trailing(trailing);
    }
    Ok(())
}

fn wished(status: Option<EchoStatus>) -> Result<()> {
    match status {
        Some(EchoStatus { code, message }) if code != 0 => {
            Err(Status::new(Code::from_number(u64::try_from(code).unwrap_or(2)), message))
        }
        _ => Ok(()),
    }
}

fn block(size: i32) -> Result<Option<Block>> {
    let size = usize::try_from(size).map_err(|_| Status::invalid_argument("response_size: it is negative"))?;
    Ok(Block::of(size))
}

async fn empty(call: Call) -> Result<Reply> {
    let Nothing {} = read(call.body.one()?)?;
    Ok(Reply::one(written(Nothing {})))
}

async fn unary(call: Call) -> Result<Reply> {
    echo(&call)?;
    let meta = call.cx.reply();
    let request: SimpleRequest = read(call.body.one()?)?;
    wished(request.response_status)?;
    let mut reply = Reply::one(written(SimpleResponse { payload: block(request.response_size)? }));
    reply.meta = meta;
    Ok(reply)
}

async fn input(call: Call) -> Result<Reply> {
    let mut requests = call.body.stream();
    let mut total = 0;
    while let Some(request) = requests.next().await {
        let request: InputRequest = read(request?)?;
        total += request.payload.map_or(0, |payload| payload.body.len());
    }
    let aggregated_payload_size = i32::try_from(total).unwrap_or(i32::MAX);
    Ok(Reply::one(written(InputResponse { aggregated_payload_size })))
}

/// What one request wants, one after the other.
fn answers(request: OutputRequest) -> impl futures_util::Stream<Item = Result<Payload>> + Send {
    let end = wished(request.response_status).err().map(Err);
    let parts = stream::iter(request.response_parameters).then(|wish| async move {
        if wish.interval_us > 0 {
            tokio::time::sleep(Duration::from_micros(u64::from(wish.interval_us.unsigned_abs()))).await;
        }
        Ok(written(OutputResponse { payload: block(wish.size)? }))
    });
    parts.chain(stream::iter(end))
}

async fn output(call: Call) -> Result<Reply> {
    echo(&call)?;
    let meta = call.cx.reply();
    let request: OutputRequest = read(call.body.one()?)?;
    let mut reply = Reply::stream(Streaming::new(Box::pin(answers(request))));
    reply.meta = meta;
    Ok(reply)
}

async fn duplex(call: Call) -> Result<Reply> {
    echo(&call)?;
    let meta = call.cx.reply();
    let requests = call.body.stream();
    let replies = requests.flat_map(|request| match request.and_then(read::<OutputRequest>) {
        Ok(request) => answers(request).left_stream(),
        Err(status) => stream::iter([Err(status)]).right_stream(),
    });
    // Nothing follows an error.
    let mut over = false;
    let replies = replies.take_while(move |item| {
        let go_on = !over;
        over = item.is_err();
        std::future::ready(go_on)
    });
    let mut reply = Reply::stream(Streaming::new(Box::pin(replies)));
    reply.meta = meta;
    Ok(reply)
}

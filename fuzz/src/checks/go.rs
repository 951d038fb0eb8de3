//! JSON-RPC and net/rpc.

use std::{collections::BTreeMap, sync::Arc};

use bytes::{Bytes, BytesMut};
use motet_core::{
    Body, BoxFuture, Call, Codecs, Dispatcher, MessageType, MethodDescriptor, Payload, Reply, Route, ServiceDescriptor,
};
use motet_protocol_netrpc::GobCodec;
use motet_rpc::exchange::{Answering, Asking};

/// A message with what gob and serde have in common.
#[motet::message]
#[derive(Clone, Debug, PartialEq)]
pub struct Gobbed {
    pub text: String,
    pub small: u8,
    pub signed: i64,
    pub ratio: f64,
    #[motet(bytes)]
    pub bytes: Vec<u8>,
    pub list: Vec<i32>,
    pub texts: Vec<String>,
    pub labels: BTreeMap<String, i64>,
    pub child: Option<Box<Gobbed>>,
    pub children: Vec<Gobbed>,
}

/// What can be read can be written, and read again as the same.
pub fn gob(data: &[u8]) {
    let message = MessageType::<Gobbed>::serde();
    let read = |bytes: Bytes| Payload::encoded(bytes, GobCodec::codec()).take(&message);
    let Ok(value) = read(Bytes::copy_from_slice(data)) else { return };
    let codec = GobCodec::with_schema(message.schema());
    let write = || Payload::typed(value.clone(), &message, codec.clone()).bytes();
    let Ok(written) = write() else { return };
    assert_eq!(write(), Ok(written.clone()), "it was written the way it was written before");
    let again = read(written).expect("it was written here");
    assert!(again == value || format!("{value:?}").contains("NaN"), "{value:?} became {again:?}");
}

/// A JSON-RPC server says the same however its input is split.
pub fn jsonrpc_server(data: &[u8]) {
    any_split(data, || motet_protocol_jsonrpc::__fuzz::server(1 << 16));
}

/// A net/rpc server says the same however its input is split.
pub fn netrpc_server(data: &[u8]) {
    any_split(data, || motet_protocol_netrpc::__fuzz::server(1 << 16));
}

/// The clients read any replies.
pub fn go_clients(data: &[u8]) {
    replies(motet_protocol_jsonrpc::__fuzz::client(1 << 16), data);
    replies(motet_protocol_netrpc::__fuzz::client(1 << 16), data);
}

fn any_split<M: Answering>(data: &[u8], machine: impl Fn() -> M) {
    let whole = converse(machine(), [data].into_iter());
    let bytewise = converse(machine(), data.chunks(1));
    assert_eq!(whole, bytewise);
}

/// What a server says, and whether it would close.
fn converse<'a, M: Answering>(mut machine: M, parts: impl Iterator<Item = &'a [u8]>) -> (Bytes, bool) {
    let (dispatcher, mut input, mut out) = (dispatcher(), BytesMut::new(), BytesMut::new());
    for part in parts {
        input.extend_from_slice(part);
        loop {
            match machine.next(&mut input, &mut out, &dispatcher) {
                // The request is the reply.
                Ok(Some(request)) if request.one_way => {}
                Ok(Some(request)) => machine.answer(request.token, Ok(request.body), &mut out),
                Ok(None) => break,
                Err(_) => return (out.freeze(), true),
            }
        }
    }
    (out.freeze(), false)
}

fn replies<M: Asking>(mut machine: M, data: &[u8]) {
    let mut input = BytesMut::from(data);
    let method = MethodDescriptor::new("world", "Echo");
    let request = Payload::encoded(Bytes::new(), GobCodec::codec());
    while let Ok(Some(answer)) = machine.next(&mut input) {
        let _ = answer.outcome.and_then(|result| M::body(&method, &request, result));
    }
}

fn dispatcher() -> Dispatcher {
    let mut service = ServiceDescriptor::new("world", "1.0.0");
    service.add(MethodDescriptor::new("world", "Echo"));
    let handler = |call: Call| -> BoxFuture<'static, motet_core::Result<Reply>> {
        Box::pin(async move { Ok(Reply::new(Body::One(call.body.one()?))) })
    };
    let routes = service.methods.iter().map(|method| Route::new(method.clone(), Arc::new(handler))).collect();
    let dispatcher = Dispatcher::new(Codecs::default());
    dispatcher.add(&Arc::new(service), routes).expect("it is the first");
    dispatcher
}

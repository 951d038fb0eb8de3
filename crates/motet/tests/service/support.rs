//! Calls of one method without a client, and services on a real port.

use std::sync::Arc;

use bytes::Bytes;
use motet::core::Service;
use motet::{Body, Call, CallOptions, Client, Codec, Context, IntoService, Payload, Result, RunningApp};

/// Runs one call on the handler, as it came from the network.
pub(crate) async fn handle(service: &Service, method: &str, codec: Codec, body: &[u8]) -> Result<Bytes> {
    let body = Body::One(Payload::encoded(Bytes::copy_from_slice(body), codec.clone()));
    let (method, handler) = service.methods().find(|(known, _)| known.name == method).expect("a known method");
    let call = Call::new(method.clone(), Context::new(), body, codec, Arc::new(CallOptions::default()));
    handler.call(call).await?.body.one()?.bytes()
}

/// As [`handle`], in JSON.
pub(crate) async fn json(service: &Service, method: &str, body: &str) -> Result<String> {
    let reply = handle(service, method, Codec::JSON, body.as_bytes()).await?;
    Ok(String::from_utf8(reply.to_vec()).expect("JSON is text"))
}

/// The service on a port of this machine, and a client that reaches it over TCP.
pub(crate) async fn remote(name: &str, service: impl IntoService) -> (RunningApp, Client) {
    let app = motet::Service::new(name).serve(service).listen("tcp://127.0.0.1:0").start().await.expect("starts");
    let client = app.client().to(&app.endpoints()[0]).expect("an address");
    (app, client)
}

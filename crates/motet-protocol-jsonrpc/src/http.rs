//! JSON-RPC 2.0 over HTTP.

use bytes::{Bytes, BytesMut};
use futures_util::future::join_all;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use motet_core::{
    Body as CallBody, BoxFuture, Call, Codec, Context, Drain, Executed, Kind, Metadata, MethodDescriptor, Payload,
    Result, Route, Status, TraceParent,
};
use motet_http::{Body, Door, HttpProtocol, metadata_from, refusal_as};
use serde_json::value::RawValue;

use crate::{ErrorObject, JsonRpcConfig, Session, SessionRequest, Version, reply_result, request_body, server::json};

/// JSON-RPC 2.0 over HTTP: `POST /-/jsonrpc` and, where nobody else takes them, `/jsonrpc` and `/`; a
/// request or a batch of them. The
/// requests of a batch run at the same time; notifications are one-way calls. The answer is 200, or
/// 204 where there is nothing to answer; what went wrong with a request is in its response.
#[derive(Clone, Debug)]
pub struct HttpJsonRpc {
    max_batch: usize,
}

impl Default for HttpJsonRpc {
    /// Batches of 100 requests at most.
    fn default() -> HttpJsonRpc {
        HttpJsonRpc { max_batch: 100 }
    }
}

impl HttpJsonRpc {
    /// With these settings, of which it needs the size of a batch.
    pub fn new(config: &JsonRpcConfig) -> HttpJsonRpc {
        HttpJsonRpc { max_batch: config.max_batch }
    }
}

impl HttpProtocol for HttpJsonRpc {
    fn name(&self) -> &str {
        "jsonrpc"
    }

    fn claims(&self, head: &Parts, _: &Door) -> bool {
        head.method == Method::POST && head.uri.path() == "/-/jsonrpc"
    }

    fn offers(&self, head: &Parts, _: &Door) -> bool {
        head.method == Method::POST && matches!(head.uri.path(), "/jsonrpc" | "/")
    }

    fn handle(&self, request: Request<Body>, door: &Door) -> BoxFuture<'static, Response<Body>> {
        let (door, session) = (door.clone(), Session::new(self.max_batch));
        Box::pin(async move {
            let (head, body) = request.into_parts();
            if !is_json(&head.headers) {
                let status = Status::unimplemented("JSON-RPC is application/json").with_executed(Executed::No);
                return refusal_as(StatusCode::UNSUPPORTED_MEDIA_TYPE, &status);
            }
            let metadata = match metadata_from(&head.headers, |name| name.starts_with("sec-")) {
                Ok(metadata) => metadata,
                Err(status) => return motet_http::refusal(&status),
            };
            match door.read_all(body, door.config().max_message).await {
                Ok(text) => answer(session, text, metadata, &door).await,
                Err(status) if status.executed() == Executed::No => motet_http::refusal(&status),
                Err(status) => refusal_as(StatusCode::PAYLOAD_TOO_LARGE, &status),
            }
        })
    }
}

/// JSON by any of its names here; no name is fine as well.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return true };
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(&*kind, "application/json" | "application/json-rpc" | "application/jsonrequest")
}

async fn answer(mut session: Session, text: Bytes, metadata: Metadata, door: &Door) -> Response<Body> {
    let mut out = BytesMut::new();
    if serde_json::from_slice::<&RawValue>(&text).is_err() {
        Session::parse_error(&mut out);
        return response(out);
    }
    // Version 1.0 has no answer to what is no request; over HTTP there is one.
    let requests = session.receive(text, &mut out).unwrap_or_else(|_| {
        Session::invalid_request(&mut out);
        Vec::new()
    });
    let outcomes = join_all(requests.into_iter().map(|request| run(request, &metadata, door))).await;
    for (token, outcome) in outcomes.into_iter().flatten() {
        session.answer(token, outcome, &mut out);
    }
    response(out)
}

fn response(mut out: BytesMut) -> Response<Body> {
    if out.last() == Some(&b'\n') {
        out.truncate(out.len() - 1);
    }
    let empty = out.is_empty();
    let mut response = Response::new(Body::from(out.freeze()));
    match empty {
        true => *response.status_mut() = StatusCode::NO_CONTENT,
        false => {
            drop(response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json")))
        }
    }
    response
}

/// Runs a request; a notification has no outcome.
async fn run(request: SessionRequest, metadata: &Metadata, door: &Door) -> Option<(u64, Result<Bytes, ErrorObject>)> {
    let (token, notification) = (request.token, request.notification);
    let prepared = prepare(request, metadata, door);
    if notification {
        if let Ok((route, call)) = prepared {
            one_way(&route, call, door.drain());
        }
        return None;
    }
    let outcome = match prepared {
        Err(error) => Err(error),
        Ok((route, call)) => outcome(&route, call).await.map_err(|status| ErrorObject::from_status(&status)),
    };
    Some((token, outcome))
}

fn one_way(route: &Route, call: Call, drain: &Drain) {
    motet_rpc::server::spawn_one_way(route, call, drain);
}

async fn outcome(route: &Route, call: Call) -> Result<Bytes> {
    let reply = motet_http::run(route, call).await?;
    let body = json(reply.body.one()?).map_err(|status| status.with_executed(Executed::Yes))?;
    Ok(reply_result(route.method(), body))
}

fn prepare(request: SessionRequest, metadata: &Metadata, door: &Door) -> Result<(Route, Call), ErrorObject> {
    let dispatcher = door.dispatcher();
    let missing = || match dispatcher.ambiguous(&request.method) {
        Some(several) => ErrorObject::new(ErrorObject::METHOD_NOT_FOUND, several.message()),
        None => ErrorObject::new(ErrorObject::METHOD_NOT_FOUND, "Method not found"),
    };
    let found = dispatcher.find_dotted(&request.method).or_else(|| dispatcher.find(&request.method));
    let route = found.ok_or_else(missing)?;
    let method = route.method();
    if method.kind != Kind::Unary {
        return Err(ErrorObject::from_status(&streams(method)));
    }
    let body = request_body(method, Version::V2, request.params.as_ref())?;
    let trace = metadata.get(TraceParent::KEY).and_then(TraceParent::parse);
    let cx = Context::incoming(route.deadline(None), metadata.clone(), Some(door.peer().clone()), trace);
    let body = CallBody::One(Payload::encoded(body, Codec::JSON));
    let mut call = Call::new(method.clone(), cx, body, Codec::JSON, Default::default());
    call.metadata = metadata.clone();
    Ok((route, call))
}

fn streams(method: &MethodDescriptor) -> Status {
    let text = format!("{} is a stream, which JSON-RPC over HTTP has not: use POST /{}", method.path, method.path);
    Status::unimplemented(text).with_executed(Executed::No)
}

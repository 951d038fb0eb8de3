//! go-rpc's calls in HTTP: `POST /invoke`.
//!
//! The header of a frame is in header fields, `rpc-header-seq` and so on; the body is the body. A call
//! passes through the same checks, middleware and handlers as one that comes in a frame.

use std::{fmt, sync::Arc};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use motet_core::{
    Body as CallBody, BoxFuture, Call, CallOptions, Context, Executed, Kind as MethodKind, Payload, Result, Status,
    TraceParent,
};
use motet_framed::too_long;
use motet_http::{Body, Door, HttpProtocol, refusal_as, run};

use crate::{
    any::Any,
    config::Serialize,
    header::{Header, Kind},
    server::{ServerFrames, Ticket},
    views,
};

const INVOKE: &str = "/invoke";
const PREFIX: &str = "rpc-header-";

/// `POST /invoke` and the pages `/view/health`, `/view/disk`, `/view/cpu` and `/view/ram`, behind an
/// HTTP door; made by [`GoRpcServer::gateway`](crate::GoRpcServer::gateway).
///
/// A refused call is an answer as well, with status 200 and `rpc-header-status_code: 1`; a request
/// whose fields cannot be read is answered with 400, and anything but POST with 405. The pages tell
/// everyone who asks how the machine does.
#[derive(Clone)]
pub struct GoRpcGateway(ServerFrames);

impl GoRpcGateway {
    pub(crate) fn new(frames: ServerFrames) -> GoRpcGateway {
        GoRpcGateway(frames)
    }
}

impl fmt::Debug for GoRpcGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GoRpcGateway")
    }
}

impl HttpProtocol for GoRpcGateway {
    fn name(&self) -> &str {
        "gorpc"
    }

    fn claims(&self, head: &Parts, _: &Door) -> bool {
        head.uri.path() == INVOKE || views::is_one(head.uri.path())
    }

    fn handle(&self, request: Request<Body>, door: &Door) -> BoxFuture<'static, Response<Body>> {
        let (frames, door) = (self.0.clone(), door.clone());
        let (head, body) = request.into_parts();
        Box::pin(async move {
            match (head.uri.path() == INVOKE, &head.method) {
                (true, &Method::POST) => frames.invoke(&head, body, &door).await,
                (false, &Method::GET | &Method::HEAD) => views::answer(head.uri.path()),
                (post, _) => other_method(if post { "POST" } else { "GET" }),
            }
        })
    }
}

fn other_method(method: &'static str) -> Response<Body> {
    let status = Status::unimplemented(format!("this path is asked by {method}")).with_executed(Executed::No);
    let mut answer = refusal_as(StatusCode::METHOD_NOT_ALLOWED, &status);
    answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(method));
    answer
}

impl ServerFrames {
    async fn invoke(&self, head: &Parts, body: Body, door: &Door) -> Response<Body> {
        let ticket = match read(&head.headers) {
            Ok(ticket) => ticket,
            Err(status) => return refusal_as(StatusCode::BAD_REQUEST, &status),
        };
        let answered = self.call(&ticket, body, door).await;
        answer(ticket.header, answered)
    }

    async fn call(&self, ticket: &Ticket, body: Body, door: &Door) -> Result<Bytes> {
        let config = door.config();
        let most = config.max_message.min(self.max_message);
        let message = door.read_all(body, most).await?;
        let request = self.prepare(ticket, message, door.dispatcher())?;
        let method = request.route.method();
        if method.kind != MethodKind::Unary {
            let text = format!("{} takes or gives a stream, which go-rpc does not carry", method.path);
            return Err(Status::unimplemented(text));
        }
        let trace = request.metadata.get(TraceParent::KEY).and_then(TraceParent::parse);
        let peer = Some(door.peer().clone());
        let cx = Context::incoming(request.route.deadline(None), request.metadata.clone(), peer, trace);
        let body = CallBody::One(Payload::encoded(request.message, request.codec.clone()));
        let mut call = Call::new(method.clone(), cx, body, request.codec, Arc::<CallOptions>::default());
        call.metadata = request.metadata;
        let reply = run(&request.route, call).await?.body.one()?;
        let mut out = BytesMut::new();
        reply.encode_into(&mut out)?;
        match out.len() > self.max_message {
            true => Err(too_long("reply", self.max_message)),
            false => Ok(out.freeze()),
        }
    }
}

/// The header of a call in its fields. Those of an answer may be missing.
fn read(fields: &HeaderMap) -> Result<Ticket> {
    let text = |name: &str| match fields.get(format!("{PREFIX}{name}")) {
        None => Ok(None),
        Some(value) => value.to_str().map(Some).map_err(|_| bad(name, "is no plain text")),
    };
    let needed = |name: &str| text(name)?.ok_or_else(|| bad(name, "is missing"));
    let byte = |name: &str| match text(name)? {
        None => Ok(0),
        Some(text) => text.parse::<u8>().map_err(|_| bad(name, "is no number from 0 to 255")),
    };
    let serialize = match byte("serialize_type")? {
        0 => Serialize::Json,
        1 => Serialize::MsgPack,
        _ => return Err(bad("serialize_type", "must be 0 for JSON or 1 for MessagePack")),
    };
    let metadata = match text("meta_data")? {
        None => Any::Other,
        Some(json) => serde_json::from_str(json).map_err(|_| bad("meta_data", "is no JSON object"))?,
    };
    let header = Header {
        seq: needed("seq")?.parse().map_err(|_| bad("seq", "is no number"))?,
        kind: match byte("message_type")? {
            0 => Kind::Request,
            _ => return Err(bad("message_type", "must be 0, a request")),
        },
        compress: byte("compress_type")?,
        serialize: serialize as u8,
        status: 0,
        service: needed("service_name")?.to_owned(),
        method: needed("method_name")?.to_owned(),
        error: String::new(),
        metadata: match metadata {
            Any::Map(pairs) => pairs,
            _ => Vec::new(),
        },
    };
    Ok(Ticket { header, serialize })
}

fn bad(name: &str, what: &str) -> Status {
    Status::invalid_argument(format!("{PREFIX}{name} {what}")).with_executed(Executed::No)
}

fn answer(header: Header, answered: Result<Bytes>) -> Response<Body> {
    let (status, error, body) = match answered {
        Ok(bytes) => (0, String::new(), Body::from(bytes)),
        Err(status) => (1, status.message().to_owned(), Body::empty()),
    };
    let mut answer = Response::new(body);
    let kind = if header.serialize == 0 { "application/json" } else { "application/msgpack" };
    let fields = answer.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    for (name, text) in [
        ("seq", header.seq.to_string()),
        ("message_type", (Kind::Response as u8).to_string()),
        ("compress_type", header.compress.to_string()),
        ("serialize_type", header.serialize.to_string()),
        ("status_code", status.to_string()),
        ("service_name", header.service),
        ("method_name", header.method),
        ("error", error),
        ("meta_data", "null".to_owned()),
    ] {
        let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let name = HeaderName::try_from(format!("{PREFIX}{name}"));
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(plain.as_bytes())) {
            fields.insert(name, value);
        }
    }
    answer
}

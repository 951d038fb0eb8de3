//! The head of a request with prefixes in its body.

use std::{sync::Arc, time::Duration};

use http::{HeaderName, header::CONTENT_TYPE, request::Parts};
use motet_core::{Body, Call, CallOptions, Codec, Codecs, Context, Metadata, Result, Route, TraceParent};
use motet_http::Door;
use tokio::time::Instant;

use super::flavour::Flavour;
use crate::{
    content,
    wire::{Compression, connect, metadata, timeout},
};

/// Says that no reply is wanted.
const ONE_WAY: HeaderName = HeaderName::from_static("motet-one-way");

/// What the head of a request says.
pub(super) struct RequestHead {
    pub(super) codec: Codec,
    /// How its messages are compressed.
    pub(super) compression: Option<Compression>,
    /// How the reply's messages may be.
    pub(super) accepted: Option<Compression>,
    pub(super) timeout: Option<Duration>,
    pub(super) metadata: Metadata,
    pub(super) one_way: bool,
}

impl RequestHead {
    /// Reads a head.
    ///
    /// # Errors
    /// Unimplemented for a codec or compression that is not spoken here, Internal for a malformed
    /// timeout or metadata.
    pub(super) fn read(head: &Parts, flavour: Flavour, codecs: &Codecs) -> Result<RequestHead> {
        let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        let (encoding, accepts) = match flavour {
            Flavour::Connect => ("connect-content-encoding", "connect-accept-encoding"),
            _ => ("grpc-encoding", "grpc-accept-encoding"),
        };
        let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let timeout = match flavour {
            Flavour::Connect => text("connect-timeout-ms").map(connect::parse_timeout).transpose()?,
            // A value that is no text is malformed, not absent.
            _ => {
                head.headers.get("grpc-timeout").map(|v| timeout::parse(v.to_str().unwrap_or_default())).transpose()?
            }
        };
        Ok(RequestHead {
            codec: content::codec(content_type, flavour.content_type(), codecs)?,
            compression: text(encoding).map(Compression::named).transpose()?.flatten(),
            accepted: text(accepts).and_then(Compression::accepted),
            timeout,
            metadata: metadata::read(&head.headers)?,
            one_way: head.headers.contains_key(ONE_WAY),
        })
    }
}

/// The call of a request.
pub(super) fn call(
    route: &Route,
    door: &Door,
    codec: Codec,
    timeout: Option<Duration>,
    metadata: Metadata,
    body: Body,
) -> Call {
    let now = Instant::now();
    let trace = match metadata.is_empty() {
        true => None,
        false => metadata.get(TraceParent::KEY).and_then(TraceParent::parse),
    };
    let deadline = route.deadline_at(now, timeout);
    let cx = Context::incoming(deadline, metadata.clone(), Some(door.peer().clone()), trace);
    let mut call = Call::new(route.method().clone(), cx, body, codec, Arc::<CallOptions>::default());
    call.metadata = metadata;
    call.started = Some(now);
    call
}

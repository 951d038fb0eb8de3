//! The head of a request with prefixes in its body.

use std::{sync::Arc, time::Duration};

use http::{HeaderName, header::CONTENT_TYPE, request::Parts};
use motet_core::{Body, Call, CallOptions, Codec, Codecs, Context, Metadata, Result, Route, TraceParent};
use motet_http::Door;
use tokio::time::Instant;

use crate::{
    content,
    flavour::Flavour,
    wire::{Compression, connect, metadata, micro, timeout},
};

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
    /// Whether the caller is go-micro's.
    pub(super) micro: bool,
}

impl RequestHead {
    /// Reads a head.
    ///
    /// # Errors
    /// Unimplemented for a codec or compression that is not spoken here, Internal for a malformed
    /// timeout or metadata.
    pub(super) fn read(head: &Parts, flavour: Flavour, codecs: &Codecs) -> Result<RequestHead> {
        let text = |name: HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok());
        let content_type = text(CONTENT_TYPE).unwrap_or_default();
        // A value that is no text is malformed, not absent.
        let timeout = head.headers.get(flavour.timeout()).map(|value| value.to_str().unwrap_or_default());
        let timeout = match flavour {
            Flavour::Connect => timeout.map(connect::parse_timeout).transpose()?,
            _ => timeout.map(timeout::parse).transpose()?,
        };
        let (micro, mut metadata) = (micro::is_caller(&head.headers), metadata::read(&head.headers)?);
        let mut timeout = timeout;
        if micro {
            timeout = timeout.or_else(|| micro::timeout(&head.headers));
            metadata.remove(micro::X_CONTENT_TYPE);
            metadata.remove(micro::TIMEOUT);
        }
        Ok(RequestHead {
            codec: content::codec(content_type, flavour.content_type(), codecs)?,
            compression: text(flavour.encoding()).map(Compression::named).transpose()?.flatten(),
            accepted: text(flavour.accept_encoding()).and_then(Compression::accepted),
            timeout,
            one_way: head.headers.contains_key(metadata::ONE_WAY),
            metadata,
            micro,
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

//! How messages and the end of a body are written.

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, HeaderValue, Response,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};
use motet_core::{Codec, Metadata, Payload, Result, Status};
use motet_http::Body;

use crate::{
    GrpcConfig,
    flavour::Flavour,
    wire::{CONNECT_END, Compression, connect, metadata, put_frame, put_message, status, web},
};

/// How the answer to a request is written.
pub(super) struct Writer {
    pub(super) flavour: Flavour,
    /// The request's, and the answer's where nothing else is said.
    pub(super) codec: Codec,
    limit: usize,
    compress_above: Option<usize>,
    compression: Option<Compression>,
    /// Whether the caller is go-micro's, which understands errors of its own only.
    micro: bool,
}

impl Writer {
    pub(super) fn new(flavour: Flavour, config: &GrpcConfig) -> Writer {
        Writer {
            flavour,
            codec: Codec::PROTOBUF,
            limit: config.max_message,
            compress_above: config.compress_above,
            compression: None,
            micro: false,
        }
    }

    /// Sets what the request is written in, and which compression its sender can read.
    pub(super) fn answer_in(&mut self, codec: Codec, accepted: Option<Compression>) {
        self.codec = codec;
        self.compression = accepted.filter(|_| self.compress_above.is_some());
    }

    /// Sets that the caller is go-micro's.
    pub(super) fn for_go_micro(&mut self) {
        self.micro = true;
    }

    /// The head of an answer whose messages are in `codec`.
    pub(super) fn head(&self, codec: &Codec, initial: Option<&Metadata>) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, self.flavour.content_type_of(codec));
        if let Some(compression) = self.compression {
            headers.insert(self.flavour.encoding(), HeaderValue::from_static(compression.name()));
        }
        if let Some(initial) = initial {
            metadata::write(initial, headers);
        }
        response
    }

    /// Says what is read here, on the answer to a request in what is not.
    pub(super) fn name_accepted(&self, headers: &mut HeaderMap) {
        headers.insert(self.flavour.accept_encoding(), HeaderValue::from_static(Compression::ACCEPTED));
        headers.remove(CONTENT_ENCODING);
    }

    /// Appends a message.
    ///
    /// # Errors
    /// As [`put_message`].
    pub(super) fn put(&self, out: &mut BytesMut, message: &Payload, codec: &Codec) -> Result<()> {
        let compress = self.compression.zip(self.compress_above);
        put_message(out, message, codec, self.limit, compress)
    }

    /// How a call ends: in trailers, or appended as the last frame.
    pub(super) fn end(&self, out: &mut BytesMut, end: Option<&Status>, trailing: &Metadata) -> Option<HeaderMap> {
        if self.flavour == Flavour::Connect {
            put_frame(out, CONNECT_END, &connect::write_end(end, trailing, &self.codec));
            return None;
        }
        let trailers = self.trailers(end, trailing);
        if self.flavour == Flavour::Grpc {
            return Some(trailers);
        }
        web::put_trailers(out, &trailers);
        None
    }

    /// How a call ends, as headers.
    pub(super) fn trailers(&self, end: Option<&Status>, trailing: &Metadata) -> HeaderMap {
        let mut trailers = HeaderMap::new();
        match end {
            None => status::write_ok(&mut trailers),
            Some(end) if self.micro => status::write_micro(end, &mut trailers),
            Some(end) => status::write(end, &self.codec, &mut trailers),
        }
        metadata::write(trailing, &mut trailers);
        trailers
    }

    /// A piece of the body as it is sent.
    pub(super) fn piece(&self, out: BytesMut) -> Bytes {
        match self.flavour {
            Flavour::WebText => web::encode_text(&out).into(),
            _ => out.freeze(),
        }
    }
}

//! Opening a connection.

use std::{str::FromStr, sync::Arc};

use bytes::{Bytes, BytesMut};
use http::{Request, Response, Uri};
use motet_core::{BoxIo, Connecting, Endpoint, Result, Status};
use motet_websocket::{
    Masks, WebSocket,
    handshake::{ClientHandshake, HandshakeError},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{WebSocketConfig, server::SUBPROTOCOL};

/// Where JSON-RPC over WebSocket is, whatever else the port carries.
const PATH: &str = "/-/ws";
/// The longest head of an answer, and the most fields in it.
const MAX_HEAD: usize = 16 << 10;
const MAX_FIELDS: usize = 64;

/// Dials, asks for WebSocket and checks the answer.
///
/// # Errors
/// Unavailable saying what the server answered.
pub(super) async fn open(
    config: &WebSocketConfig,
    endpoint: &Endpoint,
    connecting: &Connecting,
) -> Result<WebSocket<BoxIo>> {
    let authority = if endpoint.transport == "tcp" { endpoint.address.as_str() } else { "localhost" };
    let uri = Uri::from_str(&format!("ws://{authority}{PATH}"))
        .map_err(|error| Status::invalid_argument(format!("{endpoint} is no address")).with_source(error))?;
    let framing = Arc::new(config.framing());
    let mut masks = Masks::seeded(connecting.entropy.next_u64());
    let (request, handshake) =
        ClientHandshake::new(&uri, &[SUBPROTOCOL], framing.compression.as_ref(), &mut masks).map_err(refused)?;
    let transport = connecting.transports.find(&endpoint.transport)?;
    let mut io = transport.dial_alpn(endpoint, &["http/1.1"]).await?;
    let lost = |error| Status::unavailable(format!("{endpoint}: the connection broke")).with_source(error);
    io.write_all(&head(&request)).await.map_err(lost)?;
    io.flush().await.map_err(lost)?;
    let mut input = BytesMut::new();
    let response = loop {
        if let Some(response) = parse(&mut input)? {
            break response;
        }
        if input.len() >= MAX_HEAD {
            return Err(Status::unavailable(format!("{endpoint} answers with more than {MAX_HEAD} bytes of fields")));
        }
        if io.read_buf(&mut input).await.map_err(lost)? == 0 {
            return Err(Status::unavailable(format!("{endpoint} closed the connection before its answer")));
        }
    };
    let agreed = handshake.check(&response).map_err(refused)?;
    Ok(WebSocket::client(io, input.freeze(), &agreed, framing, masks))
}

fn refused(error: HandshakeError) -> Status {
    match error {
        HandshakeError::Request(what) => Status::invalid_argument(what),
        HandshakeError::Refused(status) if status == http::StatusCode::NOT_FOUND => {
            Status::unavailable(format!("there is no {PATH} on this port: the server speaks no calls over WebSocket"))
        }
        error => Status::unavailable(error.to_string()),
    }
}

/// A request as HTTP/1.1 writes it.
fn head(request: &Request<()>) -> Bytes {
    let mut out = BytesMut::from(format!("GET {} HTTP/1.1\r\n", request.uri()).as_bytes());
    for (name, value) in request.headers() {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    out.extend_from_slice(b"\r\n");
    out.freeze()
}

/// Takes the head of an answer off the input, once it is whole.
///
/// # Errors
/// It is no HTTP.
fn parse(input: &mut BytesMut) -> Result<Option<Response<()>>> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut parsed = httparse::Response::new(&mut fields);
    let no_http = || Status::unavailable("the answer is no HTTP");
    let length = match parsed.parse(input).map_err(|error| no_http().with_source(error))? {
        httparse::Status::Partial => return Ok(None),
        httparse::Status::Complete(length) => length,
    };
    let mut response = Response::builder().status(parsed.code.unwrap_or_default());
    for field in parsed.headers.iter() {
        response = response.header(field.name, field.value);
    }
    let response = response.body(()).map_err(|error| no_http().with_source(error))?;
    let _ = input.split_to(length);
    Ok(Some(response))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_taken_off_once_it_is_whole_and_what_follows_stays() {
        let text = b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\nrest";
        for length in 0..text.len() - 4 {
            assert!(parse(&mut BytesMut::from(&text[..length])).expect("a beginning").is_none(), "{length}");
        }
        let mut input = BytesMut::from(&text[..]);
        let response = parse(&mut input).expect("HTTP").expect("whole");
        assert_eq!((response.status().as_u16(), &input[..]), (101, &b"rest"[..]));
        assert!(parse(&mut BytesMut::from(&b"SSH-2.0\r\n"[..])).is_err());
    }
}

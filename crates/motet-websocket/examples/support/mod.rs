//! The opening handshake over a bare byte stream, for programs without an HTTP server or client.

use std::{io, sync::Arc};

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri};
use motet_websocket::{
    Masks, WebSocket, WebSocketConfig,
    handshake::{self, ClientHandshake},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const MAX_HEAD: usize = 16 << 10;

/// Accepts one WebSocket connection.
#[allow(dead_code, reason = "each example uses its side")]
pub(crate) async fn accept(mut io: TcpStream, config: Arc<WebSocketConfig>) -> io::Result<WebSocket<TcpStream>> {
    let mut input = BytesMut::new();
    let length = read_head(&mut io, &mut input).await?;
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Request::new(&mut headers);
    head.parse(&input[..length]).map_err(io::Error::other)?;
    let uri = head.path.unwrap_or("/");
    let mut request =
        Request::builder().method(head.method.unwrap_or_default()).uri(uri).body(()).map_err(io::Error::other)?;
    *request.headers_mut() = map(head.headers)?;
    match handshake::accept(&request, &["echo"], config.compression.as_ref()) {
        Ok(accepted) => {
            io.write_all(&head_of("HTTP/1.1 101 Switching Protocols", accepted.response.headers())).await?;
            input.advance(length);
            Ok(WebSocket::server(io, input.freeze(), &accepted.agreed, config))
        }
        Err(refusal) => {
            let response = refusal.to_response();
            io.write_all(&head_of(&format!("HTTP/1.1 {}", refusal.status()), response.headers())).await?;
            io.write_all(refusal.reason().as_bytes()).await?;
            Err(io::Error::other(refusal))
        }
    }
}

/// Connects to a WebSocket address such as `ws://127.0.0.1:9001/path`.
#[allow(dead_code, reason = "each example uses its side")]
pub(crate) async fn connect(uri: &Uri, config: Arc<WebSocketConfig>) -> io::Result<WebSocket<TcpStream>> {
    let mut masks = Masks::from_system();
    let (request, handshake) =
        ClientHandshake::new(uri, &[""; 0], config.compression.as_ref(), &mut masks).map_err(io::Error::other)?;
    let authority = uri.authority().ok_or(io::ErrorKind::InvalidInput)?;
    let mut io = TcpStream::connect((authority.host(), authority.port_u16().unwrap_or(80))).await?;
    io.set_nodelay(true)?;
    io.write_all(&head_of(&format!("GET {} HTTP/1.1", request.uri()), request.headers())).await?;
    let mut input = BytesMut::new();
    let length = read_head(&mut io, &mut input).await?;
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut headers);
    head.parse(&input[..length]).map_err(io::Error::other)?;
    let mut response = Response::builder().status(head.code.unwrap_or_default()).body(()).map_err(io::Error::other)?;
    *response.headers_mut() = map(head.headers)?;
    let agreed = handshake.check(&response).map_err(io::Error::other)?;
    input.advance(length);
    Ok(WebSocket::client(io, input.freeze(), &agreed, config, masks))
}

/// Reads up to the end of a head, and gives its length.
async fn read_head(io: &mut TcpStream, input: &mut BytesMut) -> io::Result<usize> {
    loop {
        if let Some(end) = input.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            return Ok(end + 4);
        }
        if input.len() > MAX_HEAD || io.read_buf(input).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn map(headers: &[httparse::Header<'_>]) -> io::Result<HeaderMap> {
    let mut map = HeaderMap::new();
    for header in headers {
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(io::Error::other)?;
        map.append(name, HeaderValue::from_bytes(header.value).map_err(io::Error::other)?);
    }
    Ok(map)
}

fn head_of(first: &str, headers: &HeaderMap) -> Bytes {
    let mut head = BytesMut::from(first.as_bytes());
    for (name, value) in headers {
        head.extend_from_slice(b"\r\n");
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
    }
    head.extend_from_slice(b"\r\n\r\n");
    head.freeze()
}

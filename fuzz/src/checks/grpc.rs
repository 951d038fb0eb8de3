//! gRPC, gRPC-Web and Connect.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use motet_core::Codecs;
use motet_protocol_grpc::wire::{
    CONNECT_END, Compression, FrameDecoder, PREFIX, WEB_TRAILERS, connect, metadata, percent_decode, percent_encode,
    put_frame, status, timeout, web,
};

use super::Script;

/// Frames are the same whatever the pieces, within the limit, and are written as they were read.
pub fn grpc_frames(data: &[u8]) {
    const LIMIT: usize = 1 << 12;
    let mut script = Script::new(data);
    let size = 1 + script.below(64);
    let read = |size: usize| {
        let (mut decoder, mut all) = (FrameDecoder::new(LIMIT, WEB_TRAILERS | CONNECT_END), Vec::new());
        for piece in data.chunks(size) {
            decoder.push(Bytes::copy_from_slice(piece));
            loop {
                match decoder.next_frame() {
                    Ok(Some(frame)) => all.push(frame),
                    Ok(None) => break,
                    Err(status) => return (all, Some(status.code())),
                }
            }
        }
        let end = decoder.finish().err().map(|status| status.code());
        (all, end)
    };
    let whole = read(data.len().max(1));
    assert_eq!(read(size), whole);
    let mut written = BytesMut::new();
    for frame in &whole.0 {
        assert!(frame.body.len() <= LIMIT);
        put_frame(&mut written, frame.flags, &frame.body);
    }
    assert!(data.starts_with(&written) && written.len() >= whole.0.len() * PREFIX);
}

/// What is unpacked is within the limit.
pub fn grpc_compression(data: &[u8]) {
    const LIMIT: usize = 1 << 16;
    for compression in [Compression::Gzip, Compression::Zstd] {
        if let Ok(message) = compression.decompress(data, LIMIT) {
            assert!(message.len() <= LIMIT);
        }
        if let Some(small) = compression.compress(data) {
            assert_eq!(compression.decompress(&small, data.len()).expect("undone"), data);
        }
    }
}

/// Headers of any kind, one a line: metadata that is read is written and read again as it was.
pub fn grpc_headers(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|b| *b == b'\n').take(300) {
        let Some(colon) = line.iter().position(|b| *b == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(&line[colon + 1..])) {
            headers.append(name, value);
        }
    }
    if let Ok(read) = metadata::read(&headers) {
        let mut written = HeaderMap::new();
        metadata::write(&read, &mut written);
        assert_eq!(metadata::read(&written), Ok(read));
    }
    if let Ok(Some(read)) = status::read(&headers, &Codecs::default()) {
        let mut written = HeaderMap::new();
        status::write(&read, &motet_core::Codec::PROTOBUF, &mut written);
        let again = status::read(&written, &Codecs::default()).expect("there").expect("an error");
        assert_eq!(again.code(), read.code());
    }
    if let Ok(text) = std::str::from_utf8(data) {
        if let Ok(limit) = timeout::parse(text) {
            assert!(timeout::parse(&timeout::format(limit)).expect("written") >= limit);
        }
        let _ = connect::parse_timeout(text);
        assert_eq!(percent_decode(&percent_encode(text)), text);
        let _ = percent_decode(text);
    }
}

/// Base64 in any pieces, and what is inside.
pub fn grpc_web(data: &[u8]) {
    let read = |size: usize| {
        let (mut text, mut all) = (web::TextDecoder::default(), Vec::new());
        for piece in data.chunks(size) {
            all.extend_from_slice(&text.decode(piece).ok()?);
        }
        text.finish().ok().map(|()| all)
    };
    assert_eq!(read(1), read(data.len().max(1)));
    assert_eq!(read(3), read(5));
    if let Ok(trailers) = web::read_trailers(data) {
        let mut out = BytesMut::new();
        web::put_trailers(&mut out, &trailers);
        assert_eq!(web::read_trailers(&out[PREFIX..]).expect("written"), trailers);
    }
}

/// Errors and ends of streams as JSON.
pub fn grpc_connect(data: &[u8]) {
    let codecs = Codecs::default();
    if let Some(status) = connect::read_error(data, &codecs) {
        let again = connect::read_error(&connect::write_error(&status, &motet_core::Codec::JSON), &codecs);
        assert_eq!(again.map(|status| status.code()), Some(status.code()));
    }
    if let Ok((status, metadata)) = connect::read_end(data, &codecs) {
        let written = connect::write_end(status.as_ref(), &metadata, &motet_core::Codec::JSON);
        let (again, trailing) = connect::read_end(&written, &codecs).expect("written");
        assert_eq!(again.map(|status| status.code()), status.map(|status| status.code()));
        assert_eq!(trailing.len(), metadata.len());
    }
}

//! The decoders of HTTP that are Motet's own: what passes by of HTTP/2, lines, and parameters.

use motet_core::{BodyShape, MethodDescriptor};
use motet_http::Frames;
use motet_protocol_http::Lines;
use tokio::time::Instant;

use super::Script;

/// However the bytes are cut, the same limit is broken, or the same frame is there in part.
pub fn http_frames(data: &[u8]) {
    let mut script = Script::new(data);
    let (cut, now) = (1 + script.below(64), Instant::now());
    let bytes = script.take(usize::MAX);
    let (mut whole, mut parts) = (Frames::new(now, 4, 16), Frames::new(now, 4, 16));
    let verdict = whole.read(bytes, now);
    let in_parts = bytes.chunks(cut).try_for_each(|part| parts.read(part, now));
    assert_eq!(verdict, in_parts);
    if verdict.is_ok() {
        assert_eq!(whole.is_partial(), parts.is_partial());
    }
}

/// However the bytes are cut, the same lines come out until one is too long.
pub fn http_lines(data: &[u8]) {
    let mut script = Script::new(data);
    let (cut, limit) = (1 + script.below(64), script.below(256));
    let bytes = script.take(usize::MAX);
    let read = |cut: usize| {
        let (mut lines, mut all) = (Lines::new(limit), Vec::new());
        for part in bytes.chunks(cut) {
            lines.push(part);
            loop {
                match lines.next(false) {
                    Ok(Some(line)) => all.push(line),
                    Ok(None) => break,
                    Err(_) => return (all, false),
                }
            }
        }
        match lines.next(true) {
            Ok(line) => {
                all.extend(line);
                (all, true)
            }
            Err(_) => (all, false),
        }
    };
    let (parts, whole) = (read(cut), read(bytes.len().max(1)));
    assert_eq!(parts, whole);
    assert!(whole.0.iter().all(|line| line.len() <= limit + 1 && !line.contains(&b'\n')));
}

/// Whatever a query holds, what it makes is a JSON object or an error that quotes nothing.
pub fn http_parameters(data: &[u8]) {
    let Ok(query) = std::str::from_utf8(data) else { return };
    let schema = r##"{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"array","items":{"$ref":"#/$defs/C"}},
        "c":{"$ref":"#/$defs/C"},"d":{"type":"object"},"e":{"type":["boolean","null"]}},"$defs":{"C":{"anyOf":[{"$ref":"#/$defs/C"}]}}}"##;
    let schema = motet_core::__private::serde_json::from_str(schema).expect("JSON");
    let method = MethodDescriptor::new("a", "b").request(BodyShape::Message, schema);
    if let Ok(body) = motet_protocol_http::bind(&method, &[], query, &bytes::Bytes::new())
        && !body.is_empty()
    {
        let value: motet_core::__private::serde_json::Value =
            motet_core::__private::serde_json::from_slice(&body).expect("JSON");
        assert!(value.is_object());
    }
}

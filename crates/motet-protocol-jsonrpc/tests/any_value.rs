//! Any message survives, however its bytes are split.

use bytes::{Bytes, BytesMut};
use motet_protocol_jsonrpc::{ErrorObject, Framing, Id, Message, Request, Response, Version};
use proptest::prelude::*;

/// JSON text with white space where it may stand.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        any::<String>().prop_map(|text| serde_json::to_string(&text).expect("text is JSON")),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[ {} ]", items.join(" ,\n"))),
            prop::collection::vec(inner, 0..4).prop_map(|items| {
                let members: Vec<_> =
                    items.iter().enumerate().map(|(n, item)| format!("\"{n}\\\\\" : {item}")).collect();
                format!("{{{}\t}}", members.join(","))
            }),
        ]
    })
}

fn message() -> impl Strategy<Value = Message> {
    let version = prop_oneof![Just(Version::V1), Just(Version::V2)];
    (version, ".{0,12}", json(), any::<u64>(), 0..3u8).prop_map(|(version, text, value, id, kind)| {
        let (value, id) = (Bytes::from(value), Id::number(id));
        match kind {
            0 => Message::Request(Request {
                version,
                method: text,
                params: Some(Bytes::from([b"[", &value[..], b"]"].concat())),
                id: Some(id),
                extension: None,
            }),
            1 => Message::Response(Response { version, id, outcome: Ok(value), extension: None }),
            _ => {
                let code = if version == Version::V1 { 0 } else { -32003 };
                let text = if text.is_empty() { "failed".to_owned() } else { text };
                Message::Response(Response { version, id, outcome: Err(ErrorObject::new(code, text)), extension: None })
            }
        }
    })
}

proptest! {
    #[test]
    fn any_message_survives_any_split(messages in prop::collection::vec(message(), 1..5), step in 1..64usize) {
        let mut text = BytesMut::new();
        for message in &messages {
            match message {
                Message::Request(request) => request.write(&mut text),
                Message::Response(response) => response.write(&mut text),
            }
        }
        let (mut framing, mut input, mut read) = (Framing::new(1 << 20, 100), BytesMut::new(), Vec::new());
        for part in text.chunks(step) {
            input.extend_from_slice(part);
            while let Some(value) = framing.next(&mut input).expect("well formed") {
                read.push(Message::parse(&value).expect("a message"));
            }
        }
        prop_assert_eq!(read, messages);
    }

    #[test]
    fn no_bytes_cause_a_panic(bytes in any::<Vec<u8>>()) {
        let (mut framing, mut input) = (Framing::new(1 << 10, 10), BytesMut::from(&bytes[..]));
        while let Ok(Some(value)) = framing.next(&mut input) {
            let _ = Message::parse(&value);
        }
        let _ = Message::parse(&bytes.into());
    }
}

//! What a server says.

use bytes::{Bytes, BytesMut};
use motet_core::Metadata;
use motet_protocol_jsonrpc::{ErrorObject, Framing, Message};

use crate::wire::Note;

/// A message of the server.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    /// A call's answer.
    Answer { id: u64, outcome: Result<Bytes, ErrorObject>, extension: Option<Bytes> },
    /// Its reply stream begins.
    Head { id: u64, metadata: Metadata },
    /// A message of its reply stream.
    Message { id: u64, message: Bytes },
    /// So many more messages may be sent.
    Credit { id: u64, credit: u32 },
    /// Nothing that this side knows.
    Nothing,
}

/// Reads a message of the server.
///
/// # Errors
/// It is no message; the connection is of no use.
pub(crate) fn hear(text: Bytes, max_depth: usize) -> Result<Heard, &'static str> {
    let mut rest = BytesMut::from(text);
    let text = match Framing::new(usize::MAX, max_depth).next(&mut rest) {
        Ok(Some(text)) => text,
        _ => return Err("the server sent what is no JSON object, or nests too deep"),
    };
    let message = Message::parse(&text).map_err(|_| "the server sent what is no message of JSON-RPC")?;
    let request = match message {
        Message::Response(response) => {
            return match (response.id.as_number(), response.outcome) {
                (Some(id), outcome) => Ok(Heard::Answer { id, outcome, extension: response.extension }),
                // What the server could not read at all it cannot tie to a call.
                (None, Err(_)) => Err("the server could not read a request"),
                (None, Ok(_)) => Ok(Heard::Nothing),
            };
        }
        Message::Request(request) => request,
    };
    let Some((id, note)) = Note::parse(&request.method, request.params.as_ref()) else { return Ok(Heard::Nothing) };
    let Some(id) = std::str::from_utf8(&id).ok().and_then(|id| id.parse().ok()) else { return Ok(Heard::Nothing) };
    Ok(match note {
        Note::Head(metadata) => Heard::Head { id, metadata },
        Note::Message(message) => Heard::Message { id, message },
        Note::Credit(credit) => Heard::Credit { id, credit },
        Note::End | Note::Cancel => Heard::Nothing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(text: &str) -> Result<Heard, &'static str> {
        hear(Bytes::copy_from_slice(text.as_bytes()), 10)
    }

    #[test]
    fn what_a_server_says_is_read() {
        let answer = r#"{"jsonrpc":"2.0","result":null,"id":7,"motet":{"trailers":{}}}"#;
        let extension = Some(Bytes::from(r#"{"trailers":{}}"#));
        assert_eq!(heard(answer), Ok(Heard::Answer { id: 7, outcome: Ok(Bytes::from("null")), extension }));
        let message = r#"{"jsonrpc":"2.0","method":"rpc.message","params":{"id":7,"message":null}}"#;
        assert_eq!(heard(message), Ok(Heard::Message { id: 7, message: Bytes::from("null") }));
        for nothing in [
            r#"{"jsonrpc":"2.0","method":"rpc.later","params":{"id":7}}"#,
            r#"{"jsonrpc":"2.0","method":"rpc.message","params":{"id":"x","message":1}}"#,
            r#"{"jsonrpc":"2.0","result":1,"id":null}"#,
        ] {
            assert_eq!(heard(nothing), Ok(Heard::Nothing));
        }
    }

    #[test]
    fn what_is_no_message_ends_the_connection() {
        let deep = format!("{}{}", "[".repeat(11), "]".repeat(11));
        for text in ["", "7", "{", "[]", &deep, r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"x"},"id":null}"#]
        {
            assert!(heard(text).is_err(), "{text}");
        }
    }
}

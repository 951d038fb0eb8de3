//! The answering side of a conversation, without the socket.

use bytes::{BufMut, Bytes, BytesMut};
use motet_core::Map;
use serde_json::value::RawValue;

use crate::{ErrorObject, Id, Malformed, Message, Response, Version, framing::is_space};

/// The answering side of a conversation: JSON values in, requests out; outcomes in, text out. It keeps
/// what a reply needs (id, version, the batch it belongs to) and nothing else.
///
/// A value that is no request is answered here as its version wants. In 1.0 there is no such answer:
/// Go closes the connection, and [`Session::receive`] fails.
#[derive(Debug)]
pub struct Session {
    max_batch: usize,
    next: u64,
    open: Map<u64, Open>,
    batches: Map<u64, Batch>,
}

/// What a session asks to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRequest {
    /// What [`Session::answer`] wants to hear; of no meaning for notifications.
    pub token: u64,
    /// The version.
    pub version: Version,
    /// The method, such as `Greeter.Hello`.
    pub method: String,
    /// The parameters as JSON.
    pub params: Option<Bytes>,
    /// Nobody waits for an answer, and none may be given.
    pub notification: bool,
    /// The id; `None` for a notification.
    pub id: Option<Id>,
    /// The member `motet` of 2.0, as JSON.
    pub extension: Option<Bytes>,
}

#[derive(Debug)]
struct Open {
    version: Version,
    id: Id,
    batch: Option<u64>,
}

#[derive(Debug, Default)]
struct Batch {
    waiting: usize,
    /// `[` and the responses so far.
    text: BytesMut,
}

impl Session {
    /// A session that takes so many requests in one batch. More are answered with an error, and none
    /// of them runs.
    pub fn new(max_batch: usize) -> Session {
        Session { max_batch, next: 0, open: Map::default(), batches: Map::default() }
    }

    /// How many requests wait for their answer.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// Takes one JSON value in, an object or an array of them, and appends what can be answered at
    /// once to `out`.
    ///
    /// # Errors
    /// It is no message of 1.0; whoever sent it learns nothing and the connection is to be closed.
    pub fn receive(&mut self, text: Bytes, out: &mut BytesMut) -> Result<Vec<SessionRequest>, Malformed> {
        let first = text.iter().find(|byte| !is_space(**byte));
        if first == Some(&b'[') {
            return Ok(self.receive_batch(&text, out));
        }
        match Message::parse(&text) {
            Ok(Message::Request(request)) => Ok(vec![self.admit(request, None)]),
            Ok(Message::Response(response)) => {
                Err(Malformed { version: response.version, reason: "a response where requests are expected" })
            }
            Err(malformed) if malformed.version == Version::V2 => {
                line(&invalid(), out);
                Ok(Vec::new())
            }
            Err(malformed) => Err(malformed),
        }
    }

    /// The answer to text that is no JSON, for those who speak 2.0.
    pub fn parse_error(out: &mut BytesMut) {
        line(&refusal(ErrorObject::PARSE_ERROR, "Parse error"), out);
    }

    /// The answer to JSON that is no request, for those who speak 2.0.
    pub fn invalid_request(out: &mut BytesMut) {
        line(&invalid(), out);
    }

    /// Appends the reply to a request, or keeps it until its batch is complete. A token that is not
    /// open is passed over.
    pub fn answer(&mut self, token: u64, outcome: Result<Bytes, ErrorObject>, out: &mut BytesMut) {
        self.answer_with(token, outcome, None, out);
    }

    /// As [`Session::answer`], with the member `motet` beside the outcome; only 2.0 has it.
    pub fn answer_with(
        &mut self,
        token: u64,
        outcome: Result<Bytes, ErrorObject>,
        extension: Option<Bytes>,
        out: &mut BytesMut,
    ) {
        let Some(Open { version, id, batch }) = self.open.remove(&token) else { return };
        let response = Response { version, id, outcome, extension };
        let Some(number) = batch else { return line(&response, out) };
        let Some(batch) = self.batches.get_mut(&number) else { return };
        batch.add(&response);
        batch.waiting -= 1;
        self.finish(number, out);
    }

    /// Answers a request in 2.0 with an error whose id is `null`: one whose own id means another request.
    pub fn disown(&mut self, token: u64, error: ErrorObject, out: &mut BytesMut) {
        if let Some(open) = self.open.get_mut(&token) {
            (open.version, open.id) = (Version::V2, Id::null());
        }
        self.answer(token, Err(error), out);
    }

    /// Keeps no memory while nothing is open: for connections that are to cost little at rest.
    pub fn rest(&mut self) {
        if self.open.is_empty() && self.open.capacity() > 0 {
            (self.open, self.batches) = Default::default();
        }
    }

    fn receive_batch(&mut self, text: &Bytes, out: &mut BytesMut) -> Vec<SessionRequest> {
        let Ok(items) = serde_json::from_slice::<Vec<&RawValue>>(text) else {
            Session::parse_error(out);
            return Vec::new();
        };
        if items.is_empty() {
            line(&invalid(), out);
            return Vec::new();
        }
        if items.len() > self.max_batch {
            let text = format!("a batch holds at most {} requests", self.max_batch);
            line(&refusal(ErrorObject::INVALID_REQUEST, &text), out);
            return Vec::new();
        }
        let number = self.next;
        self.next += 1;
        let (mut batch, mut requests) = (Batch::default(), Vec::new());
        for item in items {
            match Message::parse(&text.slice_ref(item.get().as_bytes())) {
                Ok(Message::Request(request)) if request.version == Version::V2 => {
                    let request = self.admit(request, Some(number));
                    batch.waiting += usize::from(!request.notification);
                    requests.push(request);
                }
                _ => batch.add(&invalid()),
            }
        }
        self.batches.insert(number, batch);
        self.finish(number, out);
        requests
    }

    fn admit(&mut self, request: crate::Request, batch: Option<u64>) -> SessionRequest {
        let crate::Request { version, method, params, id, extension } = request;
        let (token, notification) = (self.next, id.is_none());
        if let Some(id) = id.clone() {
            self.next += 1;
            self.open.insert(token, Open { version, id, batch });
        }
        SessionRequest { token, version, method, params, notification, id, extension }
    }

    fn finish(&mut self, number: u64, out: &mut BytesMut) {
        if self.batches.get(&number).is_none_or(|batch| batch.waiting > 0) {
            return;
        }
        if let Some(batch) = self.batches.remove(&number)
            && !batch.text.is_empty()
        {
            out.put_slice(&batch.text);
            out.put_slice(b"]\n");
        }
    }
}

impl Batch {
    fn add(&mut self, response: &Response) {
        self.text.put_u8(if self.text.is_empty() { b'[' } else { b',' });
        response.write(&mut self.text);
    }
}

fn invalid() -> Response {
    refusal(ErrorObject::INVALID_REQUEST, "Invalid Request")
}

fn refusal(code: i64, message: &str) -> Response {
    Response { version: Version::V2, id: Id::null(), outcome: Err(ErrorObject::new(code, message)), extension: None }
}

fn line(response: &Response, out: &mut BytesMut) {
    response.write(out);
    out.put_u8(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers as the examples of the specification do (<https://www.jsonrpc.org/specification>).
    fn converse(text: &str) -> String {
        let (mut session, mut out) = (Session::new(10), BytesMut::new());
        let requests = session.receive(Bytes::copy_from_slice(text.as_bytes()), &mut out).expect(text);
        // Backwards: replies may come in any order.
        for request in requests.into_iter().rev() {
            let outcome = match (&*request.method, request.params.as_deref()) {
                ("subtract", Some(b"[42, 23]" | b"[42,23]")) => Ok("19"),
                ("subtract", Some(b"[23, 42]")) => Ok("-19"),
                ("subtract", Some(named)) if named.starts_with(b"{") => Ok("19"),
                ("sum", _) => Ok("7"),
                ("get_data", None) => Ok("[\"hello\",5]"),
                (method, params) if request.notification => {
                    assert!(["update", "foobar", "notify_sum", "notify_hello"].contains(&method), "{params:?}");
                    continue;
                }
                _ => Err(ErrorObject::new(ErrorObject::METHOD_NOT_FOUND, "Method not found")),
            };
            session.answer(request.token, outcome.map(Bytes::from), &mut out);
        }
        assert_eq!((session.open(), session.batches.len()), (0, 0), "nothing is left behind");
        String::from_utf8(out.to_vec()).expect("text")
    }

    #[test]
    fn the_examples_of_the_specification_are_answered_as_it_says() {
        let invalid = r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Invalid Request"},"id":null}"#;
        for (request, response) in [
            (
                r#"{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}"#,
                r#"{"jsonrpc":"2.0","result":19,"id":1}"#,
            ),
            (
                r#"{"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": 2}"#,
                r#"{"jsonrpc":"2.0","result":-19,"id":2}"#,
            ),
            (
                r#"{"jsonrpc": "2.0", "method": "subtract", "params": {"subtrahend": 23, "minuend": 42}, "id": 3}"#,
                r#"{"jsonrpc":"2.0","result":19,"id":3}"#,
            ),
            (
                r#"{"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": 42, "subtrahend": 23}, "id": 4}"#,
                r#"{"jsonrpc":"2.0","result":19,"id":4}"#,
            ),
            (r#"{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}"#, ""),
            (r#"{"jsonrpc": "2.0", "method": "foobar"}"#, ""),
            (
                r#"{"jsonrpc": "2.0", "method": "foobar", "id": "1"}"#,
                r#"{"jsonrpc":"2.0","error":{"code":-32601,"message":"Method not found"},"id":"1"}"#,
            ),
            (r#"{"jsonrpc": "2.0", "method": 1, "params": "bar"}"#, invalid),
            ("[]", invalid),
            ("[1]", &format!("[{invalid}]")),
            ("[1,2,3]", &format!("[{invalid},{invalid},{invalid}]")),
            (
                r#"[{"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]},
                    {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}]"#,
                "",
            ),
            (
                r#"[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
                    {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
                    {"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"},
                    {"foo": "boo"},
                    {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
                    {"jsonrpc": "2.0", "method": "get_data", "id": "9"}]"#,
                &format!(
                    "[{invalid},{},{},{},{}]",
                    r#"{"jsonrpc":"2.0","result":["hello",5],"id":"9"}"#,
                    r#"{"jsonrpc":"2.0","error":{"code":-32601,"message":"Method not found"},"id":"5"}"#,
                    r#"{"jsonrpc":"2.0","result":19,"id":"2"}"#,
                    r#"{"jsonrpc":"2.0","result":7,"id":"1"}"#,
                ),
            ),
        ] {
            let expected = if response.is_empty() { String::new() } else { format!("{response}\n") };
            assert_eq!(converse(request), expected, "{request}");
        }
    }

    #[test]
    fn text_that_is_no_json_gets_a_parse_error() {
        let mut out = BytesMut::new();
        Session::parse_error(&mut out);
        let expected = "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32700,\"message\":\"Parse error\"},\"id\":null}\n";
        assert_eq!(out, expected);
        let broken =
            r#"[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"}, {"jsonrpc": "2.0", "method"]"#;
        assert_eq!(converse(broken), expected);
    }

    #[test]
    fn a_batch_beyond_the_limit_runs_nothing() {
        let one = r#"{"jsonrpc":"2.0","method":"sum","id":1}"#;
        assert!(converse(&format!("[{}]", [one; 10].join(","))).starts_with("[{"));
        assert!(converse(&format!("[{}]", [one; 11].join(","))).contains("at most 10 requests"));
    }

    #[test]
    fn what_is_no_request_of_1_0_ends_the_conversation() {
        for text in ["{\"method\":1}", "{\"id\":1,\"result\":1,\"error\":null}", "{\"a\":nope}"] {
            let (mut session, mut out) = (Session::new(10), BytesMut::new());
            assert!(session.receive(Bytes::from(text), &mut out).is_err(), "{text}");
            assert!(out.is_empty());
        }
    }

    #[test]
    fn an_answer_nobody_waits_for_is_passed_over() {
        let (mut session, mut out) = (Session::new(10), BytesMut::new());
        session.answer(7, Ok(Bytes::from("1")), &mut out);
        assert!(out.is_empty());
    }
}

//! Requests and responses, as values and as text.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::ErrorObject;

/// The version of a message; each is answered in its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 1.0, as Go's `net/rpc/jsonrpc` speaks it.
    V1,
    /// 2.0: the message says so.
    V2,
}

/// What ties a response to its request: any JSON value, kept as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Id(Bytes);

impl Id {
    /// `null`.
    pub fn null() -> Id {
        Id(Bytes::from_static(b"null"))
    }

    /// A number.
    pub fn number(id: u64) -> Id {
        Id(Bytes::from(id.to_string()))
    }

    /// The JSON text.
    pub fn as_json(&self) -> &[u8] {
        &self.0
    }

    /// The number, if it is one that [`Id::number`] makes.
    pub fn as_number(&self) -> Option<u64> {
        std::str::from_utf8(&self.0).ok()?.parse().ok()
    }
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A call.
    Request(Request),
    /// An answer.
    Response(Response),
}

/// A call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The version.
    pub version: Version,
    /// The method, such as `Greeter.Hello`.
    pub method: String,
    /// The parameters as JSON; `None` where there are none, in 1.0 also for `null`.
    pub params: Option<Bytes>,
    /// `None` for a notification, which gets no answer. In 1.0 there is none: a request without id
    /// is answered with `null`, as Go does.
    pub id: Option<Id>,
    /// The member `motet` of 2.0, as JSON: what a transport that can do more says beside the call.
    pub extension: Option<Bytes>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The version.
    pub version: Version,
    /// The request's.
    pub id: Id,
    /// The result as JSON, or the error. An error of 1.0 has the code 0; one that is no text is there
    /// in its JSON.
    pub outcome: Result<Bytes, ErrorObject>,
    /// The member `motet` of 2.0, as in a request.
    pub extension: Option<Bytes>,
}

/// Why a JSON value is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Whether it says that it is of version 2.0.
    pub version: Version,
    /// What is wrong.
    pub reason: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl std::error::Error for Malformed {}

impl Message {
    /// Reads one object. Unknown members are passed over; of one that is there twice the last counts.
    ///
    /// # Errors
    /// The text is no object of JSON, or not a message. It is never quoted.
    pub fn parse(text: &Bytes) -> Result<Message, Malformed> {
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        let members = (&mut deserializer).deserialize_map(Members::default());
        let members = members.and_then(|members| deserializer.end().map(|()| members));
        let members = members.map_err(|_| Malformed { version: Version::V1, reason: "no object of JSON" })?;
        let version = match members.jsonrpc.map(RawValue::get) {
            Some("\"2.0\"") => Version::V2,
            _ => Version::V1,
        };
        let slice = |raw: &RawValue| text.slice_ref(raw.get().as_bytes());
        let no = |reason| Malformed { version, reason };
        let id = members.id.map(|id| Id(slice(id)));
        let extension = members.motet.filter(|_| version == Version::V2).map(slice);
        if members.method.is_none() && (members.result.is_some() || members.error.is_some()) {
            let id = id.unwrap_or_else(Id::null);
            let outcome = match (members.result.map(slice), members.error.filter(|error| error.get() != "null")) {
                (_, Some(error)) => Err(ErrorObject::parse(version, error).ok_or(no("the error is no error"))?),
                (Some(result), None) => Ok(result),
                (None, None) => return Err(no("neither result nor error")),
            };
            return Ok(Message::Response(Response { version, id, outcome, extension }));
        }
        let method = match members.method {
            Some(method) => serde_json::from_str(method.get()).map_err(|_| no("the method is no text"))?,
            None if version == Version::V2 => return Err(no("there is no method")),
            None => String::new(),
        };
        let params = members.params.filter(|params| version == Version::V2 || params.get() != "null");
        if version == Version::V2 {
            if id.as_ref().is_some_and(|id| matches!(id.0.first(), Some(b'{' | b'[' | b't' | b'f'))) {
                return Err(no("the id is no text, number or null"));
            }
            if params.is_some_and(|params| !params.get().starts_with(['{', '['])) {
                return Err(no("the params are no object or array"));
            }
        }
        let id = if version == Version::V1 { Some(id.unwrap_or_else(Id::null)) } else { id };
        Ok(Message::Request(Request { version, method, params: params.map(slice), id, extension }))
    }
}

impl Request {
    /// Appends the request and a line feed: in 1.0 byte for byte what Go's client sends.
    pub fn write(&self, out: &mut BytesMut) {
        out.put_slice(match self.version {
            Version::V1 => b"{\"method\":",
            Version::V2 => b"{\"jsonrpc\":\"2.0\",\"method\":",
        });
        write_text(&self.method, out);
        match (&self.params, self.version) {
            (Some(params), _) => {
                out.put_slice(b",\"params\":");
                out.put_slice(params);
            }
            (None, Version::V1) => out.put_slice(b",\"params\":[]"),
            (None, Version::V2) => {}
        }
        if let Some(id) = &self.id {
            out.put_slice(b",\"id\":");
            out.put_slice(&id.0);
        }
        write_extension(self.extension.as_ref().filter(|_| self.version == Version::V2), out);
        out.put_slice(b"}\n");
    }
}

impl Response {
    /// Appends the response, in 1.0 byte for byte as Go's server writes it, without the line feed.
    pub fn write(&self, out: &mut BytesMut) {
        match (self.version, &self.outcome) {
            (Version::V1, outcome) => {
                out.put_slice(b"{\"id\":");
                out.put_slice(&self.id.0);
                out.put_slice(b",\"result\":");
                out.put_slice(outcome.as_deref().unwrap_or(b"null"));
                out.put_slice(b",\"error\":");
                match outcome {
                    Ok(_) => out.put_slice(b"null"),
                    Err(error) => write_text(error.message(), out),
                }
            }
            (Version::V2, outcome) => {
                out.put_slice(b"{\"jsonrpc\":\"2.0\",");
                match outcome {
                    Ok(result) => {
                        out.put_slice(b"\"result\":");
                        out.put_slice(result);
                    }
                    Err(error) => {
                        out.put_slice(b"\"error\":");
                        error.write(out);
                    }
                }
                out.put_slice(b",\"id\":");
                out.put_slice(&self.id.0);
                write_extension(self.extension.as_ref(), out);
            }
        }
        out.put_slice(b"}");
    }
}

fn write_extension(extension: Option<&Bytes>, out: &mut BytesMut) {
    if let Some(extension) = extension {
        out.put_slice(b",\"motet\":");
        out.put_slice(extension);
    }
}

/// Appends text as JSON.
pub(crate) fn write_text(text: &str, out: &mut BytesMut) {
    serde_json::to_writer(out.writer(), text).expect("text is always JSON, and a buffer in memory takes it");
}

/// The members of a message.
#[derive(Default)]
struct Members<'a> {
    jsonrpc: Option<&'a RawValue>,
    method: Option<&'a RawValue>,
    params: Option<&'a RawValue>,
    id: Option<&'a RawValue>,
    result: Option<&'a RawValue>,
    error: Option<&'a RawValue>,
    motet: Option<&'a RawValue>,
}

impl<'de> Visitor<'de> for Members<'de> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            let value: &RawValue = map.next_value()?;
            let member = match &*key {
                "jsonrpc" => &mut self.jsonrpc,
                "method" => &mut self.method,
                "params" => &mut self.params,
                "id" => &mut self.id,
                "result" => &mut self.result,
                "error" => &mut self.error,
                "motet" => &mut self.motet,
                _ => continue,
            };
            *member = Some(value);
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Message, Malformed> {
        Message::parse(&Bytes::copy_from_slice(text.as_bytes()))
    }

    fn request(text: &str) -> Request {
        match parse(text).expect(text) {
            Message::Request(request) => request,
            Message::Response(_) => panic!("{text} is no response"),
        }
    }

    #[test]
    fn a_request_of_go_is_read_and_written_byte_for_byte() {
        let text = "{\"method\":\"hello.HelloWorld\",\"params\":[\"李白\"],\"id\":0}";
        let mut out = BytesMut::new();
        request(text).write(&mut out);
        assert_eq!(out, format!("{text}\n"));
    }

    #[test]
    fn a_response_of_go_is_read_and_written_byte_for_byte() {
        for text in [
            "{\"id\":0,\"result\":\"李白 ok\",\"error\":null}",
            "{\"id\":3,\"result\":null,\"error\":\"divide by zero\"}",
        ] {
            let Message::Response(response) = parse(text).expect(text) else { panic!("no response") };
            let mut out = BytesMut::new();
            response.write(&mut out);
            assert_eq!(out, text);
        }
    }

    #[test]
    fn an_id_is_any_value_in_1_0_and_given_back_as_it_was_written() {
        for id in ["\"abc\"", "{\"k\": [1]}", "[ ]", "1.50", "true", "null", "-0"] {
            let request = request(&format!("{{\"id\": {id} , \"method\":\"a.B\"}}"));
            assert_eq!(request.id.expect("there is one").as_json(), id.as_bytes());
        }
        assert_eq!(request("{\"method\":\"a.B\"}").id, Some(Id::null()), "1.0 has no notifications");
    }

    #[test]
    fn rules_of_2_0_are_not_asked_of_1_0() {
        for (members, reason) in [
            ("\"method\":\"a.B\",\"id\":{}", "id"),
            ("\"method\":\"a.B\",\"params\":1", "params"),
            ("\"method\":\"a.B\",\"params\":null", "params"),
            ("\"id\":1", "method"),
        ] {
            let strict = parse(&format!("{{\"jsonrpc\":\"2.0\",{members}}}")).expect_err(members);
            assert!(strict.reason.contains(reason) && strict.version == Version::V2, "{strict}");
            assert_eq!(request(&format!("{{{members}}}")).version, Version::V1);
        }
        let odd = request("{\"jsonrpc\":\"1.1\",\"method\":\"\\u0061.B\",\"x\":{},\"method\":\"c.D\"}");
        assert_eq!((odd.version, odd.method.as_str()), (Version::V1, "c.D"));
    }

    #[test]
    fn what_a_transport_says_beside_a_call_survives_in_2_0_only() {
        for text in [
            r#"{"jsonrpc":"2.0","method":"a.B","id":1,"motet":{"timeout_ms":5}}"#,
            r#"{"jsonrpc":"2.0","result":1,"id":1,"motet":{"trailers":{}}}"#,
        ] {
            let mut out = BytesMut::new();
            match parse(text).expect(text) {
                Message::Request(request) => request.write(&mut out),
                Message::Response(response) => response.write(&mut out),
            }
            assert_eq!(out.trim_ascii(), text.as_bytes());
        }
        assert_eq!(request(r#"{"method":"a.B","id":1,"motet":{}}"#).extension, None);
    }

    #[test]
    fn a_notification_has_no_id() {
        assert_eq!(request("{\"jsonrpc\":\"2.0\",\"method\":\"a.B\"}").id, None);
        assert_eq!(request("{\"jsonrpc\":\"2.0\",\"method\":\"a.B\",\"id\":null}").id, Some(Id::null()));
    }

    #[test]
    fn what_is_no_message_is_refused_without_being_quoted() {
        for text in ["", "[]", "1", "{\"method\":7}", "{\"method\":\"secret", "{} x", "{\"a\":tru}"] {
            let error = parse(text).expect_err(text);
            assert!(!error.to_string().contains("secret"));
        }
    }
}

//! Bodies: a message as it is, or in an envelope.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use motet_core::{Codec, Codecs, Payload, Result, Status};
use prost::Message as _;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What is around a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Envelope {
    /// Nothing.
    #[default]
    Plain,
    /// An object of JSON-RPC 1.0, `application/json-rpc`.
    JsonRpc,
    /// Two frames behind their lengths, an envelope and the message: `application/proto-rpc`.
    ProtoRpc,
}

/// How bodies are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// What is around a message.
    pub envelope: Envelope,
    /// The message's codec.
    pub codec: Codec,
}

/// What an envelope says beside its message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// The method, empty if it is not said.
    pub method: String,
    /// The number of the call, empty if it is not said.
    pub id: String,
    /// What went wrong, empty if nothing.
    pub error: String,
}

#[derive(Deserialize, Serialize)]
struct JsonRequest<'a> {
    #[serde(borrow)]
    params: Option<[Option<&'a RawValue>; 1]>,
    #[serde(default, borrow)]
    id: Option<&'a RawValue>,
    #[serde(default)]
    method: String,
}

#[derive(Deserialize, Serialize)]
struct JsonResponse<'a> {
    #[serde(default, borrow)]
    id: Option<&'a RawValue>,
    #[serde(default, borrow)]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ProtoEnvelope {
    #[prost(string, tag = "1")]
    service_method: String,
    #[prost(fixed64, tag = "2")]
    seq: u64,
    /// In responses.
    #[prost(string, tag = "3")]
    error: String,
}

impl Form {
    /// The form of a content type; protobuf where there is none. `legacy` is whether the peer is of a
    /// version that had envelopes under the names of what is in them.
    ///
    /// # Errors
    /// Unimplemented, naming the content types that are accepted.
    pub fn of(content_type: Option<&str>, legacy: bool, codecs: &Codecs) -> Result<Form> {
        let content_type = content_type.unwrap_or("application/protobuf");
        let name = content_type.split(';').next().unwrap_or_default().trim();
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        let (json, proto) = (is("application/json"), is("application/protobuf") || is("application/octet-stream"));
        Ok(match () {
            () if is("application/json-rpc") || legacy && json => Form::new(Envelope::JsonRpc, Codec::JSON),
            () if is("application/proto-rpc") || legacy && proto => Form::new(Envelope::ProtoRpc, Codec::PROTOBUF),
            () => Form::new(Envelope::Plain, codecs.find(name)?),
        })
    }

    /// A form.
    pub fn new(envelope: Envelope, codec: Codec) -> Form {
        Form { envelope, codec }
    }

    /// Its content type.
    pub fn content_type(&self) -> &str {
        match self.envelope {
            Envelope::Plain => self.codec.content_type(),
            Envelope::JsonRpc => "application/json-rpc",
            Envelope::ProtoRpc => "application/proto-rpc",
        }
    }

    /// What a request's body says, and the message in it. An empty body is the message without values.
    ///
    /// # Errors
    /// InvalidArgument for an envelope that is none.
    pub fn open_request(&self, body: &Bytes) -> Result<(Said, Bytes)> {
        let (said, message) = match self.envelope {
            Envelope::Plain => (Said::default(), body.clone()),
            _ if body.is_empty() => (Said::default(), Bytes::new()),
            Envelope::ProtoRpc => proto(body)?,
            Envelope::JsonRpc => {
                let request: JsonRequest<'_> =
                    serde_json::from_slice(body).map_err(|_| no_envelope("JSON-RPC request"))?;
                let message = request.params.and_then(|[first]| first).map(|raw| body.slice_ref(raw.get().as_bytes()));
                let id = request.id.map(text).unwrap_or_default();
                (Said { method: request.method, id, error: String::new() }, message.unwrap_or_default())
            }
        };
        Ok((said, self.or_empty(message)))
    }

    /// What a response's body says, and the message in it.
    ///
    /// # Errors
    /// Internal for an envelope that is none.
    pub fn open_response(&self, body: &Bytes) -> Result<(Said, Bytes)> {
        let ours = |_| Status::internal("the reply's envelope cannot be read");
        let (said, message) = match self.envelope {
            Envelope::Plain => (Said::default(), body.clone()),
            _ if body.is_empty() => (Said::default(), Bytes::new()),
            Envelope::ProtoRpc => proto(body).map_err(ours)?,
            Envelope::JsonRpc => {
                let response: JsonResponse<'_> =
                    serde_json::from_slice(body).map_err(|_| no_envelope("JSON-RPC response")).map_err(ours)?;
                let message = response.result.map(|raw| body.slice_ref(raw.get().as_bytes())).unwrap_or_default();
                let id = response.id.map(text).unwrap_or_default();
                (Said { method: String::new(), id, error: response.error.unwrap_or_default() }, message)
            }
        };
        Ok((said, self.or_empty(message)))
    }

    fn or_empty(&self, message: Bytes) -> Bytes {
        match self.codec == Codec::JSON && message.is_empty() {
            true => Bytes::from_static(b"{}"),
            false => message,
        }
    }

    /// Appends the body of a request.
    ///
    /// # Errors
    /// What keeps the message from being written.
    pub fn put_request(&self, said: &Said, message: Option<&Payload>, out: &mut BytesMut) -> Result<()> {
        match self.envelope {
            Envelope::Plain => self.put(message, out),
            Envelope::ProtoRpc => {
                put_frame(&envelope(said), out);
                self.put_framed(message, out)
            }
            Envelope::JsonRpc => {
                out.put_slice(b"{\"params\":[");
                self.put_json(message, out)?;
                out.put_slice(b"],\"id\":");
                put_text(&said.id, out);
                out.put_slice(b",\"method\":");
                put_text(&said.method, out);
                out.put_slice(b"}\n");
                Ok(())
            }
        }
    }

    /// Appends the body of a response.
    ///
    /// # Errors
    /// As [`Form::put_request`].
    pub fn put_response(&self, said: &Said, message: Option<&Payload>, out: &mut BytesMut) -> Result<()> {
        match self.envelope {
            Envelope::Plain if message.is_none() => Ok(()),
            Envelope::Plain => self.put(message, out),
            Envelope::ProtoRpc => {
                put_frame(&envelope(said), out);
                self.put_framed(message, out)
            }
            Envelope::JsonRpc => {
                out.put_slice(b"{\"id\":");
                put_text(&said.id, out);
                out.put_slice(b",\"result\":");
                match message {
                    Some(_) => self.put_json(message, out)?,
                    None => out.put_slice(b"null"),
                }
                out.put_slice(b",\"error\":");
                match said.error.is_empty() {
                    true => out.put_slice(b"null"),
                    false => put_text(&said.error, out),
                }
                out.put_slice(b"}\n");
                Ok(())
            }
        }
    }

    /// A message as it is; of none what stands for no values. Behind JSON go-micro writes a line end.
    fn put(&self, message: Option<&Payload>, out: &mut BytesMut) -> Result<()> {
        let json = match message {
            Some(message) => {
                message.encode_into(out)?;
                *message.codec() == Codec::JSON
            }
            None if self.codec == Codec::JSON => {
                out.put_slice(b"{}");
                true
            }
            None => false,
        };
        if json {
            out.put_u8(b'\n');
        }
        Ok(())
    }

    fn put_json(&self, message: Option<&Payload>, out: &mut BytesMut) -> Result<()> {
        let before = out.len();
        if let Some(message) = message {
            message.encode_into(out)?;
        }
        if out.len() == before {
            out.put_slice(b"{}");
        }
        Ok(())
    }

    fn put_framed(&self, message: Option<&Payload>, out: &mut BytesMut) -> Result<()> {
        let at = out.len();
        out.put_u32(0);
        if let Some(message) = message {
            message.encode_into(out)?;
        }
        let length =
            u32::try_from(out.len() - at - 4).map_err(|_| Status::resource_exhausted("the message is too long"))?;
        out[at..at + 4].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }
}

fn no_envelope(what: &str) -> Status {
    Status::invalid_argument(format!("the body is no {what} of one parameter"))
}

/// A value as go-micro writes ids: text as it is, others as they stand.
fn text(raw: &RawValue) -> String {
    serde_json::from_str(raw.get()).unwrap_or_else(|_| raw.get().to_owned())
}

fn put_text(text: &str, out: &mut BytesMut) {
    // Text can always be written as JSON, into memory.
    let _ = serde_json::to_writer(out.writer(), text);
}

fn envelope(said: &Said) -> ProtoEnvelope {
    let seq = said.id.parse().unwrap_or_default();
    ProtoEnvelope { service_method: said.method.clone(), seq, error: said.error.clone() }
}

fn put_frame(envelope: &ProtoEnvelope, out: &mut BytesMut) {
    // Names and errors are short.
    out.put_u32(u32::try_from(envelope.encoded_len()).unwrap_or_default());
    out.put_slice(&envelope.encode_to_vec());
}

/// The two frames of `application/proto-rpc`.
fn proto(body: &Bytes) -> Result<(Said, Bytes)> {
    let mut rest = body.clone();
    let envelope = frame(&mut rest)?;
    // A message without values may be left out.
    let message = if rest.is_empty() { Bytes::new() } else { frame(&mut rest)? };
    if !rest.is_empty() {
        return Err(Status::invalid_argument("there is something behind the message"));
    }
    let envelope = ProtoEnvelope::decode(envelope).map_err(|_| no_envelope("proto-rpc message"))?;
    let said = Said { method: envelope.service_method, id: envelope.seq.to_string(), error: envelope.error };
    Ok((said, message))
}

fn frame(rest: &mut Bytes) -> Result<Bytes> {
    let short = || Status::invalid_argument("a length in the body reaches beyond it");
    let length = usize::try_from(rest.try_get_u32().map_err(|_| short())?).unwrap_or(usize::MAX);
    match length <= rest.len() {
        true => Ok(rest.split_to(length)),
        false => Err(short()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(content_type: &str, legacy: bool) -> Result<Form> {
        Form::of(Some(content_type), legacy, &Codecs::default())
    }

    fn payload(form: &Form, bytes: &'static [u8]) -> Payload {
        Payload::encoded(bytes, form.codec.clone())
    }

    #[test]
    fn content_types_and_what_they_meant_in_old_versions() {
        for (name, legacy, envelope, codec) in [
            ("application/json", false, Envelope::Plain, Codec::JSON),
            ("application/json", true, Envelope::JsonRpc, Codec::JSON),
            ("application/json-rpc", false, Envelope::JsonRpc, Codec::JSON),
            ("application/protobuf", false, Envelope::Plain, Codec::PROTOBUF),
            ("application/protobuf", true, Envelope::ProtoRpc, Codec::PROTOBUF),
            ("application/proto-rpc", true, Envelope::ProtoRpc, Codec::PROTOBUF),
            ("application/octet-stream", false, Envelope::Plain, Codec::RAW),
            ("application/octet-stream", true, Envelope::ProtoRpc, Codec::PROTOBUF),
            ("Application/JSON; charset=utf-8", false, Envelope::Plain, Codec::JSON),
        ] {
            assert_eq!(form(name, legacy), Ok(Form { envelope, codec }), "{name} {legacy}");
        }
        assert_eq!(Form::of(None, false, &Codecs::default()).map(|form| form.codec), Ok(Codec::PROTOBUF));
        assert!(form("text/xml", false).expect_err("unknown").message().contains("application/json"));
    }

    #[test]
    fn golden_json_rpc_is_read_and_written() {
        let form = form("application/json-rpc", false).expect("known");
        let said = Said { method: "Greeter.Hello".to_owned(), id: "7".to_owned(), error: String::new() };
        let golden = b"{\"params\":[{\"name\":\"John\"}],\"id\":\"7\",\"method\":\"Greeter.Hello\"}\n";
        let message = payload(&form, b"{\"name\":\"John\"}");
        let mut out = BytesMut::new();
        form.put_request(&said, Some(&message), &mut out).expect("written");
        assert_eq!(&out[..], golden);
        let read = form.open_request(&Bytes::from_static(golden)).expect("read");
        assert_eq!(read, (said, Bytes::from_static(b"{\"name\":\"John\"}")));

        let golden = b"{\"id\":\"7\",\"result\":{\"name\":\"John\"},\"error\":null}\n";
        let said = Said { id: "7".to_owned(), ..Said::default() };
        let mut out = BytesMut::new();
        form.put_response(&said, Some(&message), &mut out).expect("written");
        assert_eq!(&out[..], golden);
        assert_eq!(form.open_response(&out.freeze()), Ok((said, Bytes::from_static(b"{\"name\":\"John\"}"))));

        let said = Said { error: "no".to_owned(), id: "7".to_owned(), ..Said::default() };
        let mut out = BytesMut::new();
        form.put_response(&said, None, &mut out).expect("written");
        assert_eq!(&out[..], b"{\"id\":\"7\",\"result\":null,\"error\":\"no\"}\n");
        assert_eq!(form.open_response(&out.freeze()).map(|(said, _)| said.error), Ok("no".to_owned()));
    }

    /// Request{service_method: "Greeter.Hello", seq: 7} and HelloRequest{name: "John"}, as Go marshals them.
    #[test]
    fn golden_proto_rpc_is_read_and_written() {
        let form = form("application/proto-rpc", false).expect("known");
        let said = Said { method: "Greeter.Hello".to_owned(), id: "7".to_owned(), error: String::new() };
        let golden = b"\0\0\0\x18\x0a\x0dGreeter.Hello\x11\x07\0\0\0\0\0\0\0\0\0\0\x06\x0a\x04John";
        let mut out = BytesMut::new();
        form.put_request(&said, Some(&payload(&form, b"\x0a\x04John")), &mut out).expect("written");
        assert_eq!(&out[..], golden);
        let read = form.open_request(&Bytes::from_static(golden)).expect("read");
        assert_eq!(read, (said, Bytes::from_static(b"\x0a\x04John")));
        let left_out = form.open_request(&Bytes::from_static(&golden[..28])).expect("read");
        assert!(left_out.1.is_empty());
    }

    #[test]
    fn an_empty_body_is_the_message_without_values() {
        for (name, expected) in
            [("application/json", &b"{}"[..]), ("application/json-rpc", b"{}"), ("application/protobuf", b"")]
        {
            let form = form(name, false).expect("known");
            assert_eq!(form.open_request(&Bytes::new()), Ok((Said::default(), Bytes::from_static(expected))), "{name}");
        }
        let form = form("application/json-rpc", false).expect("known");
        for body in [&b"{\"method\":\"A.B\"}"[..], b"{\"params\":null,\"id\":null}", b"{\"params\":[null]}"] {
            assert_eq!(
                form.open_request(&Bytes::from_static(body)).map(|(_, body)| body),
                Ok(Bytes::from_static(b"{}"))
            );
        }
    }

    #[test]
    fn envelopes_that_lie_are_refused() {
        let proto = form("application/proto-rpc", false).expect("known");
        for body in [
            &b"\0\0\0"[..],
            b"\xff\xff\xff\xff",
            b"\0\0\0\x01",
            b"\0\0\0\0\0\0\0\x02x",
            b"\0\0\0\0\0\0\0\0x",
            b"\0\0\0\x01\xff",
        ] {
            assert!(proto.open_request(&Bytes::copy_from_slice(body)).is_err(), "{body:?}");
        }
        let json = form("application/json-rpc", false).expect("known");
        for body in [&b"["[..], b"{\"params\":[1,2]}", b"{\"params\":{}}", b"{\"method\":7}"] {
            assert!(json.open_request(&Bytes::copy_from_slice(body)).is_err(), "{body:?}");
        }
    }
}

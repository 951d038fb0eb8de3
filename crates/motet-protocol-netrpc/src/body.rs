//! Bodies, which are objects, and what net/rpc has in their place: one value of any type.

use bytes::Bytes;
use motet_core::{BodyShape, Codec, Executed, Map, MethodDescriptor, Payload, Result, Status};
use serde_json::Value;

use crate::gob::{self, GobCodec, One, go_name, same_name};

/// The body of the value that a call brings.
pub(crate) fn request_body(method: &MethodDescriptor, one: One, codec: &Codec) -> Result<Payload, gob::Error> {
    let names = &method.arguments;
    let one = match method.request_shape {
        BodyShape::Empty => return Ok(Payload::encoded(Bytes::new(), codec.clone())),
        BodyShape::Arguments => {
            let first = names.first().map_or("value", |argument| argument.name.as_str());
            let named = one.fields().iter().any(|(name, _)| same_name(name, first));
            let whole = one.is_struct() && (names.len() > 1 || named);
            if whole { one } else { one.wrapped(&go_name(first))? }
        }
        _ if one.is_struct() => one,
        _ => one.wrapped(&go_name(lone_property(&method.request)))?,
    };
    Ok(Payload::encoded(one.to_bytes()?, codec.clone()))
}

/// The codecs of the methods of a connection: each knows its schema.
#[derive(Default)]
pub(crate) struct Schemas(Map<String, Codec>);

/// How many are kept; those beyond are made for each call.
const MAX_SCHEMAS: usize = 1024;

impl Schemas {
    fn codec(&mut self, method: &MethodDescriptor, schema: &Value) -> Codec {
        if let Some(codec) = self.0.get(&method.path) {
            return codec.clone();
        }
        let codec = GobCodec::with_schema(schema.clone());
        if self.0.len() < MAX_SCHEMAS {
            self.0.insert(method.path.clone(), codec.clone());
        }
        codec
    }
}

/// The value that a call brings.
pub(crate) fn request_value(schemas: &mut Schemas, method: &MethodDescriptor, body: &Payload) -> Result<One> {
    let bare = match method.request_shape {
        BodyShape::Empty => return Ok(One::empty()),
        BodyShape::Arguments => method.arguments.len() == 1,
        shape => shape == BodyShape::Value,
    };
    value(schemas, method, body, &method.request).map(|one| if bare { one.bare() } else { one })
}

/// The value that a reply brings: scalars and collections are bare.
pub(crate) fn reply_value(schemas: &mut Schemas, method: &MethodDescriptor, body: &Payload) -> Result<One> {
    let one = value(schemas, method, body, &method.reply)?;
    Ok(if method.reply_shape == BodyShape::Value { one.bare() } else { one })
}

/// The body of the value that a reply brings. Who asked in JSON, not knowing the types, is answered so.
pub(crate) fn reply_body(method: &MethodDescriptor, request: &Payload, reply: &Payload) -> Result<Payload> {
    let malformed = |error| Status::internal(format!("the peer's reply is no valid gob: {error}"));
    if is_json_text(request) {
        let one = One::parse(&reply.bytes()?).map_err(malformed)?;
        let value: Value = gob::read(&one.types, one.id, &one.value).map_err(malformed)?;
        let text = serde_json::to_vec(&value).map_err(|_| Status::internal("the peer's reply is no JSON"))?;
        return Ok(Payload::encoded(text, Codec::JSON));
    }
    let body = match method.reply_shape {
        BodyShape::Empty => Ok(Bytes::new()),
        BodyShape::Value => One::parse(&reply.bytes()?).and_then(|one| one.wrapped("Value")?.to_bytes()),
        _ => {
            let bytes = reply.bytes()?;
            let one = One::parse(&bytes).map_err(malformed)?;
            if one.is_struct() {
                Ok(bytes)
            } else {
                one.wrapped(&go_name(lone_property(&method.reply))).and_then(|one| one.to_bytes())
            }
        }
    };
    Ok(Payload::encoded(body.map_err(malformed)?, reply.codec().clone()))
}

/// A body in gob, with the types that its schema knows.
fn value(schemas: &mut Schemas, method: &MethodDescriptor, body: &Payload, schema: &Value) -> Result<One> {
    if is_json_text(body) {
        let value: Value = serde_json::from_slice(&body.bytes()?)
            .map_err(|_| Status::invalid_argument("the request is no JSON").with_executed(Executed::No))?;
        return gob::write(&value, schema).map_err(|error| Status::invalid_argument(format!("gob: {error}")));
    }
    let body = body.clone().with_codec(schemas.codec(method, schema));
    if body.codec().content_type() != GobCodec::CONTENT_TYPE {
        let text = format!("net/rpc carries gob, not {}", body.codec().content_type());
        return Err(Status::unimplemented(text));
    }
    let bytes = body.bytes()?;
    if bytes.is_empty() {
        return Ok(One::empty());
    }
    One::parse(&bytes).map_err(|error| Status::internal(format!("the body is no valid gob: {error}")))
}

/// Whether it is JSON already: calls by name are.
fn is_json_text(body: &Payload) -> bool {
    *body.clone().with_codec(Codec::RAW).codec() == Codec::JSON
}

/// The name under which a bare value stands in the object: that of its only field, else `value`.
fn lone_property(schema: &Value) -> &str {
    let properties = schema.get("properties").and_then(Value::as_object);
    let lone = properties.filter(|properties| properties.len() == 1).and_then(|properties| properties.keys().next());
    lone.map_or("value", String::as_str)
}

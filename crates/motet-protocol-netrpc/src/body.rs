//! Bodies, which are objects, and what net/rpc has in their place: one value of any type.

use std::sync::Arc;

use bytes::Bytes;
use motet_core::{BodyShape, Codec, Executed, Map, MethodDescriptor, Payload, Result, Status};
use serde_json::Value;

use crate::gob::{self, GobCodec, One, Plans, go_name, same_name};

/// The body of the value that a call brings.
pub(crate) fn request_body(method: &MethodDescriptor, one: One) -> Result<Payload, gob::Error> {
    let names = &method.arguments;
    let one = match method.request_shape {
        BodyShape::Empty => return Ok(Payload::encoded(Bytes::new(), GobCodec::codec())),
        BodyShape::Arguments => {
            let first = names.first().map_or("value", |argument| argument.name.as_str());
            let whole = one.table.is_struct()
                && (names.len() > 1 || one.table.fields().iter().any(|(name, _)| same_name(name, first)));
            if whole { one } else { one.wrapped(&go_name(first))? }
        }
        _ if one.table.is_struct() => one,
        _ => one.wrapped(&go_name(lone_property(&method.request)))?,
    };
    Ok(payload(&one))
}

fn payload(one: &One) -> Payload {
    Payload::encoded(one.to_bytes(), GobCodec::reading(one.table.clone()))
}

/// What is known of the methods of a connection.
pub(crate) struct Schemas {
    all: Map<String, Arc<Known>>,
    empty: One,
}

/// A method.
pub(crate) struct Known {
    /// Its name as Go has it.
    pub(crate) name: String,
    plans: Arc<Plans>,
    codec: Codec,
}

/// How many are kept; those beyond are made for each call.
const MAX_SCHEMAS: usize = 1024;

impl Default for Schemas {
    fn default() -> Schemas {
        Schemas { all: Map::default(), empty: One::empty() }
    }
}

impl Schemas {
    fn known(&mut self, method: &MethodDescriptor, schema: &Value) -> Arc<Known> {
        if let Some(known) = self.all.get(&method.path) {
            return known.clone();
        }
        let plans = Arc::new(Plans::new(schema.clone()));
        let codec = GobCodec::with_plans(plans.clone());
        let known = Arc::new(Known { name: method.dotted(), plans, codec });
        if self.all.len() < MAX_SCHEMAS {
            self.all.insert(method.path.clone(), known.clone());
        }
        known
    }

    /// The empty struct.
    pub(crate) fn empty(&self) -> One {
        self.empty.clone()
    }
}

/// The method, and the value that a call brings.
pub(crate) fn request_value(
    schemas: &mut Schemas,
    method: &MethodDescriptor,
    body: &Payload,
) -> Result<(Arc<Known>, One)> {
    let known = schemas.known(method, &method.request);
    let bare = match method.request_shape {
        BodyShape::Empty => return Ok((known, schemas.empty())),
        BodyShape::Arguments => method.arguments.len() == 1,
        shape => shape == BodyShape::Value,
    };
    let one = value(schemas, &known, body, &method.request)?;
    Ok((known, if bare { one.bare() } else { one }))
}

/// The value that a reply brings: scalars and collections are bare.
pub(crate) fn reply_value(schemas: &mut Schemas, method: &MethodDescriptor, body: &Payload) -> Result<One> {
    let known = schemas.known(method, &method.reply);
    let one = value(schemas, &known, body, &method.reply)?;
    Ok(if method.reply_shape == BodyShape::Value { one.bare() } else { one })
}

/// The body of the value that a reply brings. Who asked in JSON, not knowing the types, is answered so.
pub(crate) fn reply_body(method: &MethodDescriptor, request: &Payload, one: One) -> Result<Payload> {
    let malformed = |error| Status::internal(format!("the peer's reply is no valid gob: {error}"));
    if is_json_text(request) {
        let value: Value = gob::read(&one.table.types, one.table.id, &one.value).map_err(malformed)?;
        let text = serde_json::to_vec(&value).map_err(|_| Status::internal("the peer's reply is no JSON"))?;
        return Ok(Payload::encoded(text, Codec::JSON));
    }
    let one = match method.reply_shape {
        BodyShape::Empty => return Ok(Payload::encoded(Bytes::new(), GobCodec::codec())),
        BodyShape::Value => one.wrapped("Value").map_err(malformed)?,
        _ if one.table.is_struct() => one,
        _ => one.wrapped(&go_name(lone_property(&method.reply))).map_err(malformed)?,
    };
    Ok(payload(&one))
}

/// A body in gob, with the types that its schema knows.
fn value(schemas: &Schemas, known: &Known, body: &Payload, schema: &Value) -> Result<One> {
    if is_json_text(body) {
        let value: Value = serde_json::from_slice(&body.bytes()?)
            .map_err(|_| Status::invalid_argument("the request is no JSON").with_executed(Executed::No))?;
        return gob::write(&value, schema).map_err(|error| Status::invalid_argument(format!("gob: {error}")));
    }
    let body = body.clone().with_codec(known.codec.clone());
    if body.codec().content_type() != GobCodec::CONTENT_TYPE {
        let text = format!("net/rpc carries gob, not {}", body.codec().content_type());
        return Err(Status::unimplemented(text));
    }
    let bytes = body.bytes()?;
    if bytes.is_empty() {
        return Ok(schemas.empty());
    }
    known.plans.read(&bytes).map_err(|error| Status::internal(format!("the body is no valid gob: {error}")))
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

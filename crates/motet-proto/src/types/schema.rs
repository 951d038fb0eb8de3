//! JSON schemas of protobuf messages, as protobuf maps them to JSON.

use prost_reflect::{Cardinality, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

/// The most types that a schema names: files come from other processes.
const MOST: usize = 1000;

/// The schema of a message, and in `$defs` those of the messages in it.
pub(super) fn of(message: &MessageDescriptor) -> Value {
    let mut found = Found::default();
    let mut schema = match well_known(message.full_name()) {
        // A body is an object, whatever is in it.
        Some(own) if own["type"] == "object" => own,
        Some(_) => json!({ "type": "object" }),
        None => found.object(message),
    };
    // Those that are found while others are written.
    let mut defs = Map::new();
    while let Some(next) = found.waiting.pop() {
        let object = found.object(&next);
        defs.insert(next.full_name().to_owned(), object);
    }
    if !defs.is_empty() {
        schema["$defs"] = defs.into();
    }
    schema
}

#[derive(Default)]
struct Found {
    known: Vec<String>,
    waiting: Vec<MessageDescriptor>,
}

impl Found {
    fn object(&mut self, message: &MessageDescriptor) -> Value {
        let properties = message.fields().map(|field| (field.json_name().to_owned(), self.field(&field)));
        let properties: Map<_, _> = properties.collect();
        let required: Vec<_> = message
            .fields()
            .filter(|field| field.cardinality() == Cardinality::Required)
            .map(|field| field.json_name().to_owned())
            .collect();
        let mut object = json!({ "type": "object", "title": message.name(), "properties": properties });
        if !required.is_empty() {
            object["required"] = required.into();
        }
        object
    }

    fn field(&mut self, field: &FieldDescriptor) -> Value {
        match field.kind() {
            Kind::Message(entry) if field.is_map() => {
                json!({ "type": "object", "additionalProperties": self.kind(entry.map_entry_value_field().kind()) })
            }
            kind if field.is_list() => json!({ "type": "array", "items": self.kind(kind) }),
            kind => self.kind(kind),
        }
    }

    fn kind(&mut self, kind: Kind) -> Value {
        let integer = |format: &str| json!({ "type": "integer", "format": format });
        match kind {
            Kind::Double => json!({ "type": "number", "format": "double" }),
            Kind::Float => json!({ "type": "number", "format": "float" }),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => integer("int32"),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => integer("int64"),
            Kind::Uint32 | Kind::Fixed32 => integer("uint32"),
            Kind::Uint64 | Kind::Fixed64 => integer("uint64"),
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::String => json!({ "type": "string" }),
            Kind::Bytes => json!({ "type": "string", "format": "byte" }),
            Kind::Enum(named) if named.full_name() == "google.protobuf.NullValue" => json!({ "type": "null" }),
            Kind::Enum(named) => {
                json!({ "type": "string", "enum": named.values().map(|value| value.name().to_owned()).collect::<Vec<_>>() })
            }
            Kind::Message(message) => well_known(message.full_name()).unwrap_or_else(|| self.reference(message)),
        }
    }

    fn reference(&mut self, message: MessageDescriptor) -> Value {
        let name = message.full_name().to_owned();
        if !self.known.contains(&name) {
            if self.known.len() >= MOST {
                return json!({ "type": "object" });
            }
            self.known.push(name.clone());
            self.waiting.push(message);
        }
        json!({ "$ref": format!("#/$defs/{name}") })
    }
}

/// What protobuf's own messages are in JSON.
fn well_known(name: &str) -> Option<Value> {
    Some(match name.strip_prefix("google.protobuf.")? {
        "Timestamp" => json!({ "type": "string", "format": "date-time" }),
        "Duration" => json!({ "type": "string", "format": "duration" }),
        "FieldMask" | "StringValue" => json!({ "type": "string" }),
        "BytesValue" => json!({ "type": "string", "format": "byte" }),
        "BoolValue" => json!({ "type": "boolean" }),
        "DoubleValue" | "FloatValue" => json!({ "type": "number" }),
        "Int32Value" | "Int64Value" | "UInt32Value" | "UInt64Value" => json!({ "type": "integer" }),
        "ListValue" => json!({ "type": "array", "items": {} }),
        "Value" => json!({}),
        "Struct" | "Empty" | "Any" => json!({ "type": "object" }),
        _ => return None,
    })
}

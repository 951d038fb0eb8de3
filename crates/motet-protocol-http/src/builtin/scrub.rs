//! Takes the values of sensitive fields out of a descriptor: its schemas may hold defaults and
//! examples.

use std::sync::Arc;

use motet_core::{MethodDescriptor, ServiceDescriptor};
use serde_json::Value;

/// The keywords of a schema that hold values.
const VALUES: [&str; 5] = ["default", "examples", "example", "const", "enum"];

/// The descriptor without values of sensitive fields: its schemas may hold defaults and examples.
pub fn scrubbed(service: &ServiceDescriptor) -> ServiceDescriptor {
    let mut service = service.clone();
    for method in &mut service.methods {
        let mut own = MethodDescriptor::clone(method);
        for schema in [&mut own.request, &mut own.reply] {
            if mentions_sensitive(schema) {
                scrub(schema, false);
            }
        }
        for argument in own.arguments.iter().filter(|argument| argument.sensitive) {
            if let Some(schema) = own.request.pointer_mut("/properties").and_then(|all| all.get_mut(&argument.name)) {
                scrub(schema, true);
            }
        }
        *method = Arc::new(own);
    }
    service
}

fn is_sensitive(schema: &Value) -> bool {
    schema.get("x-sensitive").is_some_and(|is| *is == Value::Bool(true))
}

fn mentions_sensitive(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => is_sensitive(schema) || fields.values().any(mentions_sensitive),
        Value::Array(all) => all.iter().any(mentions_sensitive),
        _ => false,
    }
}

/// Takes values out: all of them in a sensitive part; elsewhere those that have parts, one of which
/// may be the value of a sensitive field.
fn scrub(schema: &mut Value, inside: bool) {
    match schema {
        Value::Object(fields) => {
            let inside = inside || fields.get("x-sensitive").is_some_and(|is| *is == Value::Bool(true));
            let composed = |value: &Value| value.is_object() || value.is_array();
            fields.retain(|key, value| match VALUES.contains(&key.as_str()) {
                true if inside => false,
                // `enum` is a list of values; a list of plain ones has no parts.
                true => !(composed(value) && value.as_array().is_none_or(|all| all.iter().any(composed))),
                false => true,
            });
            for (key, value) in fields.iter_mut() {
                // A field may be called `default`: what is below `properties` are schemas.
                match (key.as_str(), value) {
                    ("properties" | "$defs" | "patternProperties", Value::Object(named)) => {
                        named.values_mut().for_each(|schema| scrub(schema, inside));
                    }
                    (_, value) => scrub(value, inside),
                }
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|schema| scrub(schema, inside)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use motet_core::BodyShape;
    use serde_json::json;

    use super::*;

    #[test]
    fn values_of_sensitive_fields_are_taken_out_wherever_they_stand() {
        let schema = json!({
            "type": "object",
            "default": {"password": "MARKER"},
            "examples": [{"password": "MARKER"}],
            "properties": {
                "default": {"type": "string", "default": "kept"},
                "colour": {"enum": ["red", "green"]},
                "password": {"x-sensitive": true, "default": "MARKER", "examples": ["MARKER"], "const": "MARKER"},
                "deep": {"$ref": "#/$defs/Deep", "default": {"key": "MARKER"}},
            },
            "$defs": {"Deep": {"properties": {"key": {"x-sensitive": true, "anyOf": [{"enum": ["MARKER"]}]}}}},
        });
        let mut descriptor = ServiceDescriptor::new("s", "1.0.0");
        let method = MethodDescriptor::new("s", "m").request(BodyShape::Message, schema.clone());
        descriptor.methods.push(Arc::new(method));
        let clean = serde_json::to_string(&scrubbed(&descriptor)).expect("plain data");
        assert!(!clean.contains("MARKER"), "{clean}");
        assert!(
            clean.contains("kept") && clean.contains("green") && clean.contains("\"default\":{\"default\""),
            "{clean}"
        );
    }

    #[test]
    fn a_sensitive_argument_has_no_values_either() {
        let mut descriptor = ServiceDescriptor::new("s", "1.0.0");
        let schema = json!({"properties": {"pin": {"type": "string", "default": "MARKER"}}});
        let argument = motet_core::ArgumentDescriptor::new("pin").sensitive();
        let method = MethodDescriptor::new("s", "m").arguments([argument]).request(BodyShape::Arguments, schema);
        descriptor.methods.push(Arc::new(method));
        assert!(!serde_json::to_string(&scrubbed(&descriptor)).expect("plain data").contains("MARKER"));
    }
}

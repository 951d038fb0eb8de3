//! JSON that fits a schema, for a reader to start from.

use std::cell::Cell;

use motet::{Kind, MethodDescriptor, ServiceDescriptor};
use serde_json::{Map, Value, json};

/// The deepest that an example goes, and the most values that it has: schemas may refer to
/// themselves, and come from others.
const DEPTH: usize = 8;
const VALUES: usize = 200;

/// The method of a service that is best tried first: a plain one that is not deprecated.
pub(crate) fn first(service: &ServiceDescriptor) -> Option<&MethodDescriptor> {
    let methods = || service.methods.iter().map(AsRef::as_ref).filter(|method| !method.options.deprecated);
    methods().find(|method| method.kind == Kind::Unary).or_else(|| methods().next())
}

/// A request that fits the method.
pub(crate) fn request(method: &MethodDescriptor) -> Value {
    Example::of_schema(&method.request)
}

/// The schema that references are looked up in.
struct Example<'a> {
    root: &'a Value,
    left: Cell<usize>,
}

impl Example<'_> {
    fn of_schema(schema: &Value) -> Value {
        Example { root: schema, left: Cell::new(VALUES) }.of(schema, "", 0)
    }

    /// A value of the field `name`.
    fn of(&self, schema: &Value, name: &str, depth: usize) -> Value {
        if depth > DEPTH || self.left.get() == 0 {
            return Value::Null;
        }
        self.left.update(|left| left - 1);
        let given = ["const", "default"].into_iter().find_map(|key| schema.get(key));
        let listed = || ["examples", "enum"].into_iter().find_map(|key| schema.get(key)?.get(0));
        if let Some(value) = given.filter(|value| !value.is_null()).or_else(listed) {
            return value.clone();
        }
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            let target = target.strip_prefix('#').and_then(|path| self.root.pointer(path));
            return target.map_or(Value::Null, |target| self.of(target, name, depth + 1));
        }
        for key in ["oneOf", "anyOf"] {
            let all = schema.get(key).and_then(Value::as_array);
            if let Some(one) = all.and_then(|all| all.iter().find(|one| one["type"] != "null")) {
                return self.of(one, name, depth + 1);
            }
        }
        let typed = &schema["type"];
        let typed = typed.as_array().map_or(typed, |all| all.iter().find(|one| *one != "null").unwrap_or(typed));
        match typed.as_str() {
            Some("string") => string(schema, name).into(),
            Some("integer") => integer(schema),
            Some("number") => number(schema),
            Some("boolean") => true.into(),
            Some("array") => self.array(schema, name, depth),
            Some("object") | None if schema.is_object() => self.object(schema, name, depth),
            _ => Value::Null,
        }
    }

    /// The fields that must be there.
    fn object(&self, schema: &Value, name: &str, depth: usize) -> Value {
        let mut fields = Map::new();
        let needed = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for field in needed {
            fields.insert(field.to_owned(), self.of(&schema["properties"][field], field, depth + 1));
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            if let Value::Object(more) = self.of(part, name, depth + 1) {
                fields.extend(more);
            }
        }
        Value::Object(fields)
    }

    fn array(&self, schema: &Value, name: &str, depth: usize) -> Value {
        if let Some(all) = schema["prefixItems"].as_array() {
            return all.iter().map(|one| self.of(one, name, depth + 1)).collect();
        }
        let length = schema["minItems"].as_u64().unwrap_or(1).clamp(1, 4);
        let one = self.of(&schema["items"], name.strip_suffix('s').unwrap_or(name), depth + 1);
        vec![one; length as usize].into()
    }
}

fn string(schema: &Value, name: &str) -> String {
    let text = match schema["format"].as_str() {
        Some("email") => "ada@example.org",
        Some("uri" | "url") => "https://example.org",
        Some("ip" | "ipv4") => "127.0.0.1",
        Some("ipv6") => "::1",
        Some("uuid") => "00000000-0000-4000-8000-000000000000",
        Some("date") => "2026-01-31",
        Some("date-time") => "2026-01-31T12:00:00Z",
        Some("byte" | "base64") => "aGVsbG8=",
        _ if name == "name" => "world",
        _ => "hello",
    };
    let least = schema["minLength"].as_u64().unwrap_or(0).min(256) as usize;
    let most = schema["maxLength"].as_u64().map_or(usize::MAX, |most| most as usize);
    text.chars().chain(std::iter::repeat_n('x', least.saturating_sub(text.len()))).take(most).collect()
}

/// Three, or the nearest that is allowed.
fn integer(schema: &Value) -> Value {
    let bound = |key: &str| schema[key].as_i64();
    let least = bound("minimum").max(bound("exclusiveMinimum").map(|n| n.saturating_add(1))).unwrap_or(i64::MIN);
    let most =
        bound("maximum").unwrap_or(i64::MAX).min(bound("exclusiveMaximum").map_or(i64::MAX, |n| n.saturating_sub(1)));
    3.max(least).min(most).into()
}

fn number(schema: &Value) -> Value {
    let least = schema["minimum"].as_f64().unwrap_or(f64::MIN);
    let most = schema["maximum"].as_f64().unwrap_or(f64::MAX);
    json!(1.5_f64.max(least).min(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(schema: Value) -> String {
        Example::of_schema(&schema).to_string()
    }

    #[test]
    fn an_example_fits_its_schema() {
        for (schema, expected) in [
            (json!({}), "{}"),
            (json!(true), "null"),
            (json!({"type": "object"}), "{}"),
            (
                json!({"type": "object", "required": ["name"],
                       "properties": {"name": {"type": "string", "minLength": 1}, "title": {"type": "string"}}}),
                r#"{"name":"world"}"#,
            ),
            (json!({"type": "string", "maxLength": 2}), r#""he""#),
            (json!({"type": "string", "minLength": 7}), r#""helloxx""#),
            (json!({"type": "string", "format": "email"}), r#""ada@example.org""#),
            (json!({"type": ["null", "integer"], "maximum": 2}), "2"),
            (json!({"type": "integer", "minimum": 10}), "10"),
            (json!({"type": "integer", "exclusiveMinimum": 7, "maximum": 20}), "8"),
            (json!({"type": "number", "maximum": 1.0}), "1.0"),
            (json!({"enum": ["red", "green"]}), r#""red""#),
            (json!({"const": 5}), "5"),
            (json!({"type": "array", "minItems": 2, "items": {"type": "boolean"}}), "[true,true]"),
            (json!({"anyOf": [{"type": "null"}, {"type": "boolean"}]}), "true"),
            (
                json!({"$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "required": ["n"],
                       "properties": {"n": {"type": "integer"}}}}}),
                r#"{"n":3}"#,
            ),
            (json!({"$ref": "#/$defs/none"}), "null"),
        ] {
            assert_eq!(of(schema.clone()), expected, "{schema}");
        }
    }

    #[test]
    fn a_schema_that_refers_to_itself_has_an_end() {
        let schema = json!({"type": "object", "required": ["a", "b"],
                            "properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}}});
        assert!(of(schema).len() < 10_000);
    }
}

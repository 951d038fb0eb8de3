//! The types of messages, read from JSON schemas.

use serde_json::Value;

/// The most named types that are shown, and the deepest that a type is written: schemas come from
/// elsewhere.
const MOST: usize = 200;
const DEEPEST: usize = 8;

/// The named types that the methods of a service use, in the order in which they are met.
#[derive(Default)]
pub(super) struct Types {
    found: Vec<Named>,
}

/// A type with a name.
pub(super) struct Named {
    pub(super) name: String,
    pub(super) docs: String,
    pub(super) body: Body,
    schema: Value,
}

/// What a named type is.
pub(super) enum Body {
    /// An object with fields.
    Fields(Vec<Field>),
    /// One of these: how it is written, and its documentation.
    Choice(Vec<(String, String)>),
    /// Another type.
    Same(String),
}

/// A field of an object.
pub(super) struct Field {
    pub(super) name: String,
    pub(super) ty: String,
    pub(super) rules: String,
    pub(super) docs: String,
}

impl Types {
    /// The types, in the order in which they were met.
    pub(super) fn all(&self) -> &[Named] {
        &self.found
    }

    /// The name of a body: that of its type, which is taken up.
    pub(super) fn body(&mut self, root: &Value) -> String {
        self.write(root, root, DEEPEST)
    }

    /// How the fields of an object are written as arguments: `name: string, to: u32`.
    pub(super) fn arguments(&mut self, root: &Value) -> Vec<Field> {
        self.fields(root, root, DEEPEST)
    }

    /// How the field `value` of a reply is written.
    pub(super) fn value(&mut self, root: &Value) -> String {
        match root.pointer("/properties/value") {
            Some(value) => self.write(value, root, DEEPEST),
            None => self.body(root),
        }
    }

    fn write(&mut self, schema: &Value, root: &Value, left: usize) -> String {
        let Some(left) = left.checked_sub(1) else { return "…".to_owned() };
        if let Some(reference) = schema["$ref"].as_str() {
            let target = reference.strip_prefix('#').and_then(|path| root.pointer(path));
            let name = reference.rsplit('/').next().filter(|name| *name != "#");
            return match target {
                Some(target) => self.named(name.or(target["title"].as_str()), target, root, left),
                None => "any".to_owned(),
            };
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(all) = schema[key].as_array() {
                let is_null = |one: &&Value| one["type"] == "null" || one.get("const").is_some_and(Value::is_null);
                let optional = if all.iter().any(|one| is_null(&one)) { "?" } else { "" };
                let rest: Vec<_> = all.iter().filter(|one| !is_null(one)).collect();
                return match rest[..] {
                    [one] => format!("{}{optional}", self.write(one, root, left)),
                    _ if schema["title"].is_string() => {
                        format!("{}{optional}", self.named(schema["title"].as_str(), schema, root, left))
                    }
                    _ => {
                        let words: Vec<_> = rest.iter().map(|one| self.write(one, root, left)).collect();
                        format!("{}{optional}", words.join(" | "))
                    }
                };
            }
        }
        if let Some(values) = schema["enum"].as_array() {
            return values.iter().map(Value::to_string).collect::<Vec<_>>().join(" | ");
        }
        if let Some(value) = schema.get("const") {
            return value.to_string();
        }
        match &schema["type"] {
            Value::Array(all) => {
                let optional = if all.iter().any(|one| *one == "null") { "?" } else { "" };
                let plain = all.iter().find_map(|one| one.as_str().filter(|one| *one != "null"));
                format!("{}{optional}", self.plain(plain, schema, root, left))
            }
            one => self.plain(one.as_str(), schema, root, left),
        }
    }

    fn plain(&mut self, ty: Option<&str>, schema: &Value, root: &Value, left: usize) -> String {
        let format = schema["format"].as_str();
        match ty {
            Some("string") if matches!(format, Some("byte" | "base64")) => "bytes".to_owned(),
            Some("boolean") => "bool".to_owned(),
            Some("integer") => match format.map(|format| format.replace("uint", "u").replace("int", "i")) {
                Some(width) if width.starts_with(['u', 'i']) => width.replace("size", "64"),
                _ => "integer".to_owned(),
            },
            Some("array") => match schema["prefixItems"].as_array() {
                Some(items) => {
                    let items: Vec<_> = items.iter().map(|item| self.write(item, root, left)).collect();
                    format!("({})", items.join(", "))
                }
                None => format!("[{}]", self.write(&schema["items"], root, left)),
            },
            Some("object") | None if schema["properties"].is_object() => match schema["title"].as_str() {
                Some(title) => self.named(Some(title), schema, root, left),
                None => {
                    let fields = self.fields(schema, root, left);
                    let fields: Vec<_> = fields.iter().map(|field| format!("{}: {}", field.name, field.ty)).collect();
                    format!("{{{}}}", fields.join(", "))
                }
            },
            Some("object") => match schema.get("additionalProperties") {
                Some(values @ Value::Object(_)) => format!("map of {}", self.write(values, root, left)),
                _ => match schema["title"].as_str() {
                    Some(title) => self.named(Some(title), schema, root, left),
                    None => "object".to_owned(),
                },
            },
            Some(other) => other.to_owned(),
            None => "any".to_owned(),
        }
    }

    /// The name of a type, which is taken up unless it has been: another one of the same name gets a
    /// number.
    fn named(&mut self, name: Option<&str>, schema: &Value, root: &Value, left: usize) -> String {
        let name = name.unwrap_or("object");
        let taken = |types: &Types, name: &str| types.found.iter().position(|known| known.name == name);
        let mut own = name.to_owned();
        for number in 2.. {
            match taken(self, &own) {
                Some(at) if same(&self.found[at].schema, schema) => return own,
                Some(_) => own = format!("{name}{number}"),
                None => break,
            }
        }
        if self.found.len() >= MOST {
            return own;
        }
        // Taken up before its fields are read: one of them may be of this type.
        let docs = schema["description"].as_str().unwrap_or_default().to_owned();
        let at = self.found.len();
        let body = Body::Fields(Vec::new());
        self.found.push(Named { name: own.clone(), docs, body, schema: schema.clone() });
        let body = self.read(schema, root, left);
        self.found[at].body = body;
        own
    }

    fn read(&mut self, schema: &Value, root: &Value, left: usize) -> Body {
        let choices = ["oneOf", "anyOf"].into_iter().find_map(|key| schema[key].as_array());
        if let Some(choices) = choices {
            let docs = |one: &Value| one["description"].as_str().unwrap_or_default().to_owned();
            // Plain variants that have no documentation are one choice of many values.
            let mut all = Vec::new();
            for one in choices {
                match one["enum"].as_array() {
                    Some(values) => all.extend(values.iter().map(|value| (value.to_string(), docs(one)))),
                    None => all.push((self.write(one, root, left), docs(one))),
                }
            }
            return Body::Choice(all);
        }
        if let Some(values) = schema["enum"].as_array() {
            return Body::Choice(values.iter().map(|value| (value.to_string(), String::new())).collect());
        }
        if schema["properties"].is_object() || schema["type"] == "object" {
            return Body::Fields(self.fields(schema, root, left));
        }
        let mut plain = schema.clone();
        if let Some(fields) = plain.as_object_mut() {
            fields.remove("title");
        }
        let rules = super::rules::of(schema);
        let ty = self.write(&plain, root, left);
        Body::Same(if rules.is_empty() { ty } else { format!("{ty}, {rules}") })
    }

    fn fields(&mut self, schema: &Value, root: &Value, left: usize) -> Vec<Field> {
        let required: Vec<_> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let properties = schema["properties"].as_object();
        // Required fields come first: schemas are sorted by name, which says nothing.
        let mut properties: Vec<_> = properties.into_iter().flatten().collect();
        properties.sort_by_key(|(name, _)| required.iter().position(|one| one == name).unwrap_or(usize::MAX));
        let mut fields = Vec::new();
        for (name, schema) in properties {
            let ty = self.write(schema, root, left);
            let mut rules = super::rules::of(schema);
            if !required.contains(&name.as_str()) && !ty.ends_with('?') {
                rules = if rules.is_empty() { "optional".to_owned() } else { format!("optional, {rules}") };
            }
            let docs = schema["description"].as_str().unwrap_or_default().to_owned();
            fields.push(Field { name: name.clone(), ty, rules, docs });
        }
        fields
    }
}

/// Whether two schemas are of one type: a root repeats what its parts refer to.
fn same(a: &Value, b: &Value) -> bool {
    let keys = ["type", "properties", "required", "oneOf", "anyOf", "enum", "items"];
    keys.iter().all(|key| a.get(key) == b.get(key))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn write(schema: Value) -> String {
        let root = json!({"$defs": {"Tone": {"enum": ["Plain"]}, "List": {"title": "List", "properties": {"next": {"$ref": "#/$defs/List"}}}}});
        Types::default().write(&schema, &root, DEEPEST)
    }

    #[test]
    fn types_are_written_as_rust_programmers_read_them() {
        for (schema, text) in [
            (json!({"type": "string"}), "string"),
            (json!({"type": ["integer", "null"], "format": "uint32"}), "u32?"),
            (json!({"type": "integer", "format": "int64"}), "i64"),
            (json!({"type": "integer"}), "integer"),
            (json!({"type": "number", "format": "double"}), "number"),
            (json!({"type": "boolean"}), "bool"),
            (json!({"type": "array", "items": {"type": "string"}}), "[string]"),
            (json!({"type": "array", "prefixItems": [{"type": "string"}, {"type": "boolean"}]}), "(string, bool)"),
            (json!({"type": "object", "additionalProperties": {"type": "string"}}), "map of string"),
            (json!({"anyOf": [{"$ref": "#/$defs/Tone"}, {"type": "null"}]}), "Tone?"),
            (json!({"$ref": "#/$defs/List"}), "List"),
            (json!({"$ref": "#/$defs/Gone"}), "any"),
            (json!({"type": "object", "properties": {"a": {"type": "string"}}}), "{a: string}"),
            (json!(true), "any"),
            (json!(null), "any"),
        ] {
            assert_eq!(write(schema.clone()), text, "{schema}");
        }
    }

    #[test]
    fn a_schema_that_never_ends_is_cut() {
        let root = json!({"properties": {"a": {"properties": {"b": {"$ref": "#/properties/a"}}}}});
        assert!(Types::default().body(&root).len() < 1000);
        let mut deep = json!({"type": "string"});
        for _ in 0..100 {
            deep = json!({"type": "array", "items": deep});
        }
        assert_eq!(write(deep), "[[[[[[[[…]]]]]]]]");
    }

    #[test]
    fn two_types_of_one_name_are_told_apart() {
        let a = json!({"title": "T", "type": "object", "properties": {"a": {"type": "string"}}});
        let b = json!({"title": "T", "type": "object", "properties": {"b": {"type": "string"}}});
        let mut types = Types::default();
        assert_eq!([types.body(&a), types.body(&b), types.body(&a)], ["T", "T2", "T"]);
    }
}

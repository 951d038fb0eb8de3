//! The types of a service for TypeScript.

use std::fmt::Write;

use motet_core::{BodyShape, Family, Kind, MethodDescriptor, ServiceDescriptor};
use serde_json::Value;

/// How deep types nest at most; what is deeper is `unknown`.
const MAX_DEPTH: usize = 32;

/// The types of a service, as a `.d.ts` file that stands beside that of `motet.js`: an interface with its
/// methods, the messages, and the service's name among those that `connect().service(…)` knows. Methods
/// that JSON cannot carry are left out.
pub fn declarations(service: &ServiceDescriptor) -> String {
    let ident = identifier(if service.ident.is_empty() { &service.name } else { &service.ident });
    let mut types = Types::default();
    // The interface's own name is taken.
    types.named.push((ident.clone(), Value::Null, None));
    let mut methods = String::new();
    for method in service.methods.iter().filter(|method| !matches!(method.family, Family::Proto | Family::Raw)) {
        docs(&method.docs, "  ", &mut methods);
        let _ = writeln!(methods, "  {};", types.method(method));
    }
    let mut out = format!("// Types of the service {} {}, made from its descriptor.\n", service.name, service.version);
    out.push_str("import type { Call, CallOptions, Chat, Messages, Stream, Upload } from \"./motet.js\";\n");
    let _ = write!(
        out,
        "\ndeclare module \"./motet.js\" {{\n  interface Services {{\n    {}: {ident};\n  }}\n}}\n",
        key(&service.name)
    );
    out.push('\n');
    docs(&service.docs, "", &mut out);
    let _ = write!(out, "export interface {ident} {{\n{methods}}}\n");
    for text in types.named.iter().filter_map(|(_, _, text)| text.as_ref()) {
        let _ = write!(out, "\n{text}");
    }
    out
}

/// The named types of a file.
#[derive(Default)]
struct Types {
    /// Name, schema, and text once it is made.
    named: Vec<(String, Value, Option<String>)>,
}

impl Types {
    fn method(&mut self, method: &MethodDescriptor) -> String {
        let request = self.body(method.request_shape, &method.request);
        let reply = self.body(method.reply_shape, &method.reply);
        let name = key(&method.name);
        let params = match method.request_shape {
            BodyShape::Value => format!("params: [{request}]"),
            BodyShape::Empty => format!("params?: {request}"),
            _ => format!("params: {request}"),
        };
        match method.kind {
            Kind::Unary => format!("{name}({params}, options?: CallOptions): Call<{reply}>"),
            Kind::ServerStream => format!("{name}({params}, options?: CallOptions): Stream<{reply}>"),
            Kind::ClientStream => {
                format!("{name}(messages?: Messages<{request}>, options?: CallOptions): Upload<{request}, {reply}>")
            }
            _ => format!("{name}(messages?: Messages<{request}>, options?: CallOptions): Chat<{request}, {reply}>"),
        }
    }

    /// The type of a body as it travels here: scalars and collections are bare.
    fn body(&mut self, shape: BodyShape, schema: &Value) -> String {
        match shape {
            BodyShape::Empty => "Record<string, never>".to_owned(),
            BodyShape::Value => {
                let value = schema.pointer("/properties/value").unwrap_or(&Value::Null);
                self.of(value, schema, 0)
            }
            BodyShape::Arguments => self.of(schema, schema, 0),
            _ => match schema.get("title").and_then(Value::as_str).filter(|_| schema.get("properties").is_some()) {
                Some(title) => self.name(title, schema, schema),
                None => self.of(schema, schema, 0),
            },
        }
    }

    /// A type by name: the same schema has one, different ones have different names.
    fn name(&mut self, wish: &str, schema: &Value, root: &Value) -> String {
        if let Some((name, ..)) = self.named.iter().find(|(_, known, _)| known == schema) {
            return name.clone();
        }
        let wish = identifier(wish);
        let free = |name: &String| !self.named.iter().any(|(known, ..)| known == name);
        let name = std::iter::once(wish.clone()).chain((2..).map(|n| format!("{wish}{n}"))).find(free).unwrap_or(wish);
        let at = self.named.len();
        self.named.push((name.clone(), schema.clone(), None));
        let mut text = String::new();
        docs(schema.get("description").and_then(Value::as_str).unwrap_or_default(), "", &mut text);
        let body = self.of(schema, root, 0);
        let _ = writeln!(text, "export type {name} = {body};");
        self.named[at].2 = Some(text);
        name
    }

    /// The type of a schema.
    fn of(&mut self, schema: &Value, root: &Value, depth: usize) -> String {
        let unknown = || "unknown".to_owned();
        if depth > MAX_DEPTH {
            return unknown();
        }
        let Value::Object(members) = schema else { return unknown() };
        if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
            let Some(target) = reference.strip_prefix('#').and_then(|path| root.pointer(path)) else {
                return unknown();
            };
            let wish = reference.rsplit('/').next().filter(|name| !name.is_empty() && *name != "#");
            let title = target.get("title").and_then(Value::as_str);
            return self.name(wish.or(title).unwrap_or("Message"), target, root);
        }
        if let Some(value) = members.get("const") {
            return value.to_string();
        }
        if let Some(values) = members.get("enum").and_then(Value::as_array) {
            return union(values.iter().map(ToString::to_string).collect());
        }
        for (key, join) in [("oneOf", " | "), ("anyOf", " | "), ("allOf", " & ")] {
            if let Some(parts) = members.get(key).and_then(Value::as_array) {
                let mut all: Vec<_> = parts.iter().map(|part| self.of(part, root, depth + 1)).collect();
                if members.get("properties").is_some() {
                    return format!("{} & ({})", self.object(schema, root, depth), all.join(join));
                }
                all.dedup();
                let parts = all.iter().map(|part| if join == " & " { parenthesised(part) } else { part.clone() });
                return parts.collect::<Vec<_>>().join(join);
            }
        }
        match members.get("type") {
            Some(Value::Array(kinds)) => {
                let all = kinds.iter().filter_map(Value::as_str).map(|kind| self.kind(kind, schema, root, depth));
                union(all.collect())
            }
            Some(Value::String(kind)) => self.kind(kind, schema, root, depth),
            _ if members.contains_key("properties") => self.object(schema, root, depth),
            _ => unknown(),
        }
    }

    fn kind(&mut self, kind: &str, schema: &Value, root: &Value, depth: usize) -> String {
        match kind {
            "string" | "boolean" | "null" => kind.to_owned(),
            "integer" | "number" => "number".to_owned(),
            "array" => {
                if let Some(parts) = schema.get("prefixItems").and_then(Value::as_array) {
                    let parts: Vec<_> = parts.iter().map(|part| self.of(part, root, depth + 1)).collect();
                    return format!("[{}]", parts.join(", "));
                }
                let item =
                    schema.get("items").map_or_else(|| "unknown".to_owned(), |item| self.of(item, root, depth + 1));
                format!("{}[]", parenthesised(&item))
            }
            "object" => self.object(schema, root, depth),
            _ => "unknown".to_owned(),
        }
    }

    fn object(&mut self, schema: &Value, root: &Value, depth: usize) -> String {
        let Some(properties) = schema.get("properties").and_then(Value::as_object).filter(|all| !all.is_empty()) else {
            return match schema.get("additionalProperties") {
                Some(values @ Value::Object(_)) => format!("Record<string, {}>", self.of(values, root, depth + 1)),
                Some(Value::Bool(false)) => "Record<string, never>".to_owned(),
                _ => "Record<string, unknown>".to_owned(),
            };
        };
        let required = |name: &str| {
            schema.get("required").and_then(Value::as_array).is_some_and(|all| all.iter().any(|one| one == name))
        };
        let (indent, mut out) = ("  ".repeat(depth + 1), "{\n".to_owned());
        for (name, part) in properties {
            docs(part.get("description").and_then(Value::as_str).unwrap_or_default(), &indent, &mut out);
            let (mark, of) = (if required(name) { "" } else { "?" }, self.of(part, root, depth + 1));
            let _ = writeln!(out, "{indent}{}{mark}: {of};", key(name));
        }
        out.push_str(&"  ".repeat(depth));
        out.push('}');
        out
    }
}

fn union(mut all: Vec<String>) -> String {
    all.dedup();
    all.join(" | ")
}

fn parenthesised(of: &str) -> String {
    if of.contains(['|', '&']) && !of.starts_with('{') { format!("({of})") } else { of.to_owned() }
}

/// A comment, if there is anything to say.
fn docs(text: &str, indent: &str, out: &mut String) {
    let text = text.trim().replace("*/", "*\u{200b}/");
    match text.lines().count() {
        0 => {}
        1 => {
            let _ = writeln!(out, "{indent}/** {text} */");
        }
        _ => {
            let _ = writeln!(out, "{indent}/**");
            for line in text.lines() {
                let _ = writeln!(out, "{}", format!("{indent} * {line}").trim_end());
            }
            let _ = writeln!(out, "{indent} */");
        }
    }
}

/// A name as a key: quoted where it must be.
fn key(name: &str) -> String {
    let plain = !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    if plain { name.to_owned() } else { Value::from(name).to_string() }
}

/// A name as that of a type.
fn identifier(name: &str) -> String {
    let mut out = String::new();
    let mut upper = true;
    for c in name.chars() {
        match c.is_ascii_alphanumeric() {
            true if upper => out.push(c.to_ascii_uppercase()),
            true => out.push(c),
            false => {}
        }
        upper = !c.is_ascii_alphanumeric();
    }
    if out.starts_with(|c: char| c.is_ascii_digit()) || out.is_empty() {
        out.insert(0, 'T');
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(schema: Value) -> String {
        Types::default().of(&schema, &schema, 0)
    }

    #[test]
    fn schemas_become_types() {
        for (schema, expected) in [
            (json!({ "type": "string" }), "string"),
            (json!({ "type": "integer", "format": "int64" }), "number"),
            (json!({ "type": ["string", "null"] }), "string | null"),
            (json!({ "type": "array", "items": { "type": ["string", "null"] } }), "(string | null)[]"),
            (
                json!({ "type": "array", "prefixItems": [{ "type": "string" }, { "type": "number" }] }),
                "[string, number]",
            ),
            (json!({ "enum": ["a", "b\""] }), r#""a" | "b\"""#),
            (json!({ "const": "x" }), r#""x""#),
            (json!({ "type": "object", "additionalProperties": { "type": "number" } }), "Record<string, number>"),
            (json!({ "type": "object" }), "Record<string, unknown>"),
            (json!({ "anyOf": [{ "type": "string" }, { "type": "null" }] }), "string | null"),
            (json!(true), "unknown"),
            (json!({ "$ref": "#/nowhere" }), "unknown"),
        ] {
            assert_eq!(of(schema.clone()), expected, "{schema}");
        }
        let object =
            json!({ "type": "object", "properties": { "a": { "type": "string" }, "b-c": {} }, "required": ["a"] });
        assert_eq!(of(object), "{\n  a: string;\n  \"b-c\"?: unknown;\n}");
    }

    #[test]
    fn types_that_hold_themselves_have_a_name() {
        let schema = json!({
            "title": "Tree", "type": "object", "properties": { "next": { "$ref": "#/$defs/Node" } },
            "$defs": { "Node": { "type": "object", "properties": { "next": { "$ref": "#/$defs/Node" } } } },
        });
        let mut service = ServiceDescriptor::new("forest", "1.0.0").ident("Forest");
        service.add(
            MethodDescriptor::new("forest", "grow")
                .docs("Grows.\n\nSlowly */ so.")
                .request(BodyShape::Message, schema.clone())
                .reply(BodyShape::Value, json!({ "properties": { "value": { "type": "number" } } })),
        );
        service.add(MethodDescriptor::new("forest", "walk").kind(Kind::Bidi).request(BodyShape::Message, schema));
        let text = declarations(&service);
        for part in [
            "forest: Forest;",
            "export interface Forest {",
            "grow(params: Tree, options?: CallOptions): Call<number>;",
            "walk(messages?: Messages<Tree>, options?: CallOptions): Chat<Tree, ",
            "export type Tree = {\n  next?: Node;\n};",
            "export type Node = {\n  next?: Node;\n};",
            "   * Slowly *\u{200b}/ so.",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    #[test]
    fn different_types_of_one_name_are_told_apart() {
        let mut types = Types::default();
        let (a, b) = (json!({ "type": "string" }), json!({ "type": "number" }));
        assert_eq!(types.name("Id", &a, &a), "Id");
        assert_eq!(types.name("Id", &b, &b), "Id2");
        assert_eq!(types.name("Id", &a, &a), "Id");
        assert_eq!(identifier("say_hi/2"), "SayHi2");
    }
}

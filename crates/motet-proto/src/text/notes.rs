//! What a service knows of its messages beyond protobuf: constraints, from the JSON schemas of its
//! methods, and HTTP routes.

use std::collections::{BTreeMap, BTreeSet};

use motet_core::ServiceDescriptor;
use prost_types::{DescriptorProto, FieldDescriptorProto, field_descriptor_proto::Type};
use serde_json::Value;

use crate::{Files, symbols::join};

/// Lines to stand before symbols, which are full names.
#[derive(Debug, Default)]
pub(crate) struct Notes(BTreeMap<String, Vec<String>>);

impl Notes {
    pub(crate) fn of(&self, symbol: &str) -> &[String] {
        self.0.get(symbol).map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn add(&mut self, service: &ServiceDescriptor, files: &Files) {
        let Some(file) = files.file_with_symbol(&service.proto_name).and_then(|name| files.proto(name)) else { return };
        let mut messages = BTreeMap::new();
        for message in &file.proto.message_type {
            collect(file.package(), message, &mut messages);
        }
        let Some(described) = file.proto.service.iter().find(|s| join(file.package(), s.name()) == service.proto_name)
        else {
            return;
        };
        for method in &service.methods {
            let name = method.proto_path().rsplit('/').next().unwrap_or_default();
            let Some(rpc) = described.method.iter().find(|rpc| rpc.name() == name) else { continue };
            let routes = method.options.http.iter().map(|route| format!("HTTP: {} {}", route.verb, route.path));
            self.put(format!("{}.{name}", service.proto_name), routes.collect());
            for (ty, schema) in [(rpc.input_type(), &method.request), (rpc.output_type(), &method.reply)] {
                Walk { notes: self, messages: &messages, root: schema, seen: BTreeSet::new(), depth: 0 }
                    .message(ty, schema);
            }
        }
    }

    /// What was said of a symbol first stands: a type is met wherever it is used.
    fn put(&mut self, symbol: String, lines: Vec<String>) {
        if !lines.is_empty() {
            self.0.entry(symbol).or_insert(lines);
        }
    }
}

type Messages<'a> = BTreeMap<String, &'a DescriptorProto>;

fn collect<'a>(scope: &str, message: &'a DescriptorProto, messages: &mut Messages<'a>) {
    let name = join(scope, message.name());
    for nested in &message.nested_type {
        collect(&name, nested, messages);
    }
    messages.insert(format!(".{name}"), message);
}

/// A walk through a message and its schema side by side.
struct Walk<'a> {
    notes: &'a mut Notes,
    messages: &'a Messages<'a>,
    root: &'a Value,
    seen: BTreeSet<String>,
    depth: usize,
}

/// How deep messages are looked through: descriptions come from other processes.
const MAX_DEPTH: usize = 64;

impl<'a> Walk<'a> {
    fn message(&mut self, ty: &str, schema: &'a Value) {
        let Some(message) = self.messages.get(ty).copied() else { return };
        if self.depth > MAX_DEPTH || !self.seen.insert(ty.to_owned()) {
            return;
        }
        self.depth += 1;
        let schemas = self.alternatives(schema);
        for (at, field) in message.field.iter().enumerate() {
            let property = |schema: &&'a Value| schema.get("properties")?.get(field.json_name());
            let item = |schema: &&'a Value| schema.get("prefixItems")?.get(at);
            if let Some(schema) = schemas.iter().find_map(|schema| property(schema).or_else(|| item(schema))) {
                self.field(&format!("{}.{}", ty.trim_start_matches('.'), field.name()), field, schema);
            }
        }
        self.depth -= 1;
    }

    fn field(&mut self, symbol: &str, field: &FieldDescriptorProto, schema: &'a Value) {
        let schemas = self.alternatives(schema);
        let mut lines: Vec<String> = schemas.iter().flat_map(|schema| rules(field, schema)).collect();
        let items = schemas.iter().find_map(|schema| schema.get("items"));
        if let (Some(items), true) = (items, field.r#type() != Type::Message) {
            let each = self.alternatives(items).into_iter().flat_map(|schema| rules(field, schema));
            lines.extend(each.map(|rule| format!("Each: {}", lower(&rule))));
        }
        self.notes.put(symbol.to_owned(), lines);
        if field.r#type() != Type::Message {
            return;
        }
        let target = self.messages.get(field.type_name()).copied();
        if let Some(entry) = target.filter(|message| message.options.as_ref().is_some_and(|o| o.map_entry())) {
            // Of text for any key, of numbers for keys that look like numbers.
            let named = |schema: &&'a Value| schema.get("additionalProperties").filter(|values| values.is_object());
            let like = |schema: &&'a Value| schema.get("patternProperties")?.as_object()?.values().next();
            let values = schemas.iter().find_map(|schema| named(schema).or_else(|| like(schema)));
            if let (Some(value), Some(values)) = (entry.field.get(1), values) {
                self.message(value.type_name(), values);
            }
            return;
        }
        self.message(field.type_name(), items.unwrap_or(schema));
    }

    /// The schema itself or, where it refers to others or lets choose among them, these.
    fn alternatives(&self, schema: &'a Value) -> Vec<&'a Value> {
        let mut found = Vec::new();
        let mut open = vec![(schema, 0)];
        while let Some((schema, depth)) = open.pop() {
            const MAX_DEPTH: usize = 16;
            if depth > MAX_DEPTH {
                continue;
            }
            found.push(schema);
            if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
                open.extend(self.root.pointer(reference.trim_start_matches('#')).map(|schema| (schema, depth + 1)));
            }
            for several in ["oneOf", "anyOf", "allOf"] {
                let several = schema.get(several).and_then(Value::as_array).into_iter().flatten();
                open.extend(several.map(|schema| (schema, depth + 1)));
            }
        }
        found
    }
}

/// What a schema asks of a value, in words.
fn rules(field: &FieldDescriptorProto, schema: &Value) -> Vec<String> {
    let number = |key: &str| schema.get(key).filter(|value| value.is_number());
    let text = |key: &str| schema.get(key).and_then(Value::as_str);
    // An optional value is of a type or null.
    let of =
        schema.get("type").into_iter().flat_map(|ty| ty.as_array().map_or(std::slice::from_ref(ty), Vec::as_slice));
    let is_text = of.into_iter().any(|ty| ty == "string");
    if field.r#type() == Type::Uint32 && is_text {
        return vec!["One character, by its code point.".to_owned()];
    }
    let unsigned = text("format").is_some_and(|format| format.starts_with("uint"));
    let mut lines = Vec::new();
    let mut range = |what: &str, least: Option<&Value>, most: Option<&Value>| match (least, most) {
        (Some(least), Some(most)) if least == most => lines.push(format!("{what}{least}.")),
        (Some(least), Some(most)) => lines.push(format!("{what}{least} to {most}.")),
        (Some(least), None) => lines.push(format!("{what}at least {least}.")),
        (None, Some(most)) => lines.push(format!("{what}at most {most}.")),
        (None, None) => {}
    };
    let minimum = number("minimum").filter(|least| !(unsigned && least.as_f64() == Some(0.0)));
    range("Value: ", minimum, number("maximum"));
    range("Length: ", number("minLength"), number("maxLength"));
    range("Items: ", number("minItems"), number("maxItems"));
    range("Entries: ", number("minProperties"), number("maxProperties"));
    if let Some(above) = number("exclusiveMinimum") {
        lines.push(format!("Value: above {above}."));
    }
    if let Some(below) = number("exclusiveMaximum") {
        lines.push(format!("Value: below {below}."));
    }
    if let Some(pattern) = text("pattern") {
        lines.push(format!("Pattern: {}", one_line(pattern)));
    }
    let format = text("format").filter(|_| is_text);
    if let Some(format) = format {
        lines.push(format!("Format: {}.", one_line(format)));
    }
    lines
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn lower(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

//! The services as an OpenAPI 3.1 document.

use std::sync::Arc;

use motet_core::{BodyShape, Codec, Family, Kind, MethodDescriptor, ServiceDescriptor};
use serde_json::{Map, Value, json};

use super::schema::for_openapi;
use crate::bind::{property, resolve};

/// Describes services as OpenAPI 3.1 (<https://spec.openapis.org/oas/v3.1.1.html>): paths, declared
/// routes, messages with their constraints and docs, and errors. Methods that JSON cannot carry are
/// left out.
pub fn openapi(title: &str, services: &[Arc<ServiceDescriptor>]) -> Value {
    let mut schemas = Schemas::default();
    schemas.all.insert("Error".to_owned(), error_schema());
    let mut paths = Map::new();
    let mut tags = Vec::new();
    for service in services {
        tags.push(json!({ "name": service.name, "description": service.docs }));
        for method in service.methods.iter().filter(|method| is_json(method)) {
            for (n, way) in ways(method).into_iter().enumerate() {
                let operation = operation(service, method, &way, n, &mut schemas);
                let item = paths.entry(way.path).or_insert_with(|| json!({}));
                item[way.verb.to_ascii_lowercase()] = operation;
            }
        }
    }
    let version = match services {
        [only] => only.version.clone(),
        _ => "1.0.0".to_owned(),
    };
    json!({
        "openapi": "3.1.0",
        "info": { "title": if title.is_empty() { "Motet services" } else { title }, "version": version },
        "tags": tags,
        "paths": paths,
        "components": { "schemas": schemas.all },
    })
}

fn is_json(method: &MethodDescriptor) -> bool {
    !matches!(method.family, Family::Proto | Family::Raw)
}

/// A way in: verb, path, and the names of the parameters in the path.
struct Way {
    verb: String,
    path: String,
    parameters: Vec<String>,
}

fn ways(method: &MethodDescriptor) -> Vec<Way> {
    let own = |verb: &str| Way { verb: verb.to_owned(), path: format!("/{}", method.path), parameters: Vec::new() };
    let asked = method.options.safe.then(|| own("GET"));
    let declared = method.options.http.iter().map(|route| {
        let names = route.path.split('{').skip(1).filter_map(|part| part.split('}').next());
        let parameters = names.map(|name| name.trim_start_matches('*').to_owned()).collect();
        Way { verb: route.verb.clone(), path: route.path.replace("{*", "{"), parameters }
    });
    std::iter::once(own("POST")).chain(asked).chain(declared).collect()
}

fn operation(
    service: &ServiceDescriptor,
    method: &MethodDescriptor,
    way: &Way,
    number: usize,
    schemas: &mut Schemas,
) -> Value {
    let asked = for_openapi(&method.request);
    let request = schemas.hoist(&asked);
    let reply = schemas.hoist(&for_openapi(&method.reply));
    let id = format!("{}.{}", service.name, method.name);
    let mut operation = json!({
        "operationId": if number == 0 { id } else { format!("{id}.{number}") },
        "tags": [service.name],
        "description": method.docs,
        "responses": {
            "200": { "description": "The reply.", "content": contents(reply, method.kind.server_streams(), true) },
            "default": {
                "description": "An error; the status follows from its code.",
                "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } },
            },
        },
    });
    if let Some(line) = method.docs.lines().next().filter(|line| !line.is_empty()) {
        operation["summary"] = line.into();
    }
    if method.options.deprecated {
        operation["deprecated"] = true.into();
    }
    let bodiless = matches!(way.verb.as_str(), "GET" | "HEAD" | "DELETE");
    let parameters = parameters(&asked, way, bodiless, schemas);
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    let streams = method.kind.client_streams();
    if !bodiless && (streams || method.request_shape != BodyShape::Empty) {
        let rest = without(request, &way.parameters);
        // Nothing at all is a stream of no messages, or the object without fields.
        let needed = !streams && rest["required"].as_array().is_some_and(|names| !names.is_empty());
        operation["requestBody"] = json!({ "required": needed, "content": contents(rest, streams, false) });
    }
    if method.kind != Kind::Unary {
        operation["x-motet-kind"] = json!(method.kind);
    }
    operation
}

/// The fields that stand in path and query.
fn parameters(request: &Value, way: &Way, bodiless: bool, schemas: &mut Schemas) -> Vec<Value> {
    let root = resolve(request, request);
    let required = |name: &str| root["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
    let mut all = Vec::new();
    for name in &way.parameters {
        let schema = property(request, name).cloned().unwrap_or_else(|| json!({ "type": "string" }));
        all.push(json!({ "name": name, "in": "path", "required": true, "schema": schemas.part(request, &schema) }));
    }
    let properties = root.get("properties").and_then(Value::as_object);
    for (name, schema) in
        properties.into_iter().flatten().filter(|(name, _)| bodiless && !way.parameters.contains(name))
    {
        let schema = schemas.part(request, schema);
        all.push(json!({ "name": name, "in": "query", "required": required(name), "schema": schema }));
    }
    all
}

/// The schema without fields that stand elsewhere.
fn without(mut schema: Value, names: &[String]) -> Value {
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.retain(|name, _| !names.contains(name));
    }
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|name| name.as_str().is_none_or(|name| !names.iter().any(|own| own == name)));
    }
    schema
}

fn contents(schema: Value, stream: bool, reply: bool) -> Value {
    match (stream, reply) {
        (false, _) => json!({ (Codec::JSON.content_type()): { "schema": schema } }),
        (true, false) => json!({ "application/x-ndjson": { "schema": schema } }),
        (true, true) => {
            json!({ "application/x-ndjson": { "schema": schema }, "text/event-stream": { "schema": schema } })
        }
    }
}

/// The schemas of all messages, each under its own name.
#[derive(Default)]
struct Schemas {
    all: Map<String, Value>,
}

impl Schemas {
    /// A body's schema, its definitions moved to the document's.
    fn hoist(&mut self, root: &Value) -> Value {
        if root.is_null() {
            return json!({ "type": "object" });
        }
        let mut schema = root.clone();
        self.move_definitions(&mut schema, root);
        schema
    }

    /// A part of a body's schema.
    fn part(&mut self, root: &Value, part: &Value) -> Value {
        let mut part = part.clone();
        self.move_definitions(&mut part, root);
        part
    }

    fn move_definitions(&mut self, schema: &mut Value, root: &Value) {
        let definitions = root.get("$defs").and_then(Value::as_object);
        let names: Vec<(String, String)> = definitions
            .into_iter()
            .flatten()
            .map(|(name, definition)| (name.clone(), self.name_for(name, definition, root)))
            .collect();
        if let Some(object) = schema.as_object_mut() {
            object.remove("$defs");
            object.remove("$schema");
        }
        rename(schema, &names);
        for (old, new) in &names {
            let mut definition = root["$defs"][old].clone();
            rename(&mut definition, &names);
            self.all.insert(new.clone(), definition);
        }
    }

    /// The name of a definition in the document: its own, or with a number where another has that.
    fn name_for(&self, name: &str, definition: &Value, root: &Value) -> String {
        let clean: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' })
            .collect();
        let mut wanted = clean.clone();
        for number in 2.. {
            let mut renamed = definition.clone();
            let same = [(name.to_owned(), wanted.clone())];
            rename(&mut renamed, &same);
            // What it refers to has been moved in its known form.
            let others: Vec<_> =
                root["$defs"].as_object().into_iter().flatten().map(|(n, _)| (n.clone(), n.clone())).collect();
            rename(&mut renamed, &others);
            match self.all.get(&wanted) {
                None => break,
                Some(known) if *known == renamed => break,
                Some(_) => wanted = format!("{clean}_{number}"),
            }
        }
        wanted
    }
}

/// References to `#/$defs/old` become `#/components/schemas/new`.
fn rename(value: &mut Value, names: &[(String, String)]) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get_mut("$ref")
                && let Some(old) = reference.strip_prefix("#/$defs/")
                && let Some((_, new)) = names.iter().find(|(known, _)| known == old)
            {
                *reference = format!("#/components/schemas/{new}");
            }
            object.values_mut().for_each(|value| rename(value, names));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, names)),
        _ => {}
    }
}

fn error_schema() -> Value {
    let codes: Vec<_> = motet_core::Code::ALL.iter().map(|code| code.name()).collect();
    json!({
        "type": "object",
        "description": "Why a call failed.",
        "required": ["code", "message", "executed"],
        "properties": {
            "code": { "type": "string", "enum": codes },
            "message": { "type": "string", "description": "For people." },
            "reason": { "type": "string", "description": "For programs: the type and variant of the error." },
            "details": { "type": "object", "description": "The fields of the error, or the broken constraints." },
            "executed": { "type": "string", "enum": ["yes", "no", "unknown"], "description": "Whether the handler ran." },
            "retry_after": { "type": "number", "description": "Seconds to wait before another try." },
            "metadata": { "type": "object", "additionalProperties": { "type": "array", "items": { "type": "string" } } },
        },
    })
}

#[cfg(test)]
mod tests {
    use motet_core::{HttpRoute, MethodOptions};

    use super::*;

    fn service(name: &str, item: Value) -> Arc<ServiceDescriptor> {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": { "name": { "type": "string", "minLength": 1 }, "item": { "$ref": "#/$defs/Item" } },
            "required": ["name"],
            "$defs": { "Item": item },
        });
        let mut options = MethodOptions::default();
        options.http.push(HttpRoute { verb: "GET".to_owned(), path: "/hello/{name}".to_owned() });
        let mut service = ServiceDescriptor::new(name, "2.0.0").docs("Greets.");
        let method = MethodDescriptor::new(name, "hello").docs("Says hello.").options(options);
        service.add(method.request(BodyShape::Message, schema.clone()).reply(BodyShape::Message, schema));
        Arc::new(service)
    }

    #[test]
    fn references_lead_into_the_document_and_names_stay_apart() {
        let item = json!({ "type": "object", "properties": { "next": { "$ref": "#/$defs/Item" } } });
        let services = [service("a", item), service("b", json!({ "type": "integer" }))];
        let document = openapi("shop", &services);
        let text = document.to_string();
        assert!(!text.contains("$defs") && !text.contains("$schema"), "{text}");
        let schemas = &document["components"]["schemas"];
        assert_eq!(schemas["Item"]["properties"]["next"]["$ref"], "#/components/schemas/Item");
        assert_eq!(schemas["Item_2"]["type"], "integer");
        assert!(schemas.get("Item_3").is_none(), "each is moved once");
        fn check(value: &Value, document: &Value) {
            if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
                assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
            }
            value.as_object().into_iter().flatten().for_each(|(_, value)| check(value, document));
            value.as_array().into_iter().flatten().for_each(|value| check(value, document));
        }
        check(&document, &document);
    }

    #[test]
    fn routes_have_their_parameters_and_constraints() {
        let document = openapi("shop", &[service("a", json!(true))]);
        let get = &document["paths"]["/hello/{name}"]["get"];
        let path =
            json!({ "name": "name", "in": "path", "required": true, "schema": { "type": "string", "minLength": 1 } });
        assert_eq!(get["parameters"][0], path);
        assert_eq!((&get["parameters"][1]["name"], &get["parameters"][1]["in"]), (&json!("item"), &json!("query")));
        assert!(get.get("requestBody").is_none());
        let post = &document["paths"]["/a/hello"]["post"];
        let schema = &post["requestBody"]["content"]["application/json"]["schema"];
        assert_eq!(schema["properties"]["name"]["minLength"], 1);
        assert_eq!((&post["summary"], &document["info"]["version"]), (&json!("Says hello."), &json!("2.0.0")));
        assert_ne!(get["operationId"], post["operationId"]);
    }
}

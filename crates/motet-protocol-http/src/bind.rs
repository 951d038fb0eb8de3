//! Parameters of path and query as the fields of a JSON body, by the types of its schema.

use bytes::Bytes;
use motet_core::{MethodDescriptor, Result, Status};
use serde_json::{Map, Number, Value};

/// The most parameters of a request.
const MAX_PARAMETERS: usize = 256;

/// The body of a request: the object in `body`, then the parameters of the query that the schema
/// knows and the body does not say, then those of the path, which count above all.
///
/// # Errors
/// InvalidArgument naming the field and the type that it should have; values are not quoted.
pub fn bind(method: &MethodDescriptor, path: &[(String, String)], query: &str, body: &Bytes) -> Result<Bytes> {
    if path.is_empty() && query.is_empty() {
        return Ok(body.clone());
    }
    let mut object = match body.trim_ascii() {
        [] | b"null" => Map::new(),
        text => match serde_json::from_slice(text) {
            Ok(Value::Object(object)) => object,
            _ => return Err(Status::invalid_argument("the body is no JSON object")),
        },
    };
    let pairs = form_urlencoded::parse(query.as_bytes()).take(MAX_PARAMETERS + 1).collect::<Vec<_>>();
    if pairs.len() > MAX_PARAMETERS {
        return Err(Status::resource_exhausted(format!("a query has at most {MAX_PARAMETERS} parameters")));
    }
    let mut bound: Vec<&str> = Vec::new();
    for (name, text) in &pairs {
        let Some(schema) = property(&method.request, name) else { continue };
        let more = bound.contains(&&**name);
        if object.contains_key(&**name) && !more {
            continue;
        }
        put(&mut object, &method.request, schema, name, text, more)?;
        bound.push(name);
    }
    for (name, text) in path {
        let schema = property(&method.request, name).unwrap_or(&Value::Null);
        object.remove(name);
        put(&mut object, &method.request, schema, name, text, false)?;
    }
    serde_json::to_vec(&object).map(Bytes::from).map_err(Status::internal_from)
}

/// The schema of a field of a body.
pub(crate) fn property<'a>(root: &'a Value, name: &str) -> Option<&'a Value> {
    resolve(root, root).get("properties")?.get(name)
}

/// What a schema refers to, past `$ref` and "this or null".
pub(crate) fn resolve<'a>(root: &'a Value, mut schema: &'a Value) -> &'a Value {
    // A schema may refer to itself.
    for _ in 0..16 {
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            match root.pointer(reference.trim_start_matches('#')) {
                Some(found) => schema = found,
                None => return schema,
            }
            continue;
        }
        let choices = schema.get("anyOf").or(schema.get("oneOf")).and_then(Value::as_array);
        let mut real = choices.into_iter().flatten().filter(|choice| choice.get("type").is_none_or(|t| t != "null"));
        match (real.next(), real.next()) {
            (Some(only), None) => schema = only,
            _ => return schema,
        }
    }
    schema
}

/// The type of a schema, past null.
fn kind(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::String(kind) => Some(kind),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
        _ => None,
    }
}

fn put(
    object: &mut Map<String, Value>,
    root: &Value,
    schema: &Value,
    name: &str,
    text: &str,
    more: bool,
) -> Result<()> {
    let schema = resolve(root, schema);
    if kind(schema) == Some("array") {
        let items = schema.get("items").map_or(&Value::Null, |items| resolve(root, items));
        let item = scalar(items, name, text)?;
        if let Value::Array(all) = object.entry(name).or_insert_with(|| Value::Array(Vec::new())) {
            all.push(item);
        }
        return Ok(());
    }
    if more {
        return Err(Status::invalid_argument(format!("{name}: given twice, and no list")));
    }
    object.insert(name.to_owned(), scalar(schema, name, text)?);
    Ok(())
}

fn scalar(schema: &Value, name: &str, text: &str) -> Result<Value> {
    let wrong = |expected: &str| Status::invalid_argument(format!("{name}: expected {expected}"));
    match kind(schema) {
        Some("integer") => {
            let number = text.parse::<i64>().map(Number::from).or_else(|_| text.parse::<u64>().map(Number::from));
            number.map(Value::Number).map_err(|_| wrong("an integer"))
        }
        Some("number") => {
            let number = text.parse::<f64>().ok().and_then(Number::from_f64);
            number.map(Value::Number).ok_or_else(|| wrong("a number"))
        }
        Some("boolean") => match text {
            "true" | "1" => Ok(true.into()),
            "false" | "0" => Ok(false.into()),
            _ => Err(wrong("true or false")),
        },
        Some("object") => match serde_json::from_str(text) {
            Ok(Value::Object(object)) => Ok(Value::Object(object)),
            _ => Err(wrong("a JSON object")),
        },
        _ => Ok(text.into()),
    }
}

#[cfg(test)]
mod tests {
    use motet_core::BodyShape;
    use serde_json::json;

    use super::*;

    fn method() -> MethodDescriptor {
        let schema = json!({
            "type": "object",
            "properties": {
                "name": { "type": "string" }, "count": { "type": "integer" }, "share": { "type": ["number", "null"] },
                "loud": { "type": "boolean" }, "tags": { "type": "array", "items": { "type": "integer" } },
                "tone": { "anyOf": [{ "$ref": "#/$defs/Tone" }, { "type": "null" }] },
                "more": { "type": "object" },
            },
            "$defs": { "Tone": { "type": "string", "enum": ["warm"] } },
        });
        MethodDescriptor::new("greeter", "hello").request(BodyShape::Message, schema)
    }

    fn bound(path: &[(&str, &str)], query: &str, body: &'static str) -> Result<Value> {
        let path: Vec<_> = path.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect();
        let body = bind(&method(), &path, query, &Bytes::from_static(body.as_bytes()))?;
        Ok(serde_json::from_slice(&body).expect("JSON"))
    }

    #[test]
    fn parameters_have_the_types_of_the_schema() {
        let query = "count=-7&share=0.5&loud=true&tags=1&tags=2&tone=warm&unknown=x&more=%7B%22a%22%3A1%7D";
        let expected = json!({
            "name": "7", "count": -7, "share": 0.5, "loud": true, "tags": [1, 2], "tone": "warm", "more": {"a": 1},
        });
        assert_eq!(bound(&[("name", "7")], query, "").expect("fits"), expected);
        assert_eq!(bound(&[], "count=18446744073709551615", "").expect("fits"), json!({"count": u64::MAX}));
    }

    #[test]
    fn the_path_counts_above_the_body_and_the_body_above_the_query() {
        let body = r#"{"name": "body", "count": 1}"#;
        let all = bound(&[("name", "path")], "name=query&count=2&loud=0", body).expect("fits");
        assert_eq!(all, json!({"name": "path", "count": 1, "loud": false}));
    }

    #[test]
    fn what_does_not_fit_is_named_and_not_quoted() {
        for (query, expected) in [
            ("count=secret", "count: expected an integer"),
            ("share=inf", "share: expected a number"),
            ("loud=secret", "loud: expected true or false"),
            ("tags=secret", "tags: expected an integer"),
            ("more=secret", "more: expected a JSON object"),
            ("name=a&name=b", "name: given twice, and no list"),
        ] {
            let status = bound(&[], query, "").expect_err(query);
            assert!(status.message().contains(expected) && !status.message().contains("secret"), "{status}");
        }
        assert!(bound(&[], "count=1", "[]").is_err());
    }
}

//! Bodies, which are objects, and what JSON-RPC has in their place: parameters by name or position, and
//! bare values.

use std::{borrow::Cow, fmt};

use bytes::{BufMut, Bytes, BytesMut};
use motet_core::{BodyShape, MethodDescriptor};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Value, value::RawValue};

use crate::{ErrorObject, Version, message::write_text, scan};

/// The body of a request's parameters.
///
/// By position they are the method's arguments in the order of their declaration; in 1.0 a struct in
/// the first place is the object of all arguments, as Go sends them, and its fields are found whatever
/// the case of their names.
///
/// # Errors
/// They do not fit the method, in 1.0 in Go's words.
pub fn request_body(method: &MethodDescriptor, version: Version, params: Option<&Bytes>) -> Result<Bytes, ErrorObject> {
    let Some(params) = params else {
        return match version {
            Version::V1 => Err(ErrorObject::new(0, "jsonrpc: request body missing params")),
            Version::V2 => Ok(empty()),
        };
    };
    let items = match params.first() {
        Some(b'[') => items(params),
        Some(b'{') if version == Version::V2 => return Ok(params.clone()),
        first => return Err(no_array(first)),
    };
    let names: Vec<_> = method.arguments.iter().map(|argument| argument.name.as_str()).collect();
    let body = match (method.request_shape, &items[..]) {
        (BodyShape::Empty, _) | (_, []) => empty(),
        (BodyShape::Arguments, [one]) if is_object(one) && (names.len() > 1 || has_key(one, names.first())) => {
            one.clone()
        }
        (BodyShape::Arguments, items) => {
            if version == Version::V2 && items.len() > names.len() {
                let text = format!("{} takes {} parameters, not {}", method.path, names.len(), items.len());
                return Err(ErrorObject::new(ErrorObject::INVALID_PARAMS, text));
            }
            object(names.into_iter().zip(items))
        }
        (_, items) if version == Version::V2 && items.len() > 1 => {
            let text = format!("{} takes one parameter, not {}", method.path, items.len());
            return Err(ErrorObject::new(ErrorObject::INVALID_PARAMS, text));
        }
        (_, [one, ..]) if is_object(one) => one.clone(),
        (_, [null, ..]) if null[..] == *b"null" => empty(),
        (_, [one, ..]) => object([(lone_property(&method.request), one)]),
    };
    Ok(if version == Version::V1 { folded(body, &method.request) } else { body })
}

/// The parameters of a request's body; `None` where there are none.
pub fn request_params(method: &MethodDescriptor, version: Version, body: &Bytes) -> Option<Bytes> {
    let one = |item: &[u8]| [b"[", item, b"]"].concat().into();
    match method.request_shape {
        BodyShape::Empty => None,
        BodyShape::Arguments if method.arguments.len() == 1 => member(body, &method.arguments[0].name).map(|v| one(&v)),
        BodyShape::Value => member(body, "value").map(|v| one(&v)),
        _ if version == Version::V2 => Some(body.clone()),
        _ => Some(one(body)),
    }
}

/// The result of a reply's body: scalars and collections are bare.
pub fn reply_result(method: &MethodDescriptor, body: Bytes) -> Bytes {
    bare_message(method.reply_shape, body)
}

/// The reply's body of a result.
pub fn reply_body(method: &MethodDescriptor, version: Version, result: Bytes) -> Bytes {
    match method.reply_shape {
        BodyShape::Empty => empty(),
        _ if version == Version::V2 && method.reply_shape != BodyShape::Value => result,
        BodyShape::Value if version == Version::V2 => object([("value", &result)]),
        BodyShape::Value => folded(object([("value", &result)]), &method.reply),
        _ => folded(result, &method.reply),
    }
}

/// A message of a stream as it travels: scalars and collections are bare.
pub fn bare_message(shape: BodyShape, body: Bytes) -> Bytes {
    match shape {
        BodyShape::Value => member(&body, "value").unwrap_or(body),
        _ if body.trim_ascii().is_empty() => empty(),
        _ => body,
    }
}

/// The body of a message of a stream that came bare.
pub fn wrapped_message(shape: BodyShape, message: Bytes) -> Bytes {
    match shape {
        BodyShape::Value => object([("value", &message)]),
        BodyShape::Empty => empty(),
        _ => message,
    }
}

fn empty() -> Bytes {
    Bytes::from_static(b"{}")
}

/// Go's words for parameters that are no array.
fn no_array(first: Option<&u8>) -> ErrorObject {
    let what = match first {
        Some(b'{') => "object",
        Some(b'"') => "string",
        Some(b't' | b'f') => "bool",
        _ => "number",
    };
    ErrorObject::new(0, format!("json: cannot unmarshal {what} into Go value of type [1]interface {{}}"))
}

fn items(array: &Bytes) -> Vec<Bytes> {
    scan::elements(array).unwrap_or_default().into_iter().map(|item| array.slice_ref(item)).collect()
}

fn object<'a>(members: impl IntoIterator<Item = (&'a str, &'a Bytes)>) -> Bytes {
    let mut out = BytesMut::from(&b"{"[..]);
    for (name, value) in members {
        if out.len() > 1 {
            out.put_u8(b',');
        }
        write_text(name, &mut out);
        out.put_u8(b':');
        out.put_slice(value);
    }
    out.put_u8(b'}');
    out.freeze()
}

fn is_object(text: &[u8]) -> bool {
    text.first() == Some(&b'{')
}

fn has_key(text: &[u8], name: Option<&&str>) -> bool {
    let mut found = false;
    visit(text, |key, _| found |= name.is_some_and(|name| plain(key) == plain(name)));
    found
}

/// The value of a member of an object.
fn member(object: &Bytes, name: &str) -> Option<Bytes> {
    let mut found = None;
    visit(object, |key, value| {
        if key == name {
            found = Some(object.slice_ref(value.as_bytes()));
        }
    });
    found
}

/// The name under which a bare value stands in the object: that of its only field, else `value`.
fn lone_property(schema: &Value) -> &str {
    let properties = schema.get("properties").and_then(Value::as_object);
    let lone = properties.filter(|properties| properties.len() == 1).and_then(|properties| properties.keys().next());
    lone.map_or("value", String::as_str)
}

/// The same body with the names of fields as the schema spells them, and zeros for nulls. Go's JSON
/// finds a field whatever the case, structs without tags have upper case names, and a nil slice or map
/// is `null`.
fn folded(body: Bytes, schema: &Value) -> Bytes {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return body };
    if !is_object(&body) {
        return body;
    }
    let mut strange = false;
    let known = |key| std::str::from_utf8(key).is_ok_and(|key| properties.contains_key(key));
    let all = scan::members(&body, |key, _, null| strange |= null || !known(key));
    if all.is_some() && !strange {
        return body;
    }
    let Ok(mut value) = serde_json::from_slice(&body) else { return body };
    fold(&mut value, schema, schema);
    serde_json::to_vec(&value).map_or(body, Bytes::from)
}

fn fold(value: &mut Value, schema: &Value, root: &Value) {
    let reference = schema.get("$ref").and_then(Value::as_str).and_then(|path| root.pointer(path.strip_prefix('#')?));
    let schema = reference.unwrap_or(schema);
    for variants in ["anyOf", "oneOf", "allOf"] {
        for variant in schema.get(variants).and_then(Value::as_array).into_iter().flatten() {
            // A recursive schema is no endless way: what it says of this value is asked once more.
            let direct = variant.get("$ref").is_some() || variant.get("properties").is_some();
            if direct && reference.is_none() {
                fold(value, variant, root);
            }
        }
    }
    match value {
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                items.iter_mut().for_each(|item| fold(item, schema, root));
            }
        }
        Value::Object(members) => {
            let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
                if let Some(schema) = schema.get("additionalProperties") {
                    members.values_mut().for_each(|member| fold(member, schema, root));
                }
                return;
            };
            for (key, mut member) in std::mem::take(members) {
                let known = properties.keys().find(|name| **name == key);
                let known = known.or_else(|| properties.keys().find(|name| plain(name) == plain(&key)));
                if let Some(schema) = known.and_then(|name| properties.get(name)) {
                    match member.is_null() {
                        true => member = zero(schema, root),
                        false => fold(&mut member, schema, root),
                    }
                }
                members.insert(known.cloned().unwrap_or(key), member);
            }
        }
        _ => {}
    }
}

/// What Go makes of `null`: the zero of the type, unless nothing is one of its values.
fn zero(schema: &Value, root: &Value) -> Value {
    let reference = schema.get("$ref").and_then(Value::as_str).and_then(|path| root.pointer(path.strip_prefix('#')?));
    match reference.unwrap_or(schema).get("type").and_then(Value::as_str) {
        Some("array") => Value::Array(Vec::new()),
        Some("object") => Value::Object(serde_json::Map::new()),
        Some("string") => "".into(),
        Some("boolean") => false.into(),
        Some("integer" | "number") => 0.into(),
        _ => Value::Null,
    }
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| *c != '_').collect::<String>().to_ascii_lowercase()
}

/// Calls `f` with the members of an object; what is no object has none.
fn visit(text: &[u8], f: impl FnMut(&str, &str)) {
    struct Each<F>(F);
    impl<'de, F: FnMut(&str, &str)> Visitor<'de> for Each<F> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
            while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                let value: &RawValue = map.next_value()?;
                (self.0)(&key, value.get());
            }
            Ok(())
        }
    }
    // The members before an error count: whoever reads the body next says what is wrong.
    let _ = serde_json::Deserializer::from_slice(text).deserialize_map(Each(f));
}

#[cfg(test)]
mod tests {
    use motet_core::ArgumentDescriptor;
    use serde_json::json;

    use super::*;

    fn method(shape: BodyShape, names: &[&str]) -> MethodDescriptor {
        let properties: serde_json::Map<_, _> = names.iter().map(|name| ((*name).to_owned(), json!(true))).collect();
        MethodDescriptor::new("s", "m")
            .arguments(names.iter().map(|name| ArgumentDescriptor::new(*name)))
            .request(shape, json!({ "type": "object", "properties": properties }))
    }

    fn body(method: &MethodDescriptor, version: Version, params: &str) -> Result<String, String> {
        let body = request_body(method, version, Some(&Bytes::copy_from_slice(params.as_bytes())));
        body.map(|body| String::from_utf8(body.to_vec()).expect("text")).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn params_become_the_body_that_the_method_declares() {
        use BodyShape::{Arguments, Empty, Message};
        use Version::{V1, V2};
        for (shape, names, version, params, expected) in [
            (Arguments, &["name"][..], V1, "[\"李白\"]", "{\"name\":\"李白\"}"),
            (Arguments, &["name"], V1, "[\"a\", 2, 3]", "{\"name\":\"a\"}"),
            (Arguments, &["name"], V1, "[]", "{}"),
            (Arguments, &["name"], V1, "[{\"Name\":\"a\"}]", "{\"name\":\"a\"}"),
            (Arguments, &["map"], V1, "[{\"k\":1}]", "{\"map\":{\"k\":1}}"),
            (Arguments, &["a", "b"], V1, "[{\"A\":7,\"B\":8}]", "{\"a\":7,\"b\":8}"),
            (Arguments, &["a", "b"], V2, "[7, 8]", "{\"a\":7,\"b\":8}"),
            (Arguments, &["a", "b"], V2, "{\"b\":8,\"a\":7}", "{\"b\":8,\"a\":7}"),
            (Message, &["first_name"], V1, "[{\"FirstName\":\"x\"}]", "{\"first_name\":\"x\"}"),
            (Message, &["name"], V2, "[{\"name\":1}]", "{\"name\":1}"),
            (Message, &["name"], V2, "[\"x\"]", "{\"name\":\"x\"}"),
            (Message, &["a", "b"], V1, "[3]", "{\"value\":3}"),
            (Message, &["a", "b"], V1, "[null]", "{}"),
            (Empty, &[], V1, "[1]", "{}"),
            (Empty, &[], V2, "{}", "{}"),
        ] {
            assert_eq!(body(&method(shape, names), version, params).as_deref(), Ok(expected), "{shape:?} {params}");
        }
    }

    #[test]
    fn params_that_do_not_fit_are_refused_in_1_0_in_the_words_of_go() {
        let one = method(BodyShape::Arguments, &["name"]);
        assert_eq!(
            request_body(&one, Version::V1, None).expect_err("missing").message(),
            "jsonrpc: request body missing params"
        );
        for (params, what) in [("{}", "object"), ("\"a\"", "string"), ("7", "number"), ("true", "bool")] {
            let text = format!("json: cannot unmarshal {what} into Go value of type [1]interface {{}}");
            assert_eq!(body(&one, Version::V1, params), Err(text));
        }
        assert_eq!(body(&one, Version::V2, "[1,2]"), Err("s/m takes 1 parameters, not 2".to_owned()));
    }

    #[test]
    fn fields_of_go_are_found_at_any_depth() {
        let schema = json!({
            "properties": {
                "main_item": { "$ref": "#/$defs/Item" },
                "all": { "type": "array", "items": { "$ref": "#/$defs/Item" } },
                "by_name": { "additionalProperties": { "$ref": "#/$defs/Item" } },
                "maybe": { "anyOf": [{ "$ref": "#/$defs/Item" }, { "type": "null" }] },
            },
            "$defs": { "Item": { "properties": { "left": {}, "next": { "$ref": "#/$defs/Item" } } } },
        });
        let item = r#"{"Left":1,"Next":{"LEFT":2}}"#;
        let text = format!("{{\"MainItem\":{item},\"All\":[{item}],\"ByName\":{{\"Left\":{item}}},\"Maybe\":{item}}}");
        let folded: Value = serde_json::from_slice(&folded(Bytes::from(text), &schema)).expect("JSON");
        let item = json!({ "left": 1, "next": { "left": 2 } });
        let expected = json!({ "main_item": item, "all": [item], "by_name": { "Left": item }, "maybe": item });
        assert_eq!(folded, expected);
    }

    #[test]
    fn null_is_zero_where_nothing_is_no_value() {
        let schema = json!({ "properties": {
            "list": { "type": "array" }, "map": { "type": "object" }, "text": { "type": "string" },
            "maybe": { "type": ["string", "null"] }, "number": { "type": "integer" },
        } });
        let body = Bytes::from(r#"{"List":null,"Map":null,"Text":null,"Maybe":null,"Number":null}"#);
        let folded: Value = serde_json::from_slice(&folded(body, &schema)).expect("JSON");
        assert_eq!(folded, json!({ "list": [], "map": {}, "text": "", "maybe": null, "number": 0 }));
        let list = json!({ "properties": { "value": { "type": "array" } } });
        let method = MethodDescriptor::new("s", "m").reply(BodyShape::Value, list);
        assert_eq!(reply_body(&method, Version::V1, Bytes::from("null")), "{\"value\":[]}");
    }

    #[test]
    fn bare_values_travel_without_their_wrapping() {
        let value = MethodDescriptor::new("s", "m").reply(BodyShape::Value, json!({}));
        assert_eq!(reply_result(&value, Bytes::from("{\"value\":[1,2]}")), "[1,2]");
        assert_eq!(reply_body(&value, Version::V1, Bytes::from("null")), "{\"value\":null}");
        let one = method(BodyShape::Arguments, &["name"]);
        assert_eq!(
            request_params(&one, Version::V1, &Bytes::from("{\"name\":\"a\"}")).as_deref(),
            Some(&b"[\"a\"]"[..])
        );
        let two = method(BodyShape::Arguments, &["a", "b"]);
        let (body, bare) = (Bytes::from("{\"a\":1,\"b\":2}"), Bytes::from("[{\"a\":1,\"b\":2}]"));
        assert_eq!(request_params(&two, Version::V1, &body), Some(bare));
        assert_eq!(request_params(&two, Version::V2, &body), Some(body));
        assert_eq!(request_params(&method(BodyShape::Empty, &[]), Version::V2, &Bytes::from("{}")), None);
    }
}

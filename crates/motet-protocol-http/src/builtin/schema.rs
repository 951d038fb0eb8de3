//! Schemas of messages as an OpenAPI document needs them.

use serde_json::{Value, json};

/// A body's schema that means the same within a larger document: what refers to the whole of it does so by
/// name, and integers have the bounds that their formats mean to nobody but Motet.
pub(super) fn for_openapi(schema: &Value) -> Value {
    let mut schema = schema.clone();
    name_itself(&mut schema);
    bound(&mut schema);
    schema
}

/// A type that holds its own kind refers to the root, `#`: in a document that is another one.
fn name_itself(root: &mut Value) {
    let known = |name: &str| root["$defs"].get(name).is_some();
    let mut name = root["title"].as_str().unwrap_or("Body").to_owned();
    while known(&name) {
        name.push('_');
    }
    if !refer(root, &format!("#/$defs/{name}")) {
        return;
    }
    let mut own = root.clone();
    if let Some(fields) = own.as_object_mut() {
        fields.remove("$defs");
        fields.remove("$schema");
    }
    root["$defs"][name] = own;
}

/// Lets references to the root lead elsewhere; says whether there were any.
fn refer(value: &mut Value, to: &str) -> bool {
    match value {
        Value::Object(fields) => {
            let mut any = false;
            if let Some(Value::String(reference)) = fields.get_mut("$ref")
                && reference == "#"
            {
                to.clone_into(reference);
                any = true;
            }
            fields.values_mut().fold(any, |any, value| refer(value, to) || any)
        }
        Value::Array(all) => all.iter_mut().filter_map(|value| refer(value, to).then_some(())).count() > 0,
        _ => false,
    }
}

/// Gives integers the bounds of their width, where nothing narrower is said.
fn bound(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let is_integer = match fields.get("type") {
                Some(Value::Array(all)) => all.iter().any(|one| one == "integer"),
                one => one.is_some_and(|one| one == "integer"),
            };
            if let Some((least, most)) = fields.get("format").and_then(Value::as_str).and_then(bounds)
                && is_integer
            {
                if !fields.contains_key("minimum") && !fields.contains_key("exclusiveMinimum") {
                    fields.insert("minimum".to_owned(), least);
                }
                if !fields.contains_key("maximum") && !fields.contains_key("exclusiveMaximum") {
                    fields.insert("maximum".to_owned(), most);
                }
            }
            fields.values_mut().for_each(bound);
        }
        Value::Array(all) => all.iter_mut().for_each(bound),
        _ => {}
    }
}

fn bounds(format: &str) -> Option<(Value, Value)> {
    Some(match format {
        "int8" => (json!(i8::MIN), json!(i8::MAX)),
        "int16" => (json!(i16::MIN), json!(i16::MAX)),
        "int32" => (json!(i32::MIN), json!(i32::MAX)),
        "int64" => (json!(i64::MIN), json!(i64::MAX)),
        "uint8" => (json!(0), json!(u8::MAX)),
        "uint16" => (json!(0), json!(u16::MAX)),
        "uint32" => (json!(0), json!(u32::MAX)),
        "uint64" => (json!(0), json!(u64::MAX)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_that_holds_its_own_kind_is_referred_to_by_name() {
        let list = json!({"title": "List", "properties": {"next": {"$ref": "#"}}, "$defs": {"A": {"$ref": "#"}}});
        let named = for_openapi(&list);
        assert_eq!(named["properties"]["next"]["$ref"], "#/$defs/List");
        assert_eq!(named["$defs"]["A"]["$ref"], "#/$defs/List");
        assert_eq!(named["$defs"]["List"], json!({"title": "List", "properties": {"next": {"$ref": "#/$defs/List"}}}));
        let plain = json!({"title": "Plain", "properties": {"a": {"type": "string"}}});
        assert_eq!(for_openapi(&plain), plain);
    }

    #[test]
    fn integers_have_the_bounds_of_their_width_unless_there_are_narrower_ones() {
        let schema = json!({"properties": {
            "a": {"type": "integer", "format": "uint8", "minimum": 3},
            "b": {"type": ["integer", "null"], "format": "int64"},
            "c": {"type": "string", "format": "int8"},
        }});
        let bounded = &for_openapi(&schema)["properties"];
        assert_eq!((&bounded["a"]["minimum"], &bounded["a"]["maximum"]), (&json!(3), &json!(255)));
        assert_eq!((&bounded["b"]["minimum"], &bounded["b"]["maximum"]), (&json!(i64::MIN), &json!(i64::MAX)));
        assert_eq!(bounded["c"], schema["properties"]["c"]);
    }
}

//! What a schema asks of a value, in words.

use serde_json::Value;

/// The rules of a field, such as `1 to 40 characters`.
pub(super) fn of(schema: &Value) -> String {
    let mut rules = Vec::new();
    if schema["x-sensitive"] == Value::Bool(true) {
        rules.push("sensitive".to_owned());
    }
    let unsigned = schema["format"].as_str().is_some_and(|format| format.starts_with("uint"));
    rules.extend(range(&schema["minLength"], &schema["maxLength"], "character"));
    rules.extend(range(&schema["minItems"], &schema["maxItems"], "item"));
    rules.extend(range(&schema["minProperties"], &schema["maxProperties"], "entry"));
    // That an unsigned number is not below zero is said by its type.
    let zero = unsigned && schema["minimum"].as_f64() == Some(0.0);
    let least = if zero { &Value::Null } else { &schema["minimum"] };
    rules.extend(range(least, &schema["maximum"], ""));
    for (key, words) in [("exclusiveMinimum", "above"), ("exclusiveMaximum", "below"), ("multipleOf", "a multiple of")]
    {
        if schema[key].is_number() {
            rules.push(format!("{words} {}", schema[key]));
        }
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        rules.push(format!("matches {pattern}"));
    }
    if let Some(format) = schema["format"].as_str() {
        rules.extend(format_in_words(format).map(str::to_owned));
    }
    if schema["uniqueItems"] == Value::Bool(true) {
        rules.push("no item twice".to_owned());
    }
    if schema["deprecated"] == Value::Bool(true) {
        rules.push("deprecated".to_owned());
    }
    // Nothing is what a field has that is left out anyway.
    let default = schema.get("default").filter(|value| {
        !matches!(value, Value::Null | Value::Bool(false))
            && **value != ""
            && value.as_array().is_none_or(|all| !all.is_empty())
    });
    rules.extend(default.map(|value| format!("default {value}")));
    rules.join(", ")
}

fn range(least: &Value, most: &Value, noun: &str) -> Option<String> {
    let of = |count: &Value| match noun {
        "" => count.to_string(),
        "entry" if *count == 1 => "1 entry".to_owned(),
        "entry" => format!("{count} entries"),
        noun => format!("{count} {noun}{}", if *count == 1 { "" } else { "s" }),
    };
    match (least.is_number(), most.is_number()) {
        (true, true) if least == most => Some(format!("exactly {}", of(most))),
        (true, true) => Some(format!("{least} to {}", of(most))),
        (true, false) => Some(format!("at least {}", of(least))),
        (false, true) => Some(format!("at most {}", of(most))),
        (false, false) => None,
    }
}

fn format_in_words(format: &str) -> Option<&str> {
    match format {
        "email" => Some("an e-mail address"),
        "uri" | "url" => Some("a URL"),
        "ip" => Some("an IP address"),
        "ipv4" => Some("an IPv4 address"),
        "ipv6" => Some("an IPv6 address"),
        "date-time" => Some("a date and time, RFC 3339"),
        "date" => Some("a date, RFC 3339"),
        "uuid" => Some("a UUID"),
        "byte" | "base64" => Some("base64"),
        // The width of a number is in its type.
        _ if format.contains("int") || format == "double" || format == "float" => None,
        other => Some(other),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rules_are_said_in_words() {
        for (schema, words) in [
            (json!({"minLength": 1, "maxLength": 40}), "1 to 40 characters"),
            (json!({"minLength": 1}), "at least 1 character"),
            (json!({"maxItems": 3, "default": []}), "at most 3 items"),
            (json!({"minItems": 2, "maxItems": 2}), "exactly 2 items"),
            (json!({"format": "uint32", "minimum": 0, "maximum": 9}), "at most 9"),
            (json!({"format": "int32", "minimum": 0}), "at least 0"),
            (json!({"exclusiveMinimum": 0.5}), "above 0.5"),
            (json!({"pattern": "^a+$"}), "matches ^a+$"),
            (json!({"format": "email"}), "an e-mail address"),
            (json!({"default": 5}), "default 5"),
            (json!({"default": ""}), ""),
            (json!({"x-sensitive": true, "maxLength": 8}), "sensitive, at most 8 characters"),
            (json!(true), ""),
        ] {
            assert_eq!(of(&schema), words, "{schema}");
        }
    }
}

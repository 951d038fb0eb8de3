//! Two bodies as JSON and MessagePack have them, by their schemas.

use std::collections::BTreeSet;

use serde_json::Value;

/// Who writes the body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The caller, by the old description; the service reads it by the new one.
    Request,
    /// The service, by the new description; the caller reads it by the old one.
    Reply,
}

type Add<'a> = dyn FnMut(String, String) + 'a;

pub(super) fn compare(root: &str, old: &Value, new: &Value, side: Side, add: &mut Add<'_>) {
    let mut walk = Walk { old, new, side, open: Vec::new(), visited: 0, add };
    walk.value(root, old, new, 0);
}

/// How deep bodies are compared, and how many values of one.
const MAX_DEPTH: usize = 64;
const MAX_VALUES: usize = 100_000;

/// Bounds: the key, and whether a greater number is tighter.
const BOUNDS: [(&str, &str, bool); 8] = [
    ("minimum", "the least value", true),
    ("exclusiveMinimum", "what values must be above", true),
    ("minLength", "the least length", true),
    ("minItems", "the least number of items", true),
    ("maximum", "the greatest value", false),
    ("exclusiveMaximum", "what values must be below", false),
    ("maxLength", "the greatest length", false),
    ("maxItems", "the greatest number of items", false),
];

struct Walk<'a, 'b> {
    old: &'a Value,
    new: &'a Value,
    side: Side,
    /// Pairs of definitions that are being compared: types contain themselves.
    open: Vec<(&'a str, &'a str)>,
    visited: usize,
    add: &'a mut Add<'b>,
}

impl<'a> Walk<'a, '_> {
    fn value(&mut self, path: &str, old: &'a Value, new: &'a Value, depth: usize) {
        self.visited += 1;
        if depth > MAX_DEPTH || self.visited > MAX_VALUES || old.is_null() || new.is_null() {
            return;
        }
        let pair = reference(old).zip(reference(new));
        if pair.is_some_and(|pair| self.open.contains(&pair)) {
            return;
        }
        self.open.extend(pair);
        self.resolved(path, old, new, depth);
        self.open.truncate(self.open.len() - usize::from(pair.is_some()));
    }

    fn resolved(&mut self, path: &str, old: &'a Value, new: &'a Value, depth: usize) {
        let (old, new) = (resolved(self.old, old), resolved(self.new, new));
        let (before, now) = (types(old), types(new));
        if !before.is_empty() && !now.is_empty() && !self.reads(&before, &now) {
            let (before, now) = (before.into_iter().collect::<Vec<_>>(), now.into_iter().collect::<Vec<_>>());
            return (self.add)(path.to_owned(), format!("it was {} and is {}", before.join(" or "), now.join(" or ")));
        }
        if self.side == Side::Request {
            self.bounds(path, old, new);
        }
        self.choices(path, old, new);
        self.properties(path, old, new, depth);
        if let (Some(before), Some(now)) = (old.get("items"), new.get("items")) {
            self.value(&format!("{path}[]"), before, now, depth + 1);
        }
        if let (Some(before), Some(now)) = (old.get("additionalProperties"), new.get("additionalProperties"))
            && before.is_object()
            && now.is_object()
        {
            self.value(&format!("{path}[]"), before, now, depth + 1);
        }
    }

    /// Whether who reads takes every type that who writes may write.
    fn reads(&self, old: &BTreeSet<String>, new: &BTreeSet<String>) -> bool {
        let (written, read) = if self.side == Side::Request { (old, new) } else { (new, old) };
        written.iter().all(|ty| read.contains(ty) || (ty == "integer" && read.contains("number")))
    }

    fn bounds(&mut self, path: &str, old: &Value, new: &Value) {
        for (key, what, greater_is_tighter) in BOUNDS {
            let Some(now) = new.get(key) else { continue };
            match old.get(key) {
                None => (self.add)(path.to_owned(), format!("{what} is now limited to {now}")),
                Some(before) => {
                    let (a, b) = (before.as_f64().unwrap_or_default(), now.as_f64().unwrap_or_default());
                    if (greater_is_tighter && b > a) || (!greater_is_tighter && b < a) {
                        (self.add)(path.to_owned(), format!("{what} was {before} and is {now}"));
                    }
                }
            }
        }
        if let Some(now) = new.get("pattern").filter(|now| Some(*now) != old.get("pattern")) {
            (self.add)(path.to_owned(), format!("it must match {now} now"));
        }
    }

    /// The texts of an enum, and the variants of one with data.
    fn choices(&mut self, path: &str, old: &'a Value, new: &'a Value) {
        let (before, now) = (variants(old), variants(new));
        if before.is_empty() || now.is_empty() {
            return;
        }
        let (written, read) = if self.side == Side::Request { (&before, &now) } else { (&now, &before) };
        for lost in written.difference(read) {
            let what = match self.side {
                Side::Request => format!("{lost:?} is no longer taken"),
                Side::Reply => format!("it may be {lost:?} now, which callers do not know"),
            };
            (self.add)(path.to_owned(), what);
        }
    }

    fn properties(&mut self, path: &str, old: &'a Value, new: &'a Value, depth: usize) {
        let fields = |schema: &'a Value| schema.get("properties").and_then(Value::as_object);
        let (Some(before), Some(now)) = (fields(old), fields(new)) else { return };
        for (name, field) in before {
            let path = format!("{path}.{name}");
            match now.get(name) {
                Some(now) => self.value(&path, field, now, depth + 1),
                None if self.side == Side::Request => (self.add)(path, "it is gone: what is sent is lost".to_owned()),
                None => (self.add)(path, "it is gone".to_owned()),
            }
        }
        let (asked, given) = (required(old), required(new));
        match self.side {
            Side::Request => {
                for name in given.difference(&asked) {
                    let what = match before.contains_key(*name) {
                        true => "it was optional and is asked for now",
                        false => "it is new, and requests without it are refused; make it an Option",
                    };
                    (self.add)(format!("{path}.{name}"), what.to_owned());
                }
            }
            Side::Reply => {
                for name in asked.difference(&given).filter(|name| now.contains_key(**name)) {
                    (self.add)(format!("{path}.{name}"), "it was always there and may be absent now".to_owned());
                }
            }
        }
    }
}

fn reference(schema: &Value) -> Option<&str> {
    schema.get("$ref").and_then(Value::as_str)
}

/// The schema behind a reference, and behind `anyOf` with null.
fn resolved<'a>(root: &'a Value, mut schema: &'a Value) -> &'a Value {
    for _ in 0..16 {
        let several = ["anyOf", "allOf"].into_iter().find_map(|key| schema.get(key).and_then(Value::as_array));
        let only = several.and_then(|several| {
            let mut others = several.iter().filter(|one| one.get("type").is_none_or(|ty| ty != "null"));
            others.next().filter(|_| others.next().is_none())
        });
        let next = only.or_else(|| root.pointer(reference(schema)?.trim_start_matches('#')));
        match next {
            Some(next) => schema = next,
            None => return schema,
        }
    }
    schema
}

/// The JSON types that a schema names, without null: an optional value may always be left out.
fn types(schema: &Value) -> BTreeSet<String> {
    let named = schema.get("type");
    let all = named.into_iter().flat_map(|ty| ty.as_array().map_or(std::slice::from_ref(ty), Vec::as_slice));
    all.filter_map(Value::as_str).filter(|ty| *ty != "null").map(str::to_owned).collect()
}

fn required(schema: &Value) -> BTreeSet<&str> {
    schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

fn variants(schema: &Value) -> BTreeSet<String> {
    let of = |schema: &Value| -> Vec<String> {
        let listed = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
        let named = listed.chain(schema.get("const")).filter_map(Value::as_str).map(str::to_owned);
        let keyed = schema.get("properties").and_then(Value::as_object).filter(|fields| fields.len() == 1);
        named.chain(keyed.into_iter().flat_map(|fields| fields.keys().cloned())).collect()
    };
    match schema.get("oneOf").and_then(Value::as_array) {
        Some(several) => several.iter().flat_map(of).collect(),
        None if schema.get("enum").is_some() => of(schema).into_iter().collect(),
        None => BTreeSet::new(),
    }
}

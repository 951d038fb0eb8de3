//! Names as protobuf allows and expects them.

use std::collections::BTreeSet;

use crate::desc::{Card, FieldType, Leaf, MessageDesc, MessageKind};

/// The longest name of a message that is made of others' names.
const MAX_NAME: usize = 120;

/// The names that are taken in one scope.
#[derive(Default)]
pub(super) struct Taken(BTreeSet<String>);

impl Taken {
    /// The first of these names that is free, or the first with a number behind it.
    pub(super) fn take(&mut self, names: impl IntoIterator<Item = String>) -> String {
        let names: Vec<String> = names.into_iter().collect();
        let first = names.first().cloned().unwrap_or_default();
        let numbered = (2_u32..).map(|n| format!("{first}{n}"));
        let free = names.into_iter().chain(numbered).find(|name| !self.0.contains(name));
        let name = free.expect("numbers do not end");
        self.0.insert(name.clone());
        name
    }
}

/// Letters, digits and `_`, no digit first.
pub(super) fn identifier(name: &str) -> String {
    let name = name.strip_prefix("r#").unwrap_or(name);
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => out.push(c),
            c if c.is_alphanumeric() => out.push_str(&format!("u{:x}", u32::from(c))),
            _ => out.push('_'),
        }
    }
    if out.is_empty() || out.starts_with(|c: char| c.is_ascii_digit()) {
        out.insert(0, '_');
    }
    out
}

/// `DarkRed` as `dark_red`, `HTTPServer` as `http_server`.
pub(super) fn snake(name: &str) -> String {
    let name: Vec<char> = identifier(name).chars().collect();
    let mut out = String::new();
    for (at, c) in name.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| name.get(at));
        let word = c.is_ascii_uppercase()
            && before.is_some_and(|before| {
                let next = name.get(at + 1).is_some_and(char::is_ascii_lowercase);
                before.is_ascii_lowercase() || before.is_ascii_digit() || (before.is_ascii_uppercase() && next)
            });
        if word {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

/// `dark_red` as `DarkRed`; capital letters stay.
pub(super) fn camel(name: &str) -> String {
    let name = identifier(name);
    let words = name.split('_').filter(|word| !word.is_empty());
    words.map(|word| word[..1].to_ascii_uppercase() + &word[1..]).collect()
}

/// The name of a map's entry, which is laid down: `by_name` has `ByNameEntry`.
pub(super) fn entry(field: &str) -> String {
    let mut upper = true;
    let mut out = String::new();
    for c in field.chars() {
        if c == '_' {
            upper = true;
        } else {
            out.push(if upper { c.to_ascii_uppercase() } else { c });
            upper = false;
        }
    }
    out + "Entry"
}

/// What a message may be called, best name first.
pub(super) fn of_message(desc: &MessageDesc) -> Vec<String> {
    let own = match desc.kind() {
        MessageKind::Tuple => {
            let fields = desc.fields().iter().map(|field| label(field.ty()));
            format!("Tuple{}", fields.collect::<String>())
        }
        _ => identifier(desc.name()) + &desc.arguments().iter().map(|ty| label(*ty)).collect::<String>(),
    };
    with_modules(own, desc.module())
}

/// What an enum may be called, best name first.
pub(super) fn of_enum(name: &str, module: &str) -> Vec<String> {
    with_modules(identifier(name), module)
}

fn with_modules(mut name: String, module: &str) -> Vec<String> {
    name.truncate(MAX_NAME);
    let mut names = vec![name.clone()];
    for module in module.rsplit("::").filter(|module| !module.is_empty()) {
        name = camel(module) + &name;
        names.push(name.clone());
    }
    names
}

/// What a type is called in the name of one that is made of it.
fn label(ty: FieldType) -> String {
    let card = match ty.card() {
        Card::One => "",
        Card::Optional => "Optional",
        Card::List => "List",
        Card::Map => "Map",
    };
    let leaf = match ty.leaf() {
        Leaf::Scalar(scalar) => camel(scalar.name()),
        Leaf::String => "String".to_owned(),
        Leaf::Bytes => "Bytes".to_owned(),
        Leaf::Enum(desc) => identifier(desc().name()),
        Leaf::Message(desc) if desc().kind() == MessageKind::Entry => {
            desc().fields().iter().map(|field| label(field.ty())).collect()
        }
        Leaf::Message(desc) => of_message(desc()).swap_remove(0),
    };
    card.to_owned() + &leaf
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_protobuf_allows_and_expects() {
        for (name, expected) in [("DarkRed", "dark_red"), ("HTTPServer", "http_server"), ("V2", "v2"), ("a1B", "a1_b")]
        {
            assert_eq!(snake(name), expected);
        }
        assert_eq!([camel("dark_red"), entry("by_name"), entry("byName")], ["DarkRed", "ByNameEntry", "ByNameEntry"]);
        assert_eq!([identifier("r#type"), identifier("größe"), identifier("7x")], ["type", "gruf6udfe", "_7x"]);
        let mut taken = Taken::default();
        let names = || ["User".to_owned(), "BUser".to_owned()];
        assert_eq!([(); 3].map(|()| taken.take(names())), ["User", "BUser", "User2"]);
    }
}

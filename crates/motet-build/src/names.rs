//! Names in Rust, by the rules of prost-build.

use heck::{ToSnakeCase as _, ToUpperCamelCase as _};
use prost_reflect::{EnumDescriptor, MessageDescriptor};

/// A name that Rust takes: keywords are raw identifiers.
fn sanitized(name: String) -> String {
    const RAW: [&str; 47] = [
        "as", "break", "const", "continue", "else", "enum", "false", "fn", "for", "if", "impl", "in", "let", "loop",
        "match", "mod", "move", "mut", "pub", "ref", "return", "static", "struct", "trait", "true", "type", "unsafe",
        "use", "where", "while", "dyn", "abstract", "become", "box", "do", "final", "macro", "override", "priv",
        "typeof", "unsized", "virtual", "yield", "async", "await", "try", "gen",
    ];
    match name.as_str() {
        "_" | "super" | "self" | "Self" | "extern" | "crate" => format!("{name}_"),
        raw if RAW.contains(&raw) => format!("r#{name}"),
        digit if digit.starts_with(|c: char| c.is_numeric()) => format!("_{name}"),
        _ => name,
    }
}

pub(crate) fn snake(name: &str) -> String {
    sanitized(name.to_snake_case())
}

pub(crate) fn camel(name: &str) -> String {
    sanitized(name.to_upper_camel_case())
}

/// The modules of a package.
pub(crate) fn modules(package: &str) -> Vec<String> {
    package.split('.').filter(|part| !part.is_empty()).map(snake).collect()
}

/// A type's path from the module of its package: `outer::Inner`.
pub(crate) fn within(package: &str, full: &str) -> String {
    let local = full.strip_prefix(package).unwrap_or(full).trim_start_matches('.');
    let mut parts: Vec<&str> = local.split('.').collect();
    let last = parts.pop().unwrap_or_default();
    parts.into_iter().map(snake).chain([camel(last)]).collect::<Vec<_>>().join("::")
}

/// A type's path from the module of another package.
pub(crate) fn path(from: &str, package: &str, full: &str) -> String {
    if from == package {
        return within(package, full);
    }
    let up = modules(from).into_iter().map(|_| "super".to_owned());
    up.chain(modules(package)).chain([within(package, full)]).collect::<Vec<_>>().join("::")
}

pub(crate) fn message_path(from: &str, message: &MessageDescriptor) -> String {
    path(from, message.parent_file().package_name(), message.full_name())
}

pub(crate) fn enum_path(from: &str, item: &EnumDescriptor) -> String {
    path(from, item.parent_file().package_name(), item.full_name())
}

/// What a method may not be called: its client has methods or functions of these names.
const TAKEN: [&str; 9] =
    ["one_way", "configure", "with_options", "with_timeout", "with_codec", "with_node", "new", "named", "local"];

/// The name of a method.
pub(crate) fn method(name: &str) -> String {
    let snake = snake(name);
    if TAKEN.contains(&snake.as_str()) { format!("{snake}_") } else { snake }
}

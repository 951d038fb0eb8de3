//! How a type is named where it is used.

use std::collections::BTreeSet;

use prost_types::{DescriptorProto, FileDescriptorProto};

/// The names that the compiler would find first.
pub(super) struct Scope {
    /// `.` and the package, and a dot behind it.
    prefix: String,
    /// What else the first part of a name could mean in this file.
    taken: BTreeSet<String>,
    /// Names that occur inside of messages.
    nested: BTreeSet<String>,
    /// The methods of all services: protoc takes a type of the same name for the method.
    methods: BTreeSet<String>,
}

/// Words that are no types by themselves, or other types.
const WORDS: [&str; 28] = [
    "bool",
    "bytes",
    "double",
    "enum",
    "extend",
    "extensions",
    "fixed32",
    "fixed64",
    "float",
    "group",
    "import",
    "int32",
    "int64",
    "map",
    "message",
    "oneof",
    "option",
    "optional",
    "package",
    "repeated",
    "reserved",
    "rpc",
    "service",
    "sfixed32",
    "sfixed64",
    "string",
    "uint32",
    "uint64",
];

impl Scope {
    pub(super) fn of(file: &FileDescriptorProto) -> Scope {
        let package = file.package();
        let messages = file.message_type.iter().map(|message| message.name());
        let others = file.enum_type.iter().map(|item| item.name());
        let services = file.service.iter().map(|service| service.name());
        let mut nested = BTreeSet::new();
        file.message_type.iter().for_each(|message| inside(message, &mut nested));
        let top = messages.chain(others).chain(services).map(str::to_owned);
        Scope {
            prefix: if package.is_empty() { ".".to_owned() } else { format!(".{package}.") },
            taken: top.chain(package.split('.').skip(1).map(str::to_owned)).chain(nested.iter().cloned()).collect(),
            nested,
            methods: file.service.iter().flat_map(|s| &s.method).map(|method| method.name().to_owned()).collect(),
        }
    }

    /// As [`Scope::name`], for what a method takes and gives.
    pub(super) fn name_in_service(&self, full: &str) -> String {
        let name = self.name(full);
        let first = name.split('.').next().unwrap_or_default();
        if self.methods.contains(first) { full.to_owned() } else { name }
    }

    /// The shortest name that means this type: `Person`, `google.protobuf.Empty`, `.google.Type`.
    pub(super) fn name(&self, full: &str) -> String {
        let first = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
        if let Some(name) = full.strip_prefix(&self.prefix) {
            let first = first(name);
            let misread = self.nested.contains(&first) || WORDS.contains(&name) || name.starts_with("sint");
            return if misread { full.to_owned() } else { name.to_owned() };
        }
        let name = full.trim_start_matches('.');
        if self.taken.contains(&first(name)) { full.to_owned() } else { name.to_owned() }
    }
}

fn inside(message: &DescriptorProto, names: &mut BTreeSet<String>) {
    for nested in &message.nested_type {
        names.insert(nested.name().to_owned());
        inside(nested, names);
    }
    names.extend(message.enum_type.iter().map(|item| item.name().to_owned()));
}

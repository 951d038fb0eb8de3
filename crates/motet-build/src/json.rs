//! The tables from which messages get serde: see `motet_core::proto_json`.

use std::collections::BTreeSet;

use prost_reflect::{EnumDescriptor, FieldDescriptor, FileDescriptor, Kind, MessageDescriptor};

use crate::names;

/// Those of protobuf's own messages that have a form in JSON here; the others are for compilers.
const KNOWN: [&str; 16] = [
    "Any",
    "BoolValue",
    "BytesValue",
    "DoubleValue",
    "Duration",
    "Empty",
    "FieldMask",
    "FloatValue",
    "Int32Value",
    "Int64Value",
    "ListValue",
    "StringValue",
    "Struct",
    "Timestamp",
    "UInt32Value",
    "UInt64Value",
];

/// The messages that have serde: all but those that reach what has no form in JSON.
pub(crate) struct Portable(BTreeSet<String>);

impl Portable {
    pub(crate) fn of(files: &[FileDescriptor]) -> Portable {
        let mut all: Vec<MessageDescriptor> = Vec::new();
        for file in files {
            file.messages().for_each(|message| with_nested(message, &mut all));
        }
        let mut portable: BTreeSet<String> = all.iter().map(|message| message.full_name().to_owned()).collect();
        loop {
            let before = portable.len();
            for message in &all {
                if !message.fields().all(|field| reaches_portable(&field, &portable)) {
                    portable.remove(message.full_name());
                }
            }
            if portable.len() == before {
                return Portable(portable);
            }
        }
    }

    /// Whether a message has serde.
    pub(crate) fn has(&self, message: &MessageDescriptor) -> bool {
        self.0.contains(message.full_name())
    }
}

fn with_nested(message: MessageDescriptor, all: &mut Vec<MessageDescriptor>) {
    if message.is_map_entry() {
        return;
    }
    message.child_messages().for_each(|nested| with_nested(nested, all));
    all.push(message);
}

fn reaches_portable(field: &FieldDescriptor, portable: &BTreeSet<String>) -> bool {
    match field.kind() {
        Kind::Message(message) if message.is_map_entry() => {
            message.map_entry_value_field().kind().as_message().is_none_or(|value| is_portable(value, portable))
        }
        Kind::Message(message) => is_portable(&message, portable) && !field.is_group(),
        // `null` in a list or map has no form.
        Kind::Enum(item) if item.full_name() == "google.protobuf.NullValue" => !field.is_list(),
        _ => true,
    }
}

fn is_portable(message: &MessageDescriptor, portable: &BTreeSet<String>) -> bool {
    match message.full_name().strip_prefix("google.protobuf.") {
        Some(name) => KNOWN.contains(&name) || name == "Value",
        None => portable.contains(message.full_name()),
    }
}

/// The tables of all messages and enums of a file.
pub(crate) fn tables(file: &FileDescriptor, portable: &Portable, root: &str) -> String {
    let mut out = String::new();
    let mut all = Vec::new();
    file.messages().for_each(|message| with_nested(message, &mut all));
    let inner = all.iter().flat_map(MessageDescriptor::child_enums);
    for item in file.enums().chain(inner) {
        out.push_str(&enumeration(file.package_name(), &item, root));
    }
    for message in all.iter().filter(|message| portable.has(message)) {
        out.push_str(&table(file.package_name(), message, root));
    }
    out
}

fn enumeration(package: &str, item: &EnumDescriptor, root: &str) -> String {
    // In the order of the file: of several names for a number, the first is written.
    let declared = &item.enum_descriptor_proto().value;
    let values: String = declared.iter().map(|value| format!("{} {:?},\n", value.number(), value.name())).collect();
    format!("{root}::proto::json! {{\nenum {} {{\n{values}}}\n}}\n", names::enum_path(package, item))
}

fn table(package: &str, message: &MessageDescriptor, root: &str) -> String {
    let mut out = format!("{root}::proto::json! {{\n");
    for line in crate::format::docs(&message.parent_file(), message.path()) {
        out.push_str(&format!("#[doc = {:?}]\n", format!("{line}\n")));
    }
    out.push_str(&format!("{}, {:?} {{\n", names::message_path(package, message), message.name()));
    let plain = message.fields().filter(|field| field.containing_oneof().is_none_or(|oneof| oneof.is_synthetic()));
    for field in plain {
        out.push_str(&line(package, &names::snake(field.name()), &field, root));
    }
    out.push_str("}\n");
    for oneof in message.oneofs().filter(|oneof| !oneof.is_synthetic()) {
        let name = names::snake(oneof.name());
        // The enum of a oneof is in the module of its message.
        let of = format!("{}.{}", message.full_name(), oneof.name());
        out.push_str(&format!("oneof {name}: {} {{\n", names::within(package, &of)));
        for field in oneof.fields() {
            out.push_str(&line(package, &names::camel(field.name()), &field, root));
        }
        out.push_str("}\n");
    }
    out + "}\n"
}

fn line(package: &str, ident: &str, field: &FieldDescriptor, root: &str) -> String {
    let mut kind = field.kind();
    if let Kind::Message(entry) = &kind
        && entry.is_map_entry()
    {
        kind = entry.map_entry_value_field().kind();
    }
    let way = match kind {
        Kind::Enum(item) if item.full_name() == "google.protobuf.NullValue" => "Null".to_owned(),
        Kind::Enum(item) if item.full_name().starts_with("google.protobuf.") => "Auto".to_owned(),
        Kind::Enum(item) => format!("Enum<{}>", names::enum_path(package, &item)),
        _ => "Auto".to_owned(),
    };
    format!("{ident}: {:?} {:?} {root}::proto::{way};\n", field.json_name(), field.name())
}

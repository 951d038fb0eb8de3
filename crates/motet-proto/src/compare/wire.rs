//! Two messages as protobuf writes them.

use std::collections::{BTreeMap, BTreeSet};

use motet_core::{MethodDescriptor, ServiceDescriptor};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto,
    field_descriptor_proto::{Label, Type},
};

use crate::{Files, symbols::join};

/// How deep messages are compared.
const MAX_DEPTH: usize = 64;

type Side<'a> = (&'a ServiceDescriptor, &'a MethodDescriptor, &'a Files);
type Add<'a> = dyn FnMut(String, String) + 'a;

pub(super) fn compare(old: Side<'_>, new: Side<'_>, add: &mut Add<'_>) {
    let types = (Types::of(old.2), Types::of(new.2));
    let (Some(before), Some(now)) = (bodies(old), bodies(new)) else { return };
    for (root, before, now) in [("request", before.0, now.0), ("reply", before.1, now.1)] {
        let mut walk = Walk { old: &types.0, new: &types.1, seen: BTreeSet::new(), add: &mut *add };
        walk.message(root, &before, &now);
    }
}

/// The types of a method's request and reply.
fn bodies((service, method, files): Side<'_>) -> Option<(String, String)> {
    let file = files.proto(files.file_with_symbol(&service.proto_name)?)?;
    let found = file.proto.service.iter().find(|s| join(file.package(), s.name()) == service.proto_name)?;
    let name = method.proto_path().rsplit('/').next()?;
    let rpc = found.method.iter().find(|rpc| rpc.name() == name)?;
    Some((rpc.input_type().to_owned(), rpc.output_type().to_owned()))
}

/// All messages and enums of files, by full name with a leading dot.
#[derive(Default)]
struct Types<'a> {
    messages: BTreeMap<String, &'a DescriptorProto>,
    enums: BTreeMap<String, &'a EnumDescriptorProto>,
}

impl<'a> Types<'a> {
    fn of(files: &'a Files) -> Types<'a> {
        let mut types = Types::default();
        for file in files.names().filter_map(|name| files.proto(name)) {
            let scope = if file.package().is_empty() { String::new() } else { format!(".{}", file.package()) };
            file.proto.message_type.iter().for_each(|message| types.message(&scope, message));
            file.proto.enum_type.iter().for_each(|item| types.enumeration(&scope, item));
        }
        types
    }

    fn message(&mut self, scope: &str, message: &'a DescriptorProto) {
        let name = format!("{scope}.{}", message.name());
        message.nested_type.iter().for_each(|nested| self.message(&name, nested));
        message.enum_type.iter().for_each(|item| self.enumeration(&name, item));
        self.messages.insert(name, message);
    }

    fn enumeration(&mut self, scope: &str, item: &'a EnumDescriptorProto) {
        self.enums.insert(format!("{scope}.{}", item.name()), item);
    }
}

struct Walk<'a, 'b> {
    old: &'a Types<'a>,
    new: &'a Types<'a>,
    /// Pairs of types that were compared: types contain themselves.
    seen: BTreeSet<(String, String)>,
    add: &'a mut Add<'b>,
}

impl Walk<'_, '_> {
    fn message(&mut self, path: &str, old: &str, new: &str) {
        // Descriptions come from other processes: what is nested deeper is not looked at.
        if path.matches('.').count() > MAX_DEPTH || !self.seen.insert((old.to_owned(), new.to_owned())) {
            return;
        }
        let (before, now) = (self.old.messages.get(old).copied(), self.new.messages.get(new).copied());
        let (Some(before), Some(now)) = (before, now) else {
            if before.is_some() != now.is_some() || old != new {
                (self.add)(path.to_owned(), format!("it was {} and is {}", short(old), short(new)));
            }
            return;
        };
        for field in &before.field {
            let path = format!("{path}.{}", field.name());
            match now.field.iter().find(|now| now.number() == field.number()) {
                Some(now) => self.field(&path, field, now),
                None => {
                    let moved = now.field.iter().find(|now| now.name() == field.name());
                    let what = match moved {
                        Some(now) => format!("its number was {} and is {}", field.number(), now.number()),
                        None => format!("it is gone (number {})", field.number()),
                    };
                    (self.add)(path, what);
                }
            }
        }
    }

    fn field(&mut self, path: &str, old: &FieldDescriptorProto, new: &FieldDescriptorProto) {
        let number = old.number();
        if old.name() != new.name() && old.json_name() != new.json_name() {
            let what = format!("number {number} was {} and is {}", old.name(), new.name());
            return (self.add)(path.to_owned(), what);
        }
        if (old.label() == Label::Repeated) != (new.label() == Label::Repeated) {
            return (self.add)(path.to_owned(), format!("it was {} and is {}", of(old), of(new)));
        }
        if !compatible(old.r#type(), new.r#type()) {
            return (self.add)(path.to_owned(), format!("it was {} and is {}", of(old), of(new)));
        }
        let below = if old.label() == Label::Repeated { format!("{path}[]") } else { path.to_owned() };
        match old.r#type() {
            Type::Message if new.r#type() == Type::Message => {
                self.message(&below, old.type_name(), new.type_name());
            }
            Type::Enum if new.r#type() == Type::Enum => self.enumeration(&below, old.type_name(), new.type_name()),
            _ => {}
        }
    }

    fn enumeration(&mut self, path: &str, old: &str, new: &str) {
        let (Some(before), Some(now)) = (self.old.enums.get(old), self.new.enums.get(new)) else { return };
        for value in &before.value {
            let still = now.value.iter().find(|now| now.number() == value.number());
            let what = match still {
                Some(now) if now.name() == value.name() => continue,
                Some(now) => format!("number {} was {} and is {}", value.number(), value.name(), now.name()),
                None => format!("{} is gone (number {})", value.name(), value.number()),
            };
            (self.add)(path.to_owned(), what);
        }
    }
}

/// Whether bytes of one type can be read as the other without loss of what fits both.
fn compatible(old: Type, new: Type) -> bool {
    let class = |ty: Type| match ty {
        Type::Int32 | Type::Uint32 | Type::Int64 | Type::Uint64 | Type::Bool | Type::Enum => 1,
        Type::Sint32 | Type::Sint64 => 2,
        Type::Fixed32 | Type::Sfixed32 => 3,
        Type::Fixed64 | Type::Sfixed64 => 4,
        Type::Float => 5,
        Type::Double => 6,
        Type::String => 7,
        Type::Bytes => 8,
        Type::Message | Type::Group => 9,
    };
    let narrower = matches!(
        (old, new),
        (Type::Int64 | Type::Uint64, Type::Int32 | Type::Uint32)
            | (_, Type::Bool | Type::Enum)
            | (Type::Sint64, Type::Sint32)
            | (Type::Int32, Type::Uint32)
            | (Type::Int64, Type::Uint64)
            | (Type::Uint32, Type::Int32)
            | (Type::Uint64, Type::Int64)
    );
    old == new || (class(old) == class(new) && !narrower)
}

fn of(field: &FieldDescriptorProto) -> String {
    let ty = match field.r#type() {
        Type::Message | Type::Enum | Type::Group => short(field.type_name()).to_owned(),
        scalar => scalar.as_str_name().trim_start_matches("TYPE_").to_ascii_lowercase(),
    };
    if field.label() == Label::Repeated { format!("repeated {ty}") } else { ty }
}

fn short(name: &str) -> &str {
    name.trim_start_matches('.')
}

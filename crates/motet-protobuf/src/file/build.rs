//! From shapes to a file.

use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    MessageOptions, MethodDescriptorProto, MethodOptions, OneofDescriptorProto, ServiceDescriptorProto,
    field_descriptor_proto::{Label, Type},
    method_options::IdempotencyLevel,
};

use super::comments::{self, Comments};
use super::names::{self, Taken};
use super::{Body, Idempotency, MethodFile, ServiceFile, same};
use crate::desc::{Card, EnumDesc, FieldDesc, FieldType, Leaf, MessageDesc, MessageKind, Scalar};

// Where the parts of a file stand, by the field numbers of descriptor.proto.
const MESSAGES: i32 = 4;
const ENUMS: i32 = 5;
const SERVICES: i32 = 6;
/// The fields of a message, the values of an enum, the methods of a service.
const MEMBERS: i32 = 2;

const EMPTY: &str = ".google.protobuf.Empty";
const STRUCT: &str = ".google.protobuf.Struct";

pub(super) fn file(service: &ServiceFile<'_>) -> FileDescriptorProto {
    let (package, name) = service.service.rsplit_once('.').unwrap_or(("", service.service));
    let mut file = File::new(package);
    file.taken.take([name.to_owned()]);
    file.comments.add(&[SERVICES, 0], service.doc);
    let methods = service.methods.iter().enumerate().map(|(at, method)| file.method(at, method)).collect();
    FileDescriptorProto {
        name: Some(service.file.to_owned()),
        package: (!package.is_empty()).then(|| package.to_owned()),
        dependency: file.dependencies.into_iter().map(str::to_owned).collect(),
        message_type: file.messages,
        enum_type: file.enums,
        service: vec![ServiceDescriptorProto { name: Some(name.to_owned()), method: methods, options: None }],
        source_code_info: file.comments.finish(),
        syntax: Some("proto3".to_owned()),
        ..FileDescriptorProto::default()
    }
}

/// A file in the making.
struct File {
    /// `.` and the package, and a dot behind it.
    prefix: String,
    messages: Vec<DescriptorProto>,
    enums: Vec<EnumDescriptorProto>,
    /// The descriptors of the messages so far, each with its full name.
    known: Vec<(&'static MessageDesc, String)>,
    known_enums: Vec<(&'static EnumDesc, String)>,
    taken: Taken,
    dependencies: std::collections::BTreeSet<&'static str>,
    comments: Comments,
}

impl File {
    fn new(package: &str) -> File {
        File {
            prefix: if package.is_empty() { ".".to_owned() } else { format!(".{package}.") },
            messages: Vec::new(),
            enums: Vec::new(),
            known: Vec::new(),
            known_enums: Vec::new(),
            taken: Taken::default(),
            dependencies: std::collections::BTreeSet::new(),
            comments: Comments::default(),
        }
    }

    fn method(&mut self, at: usize, method: &MethodFile<'_>) -> MethodDescriptorProto {
        self.comments.add(&[SERVICES, 0, MEMBERS, index(at)], method.doc);
        let level = match method.idempotency {
            Idempotency::Unknown => None,
            Idempotency::Idempotent => Some(IdempotencyLevel::Idempotent),
            Idempotency::NoSideEffects => Some(IdempotencyLevel::NoSideEffects),
        };
        let options = (level.is_some() || method.deprecated).then(|| MethodOptions {
            deprecated: method.deprecated.then_some(true),
            idempotency_level: level.map(i32::from),
            ..MethodOptions::default()
        });
        MethodDescriptorProto {
            name: Some(method.name.to_owned()),
            input_type: Some(self.body(method.request)),
            output_type: Some(self.body(method.reply)),
            options,
            client_streaming: method.client_streaming.then_some(true),
            server_streaming: method.server_streaming.then_some(true),
        }
    }

    fn body(&mut self, body: Body) -> String {
        match body {
            Body::Empty => self.empty(),
            Body::Struct => {
                self.dependencies.insert("google/protobuf/struct.proto");
                STRUCT.to_owned()
            }
            Body::Message(ty) => match ty.leaf() {
                Leaf::Message(desc) => self.message(desc()),
                // No body is anything else; if one were, its bytes would not be known.
                _ => self.empty(),
            },
        }
    }

    fn empty(&mut self) -> String {
        self.dependencies.insert("google/protobuf/empty.proto");
        EMPTY.to_owned()
    }

    /// The full name of a message, which is written when it is first met.
    fn message(&mut self, desc: &'static MessageDesc) -> String {
        if desc.kind() == MessageKind::Tuple && desc.fields().is_empty() {
            return self.empty();
        }
        if let Some((_, name)) = self.known.iter().find(|(known, _)| same::messages(known, desc)) {
            return name.clone();
        }
        let name = self.taken.take(names::of_message(desc));
        let full = self.prefix.clone() + &name;
        self.known.push((desc, full.clone()));
        // Its place is taken before its fields are looked at, so that it stands before what they need.
        let at = self.messages.len();
        self.messages.push(DescriptorProto::default());
        self.comments.add(&[MESSAGES, index(at)], desc.doc());
        let mut message = DescriptorProto { name: Some(name), ..DescriptorProto::default() };
        self.fields(desc, &full, &[MESSAGES, index(at)], &mut message);
        self.messages[at] = message;
        full
    }

    fn fields(&mut self, desc: &MessageDesc, full: &str, path: &[i32], message: &mut DescriptorProto) {
        let mut taken = Taken::default();
        let oneof = desc.kind() == MessageKind::Oneof;
        for (at, field) in desc.fields().iter().enumerate() {
            let name = match oneof {
                true => names::snake(field.name()),
                false => names::identifier(field.name()),
            };
            let name = taken.take([name]);
            let doc = comments::of_field(field.doc(), field.is_sensitive());
            self.comments.add(&[path, &[MEMBERS, index(at)]].concat(), &doc);
            let mut written = self.field(field, name, full, message);
            if oneof {
                written.oneof_index = Some(0);
            }
            message.field.push(written);
        }
        if oneof {
            let name = taken.take(["kind".to_owned(), "variant".to_owned()]);
            message.oneof_decl.push(OneofDescriptorProto { name: Some(name), options: None });
        }
        // Those of `optional` come behind all others.
        for field in &mut message.field {
            if field.proto3_optional.is_some() {
                field.oneof_index = Some(index(message.oneof_decl.len()));
                let name = taken.take([format!("_{}", field.name())]);
                message.oneof_decl.push(OneofDescriptorProto { name: Some(name), options: None });
            }
        }
    }

    fn field(
        &mut self,
        field: &FieldDesc,
        name: String,
        full: &str,
        message: &mut DescriptorProto,
    ) -> FieldDescriptorProto {
        let ty = field.ty();
        let (kind, type_name) = match (ty.card(), ty.leaf()) {
            (Card::Map, Leaf::Message(entry)) => {
                let nested = self.entry(entry(), &name);
                let type_name = format!("{full}.{}", nested.name());
                message.nested_type.push(nested);
                (Type::Message, Some(type_name))
            }
            _ => self.leaf(ty),
        };
        let label = match ty.card() {
            Card::List | Card::Map => Label::Repeated,
            Card::One | Card::Optional => Label::Optional,
        };
        FieldDescriptorProto {
            number: Some(index(field.number() as usize)),
            label: Some(label.into()),
            r#type: Some(kind.into()),
            type_name,
            json_name: Some(field.json_name().to_owned()),
            proto3_optional: (ty.card() == Card::Optional).then_some(true),
            name: Some(name),
            ..FieldDescriptorProto::default()
        }
    }

    /// The message of a map's entry, which stands inside that of the map.
    fn entry(&mut self, desc: &'static MessageDesc, field: &str) -> DescriptorProto {
        let mut entry = DescriptorProto {
            name: Some(names::entry(field)),
            options: Some(MessageOptions { map_entry: Some(true), ..MessageOptions::default() }),
            ..DescriptorProto::default()
        };
        for field in desc.fields() {
            let mut scratch = DescriptorProto::default();
            let field = self.field(field, field.name().to_owned(), "", &mut scratch);
            entry.field.push(field);
        }
        entry
    }

    fn leaf(&mut self, ty: FieldType) -> (Type, Option<String>) {
        match ty.leaf() {
            Leaf::Scalar(scalar) => (scalar_type(scalar), None),
            Leaf::String => (Type::String, None),
            Leaf::Bytes => (Type::Bytes, None),
            Leaf::Message(desc) => (Type::Message, Some(self.message(desc()))),
            Leaf::Enum(desc) => (Type::Enum, Some(self.enumeration(desc()))),
        }
    }

    fn enumeration(&mut self, desc: &'static EnumDesc) -> String {
        if let Some((_, name)) = self.known_enums.iter().find(|(known, _)| same::enums(known, desc)) {
            return name.clone();
        }
        let name = self.taken.take(names::of_enum(desc.name(), desc.module()));
        let full = self.prefix.clone() + &name;
        self.known_enums.push((desc, full.clone()));
        let at = index(self.enums.len());
        self.comments.add(&[ENUMS, at], desc.doc());
        let prefix = names::snake(&name).to_ascii_uppercase();
        let mut variants: Vec<_> = desc.variants().iter().map(|v| (v.name(), v.number(), v.doc())).collect();
        // The first value is that of an absent field.
        match variants.iter().position(|(_, number, _)| *number == 0) {
            Some(zero) => variants[..=zero].rotate_right(1),
            None => variants.insert(0, ("Unspecified", 0, "")),
        }
        let mut value = Vec::new();
        for (n, (name, number, doc)) in variants.into_iter().enumerate() {
            self.comments.add(&[ENUMS, at, MEMBERS, index(n)], doc);
            let name = format!("{prefix}_{}", names::snake(name).to_ascii_uppercase());
            let name = Some(self.taken.take([name]));
            value.push(EnumValueDescriptorProto { name, number: Some(number), options: None });
        }
        self.enums.push(EnumDescriptorProto { name: Some(name), value, ..EnumDescriptorProto::default() });
        full
    }
}

/// Numbers of fields are below 2^29, and a file has fewer parts than that.
fn index(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

fn scalar_type(scalar: Scalar) -> Type {
    match scalar {
        Scalar::Bool => Type::Bool,
        Scalar::Int32 => Type::Int32,
        Scalar::Int64 => Type::Int64,
        Scalar::Uint32 => Type::Uint32,
        Scalar::Uint64 => Type::Uint64,
        Scalar::Sint32 => Type::Sint32,
        Scalar::Sint64 => Type::Sint64,
        Scalar::Fixed32 => Type::Fixed32,
        Scalar::Fixed64 => Type::Fixed64,
        Scalar::Sfixed32 => Type::Sfixed32,
        Scalar::Sfixed64 => Type::Sfixed64,
        Scalar::Float => Type::Float,
        Scalar::Double => Type::Double,
    }
}

//! Those of protobuf's own files that trait-defined services import.

use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    MessageOptions, OneofDescriptorProto,
    field_descriptor_proto::{Label, Type},
};

use crate::set::File;

/// The file of this name.
pub(crate) fn file(name: &str) -> Option<File> {
    let (message_type, enum_type) = match name {
        "google/protobuf/empty.proto" => (vec![message("Empty", Vec::new())], Vec::new()),
        "google/protobuf/struct.proto" => (structs(), vec![null()]),
        _ => return None,
    };
    Some(File::of(FileDescriptorProto {
        name: Some(name.to_owned()),
        package: Some("google.protobuf".to_owned()),
        message_type,
        enum_type,
        syntax: Some("proto3".to_owned()),
        ..FileDescriptorProto::default()
    }))
}

fn structs() -> Vec<DescriptorProto> {
    const VALUE: &str = ".google.protobuf.Value";
    let mut entry =
        message("FieldsEntry", vec![field("key", 1, Type::String, ""), field("value", 2, Type::Message, VALUE)]);
    entry.options = Some(MessageOptions { map_entry: Some(true), ..MessageOptions::default() });
    let mut fields =
        message("Struct", vec![repeated(field("fields", 1, Type::Message, ".google.protobuf.Struct.FieldsEntry"))]);
    fields.nested_type.push(entry);
    let kinds = [
        ("null_value", Type::Enum, ".google.protobuf.NullValue"),
        ("number_value", Type::Double, ""),
        ("string_value", Type::String, ""),
        ("bool_value", Type::Bool, ""),
        ("struct_value", Type::Message, ".google.protobuf.Struct"),
        ("list_value", Type::Message, ".google.protobuf.ListValue"),
    ];
    let one_of = |(number, (name, ty, of)): (i32, (&str, Type, &str))| FieldDescriptorProto {
        oneof_index: Some(0),
        ..field(name, number, ty, of)
    };
    let mut value = message("Value", (1..).zip(kinds).map(one_of).collect());
    value.oneof_decl.push(OneofDescriptorProto { name: Some("kind".to_owned()), options: None });
    let list = message("ListValue", vec![repeated(field("values", 1, Type::Message, VALUE))]);
    vec![fields, value, list]
}

fn null() -> EnumDescriptorProto {
    let value = EnumValueDescriptorProto { name: Some("NULL_VALUE".to_owned()), number: Some(0), options: None };
    EnumDescriptorProto { name: Some("NullValue".to_owned()), value: vec![value], ..EnumDescriptorProto::default() }
}

fn message(name: &str, field: Vec<FieldDescriptorProto>) -> DescriptorProto {
    DescriptorProto { name: Some(name.to_owned()), field, ..DescriptorProto::default() }
}

fn field(name: &str, number: i32, ty: Type, of: &str) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(Label::Optional.into()),
        r#type: Some(ty.into()),
        type_name: (!of.is_empty()).then(|| of.to_owned()),
        json_name: Some(camel(name)),
        ..FieldDescriptorProto::default()
    }
}

fn repeated(field: FieldDescriptorProto) -> FieldDescriptorProto {
    FieldDescriptorProto { label: Some(Label::Repeated.into()), ..field }
}

/// `null_value` as `nullValue`: what JSON calls a field unless told otherwise.
pub(crate) fn camel(name: &str) -> String {
    let mut upper = false;
    let mut out = String::new();
    for c in name.chars() {
        match c {
            '_' => upper = true,
            c if upper => {
                out.push(c.to_ascii_uppercase());
                upper = false;
            }
            c => out.push(c),
        }
    }
    out
}

//! Services as traits with `#[motet::service]`.

use prost_reflect::{MessageDescriptor, MethodDescriptor, ServiceDescriptor};
use prost_types::method_options::IdempotencyLevel;

use crate::{
    Builder, format,
    http::{self, Route},
    names,
};

/// The trait of a service. `files` is the path of the constant that holds its files.
pub(crate) fn write(builder: &Builder, service: &ServiceDescriptor, files: &str, warnings: &mut Vec<String>) -> String {
    let root = &builder.crate_path;
    let full = service.full_name();
    let name = builder.names.get(full).map_or(full, String::as_str);
    let mut arguments = format!("name = {name:?}, codec = \"proto\", proto_name = {full:?}, descriptor_set = {files}");
    if let Some(version) = &builder.version {
        arguments.push_str(&format!(", version = {version:?}"));
    }
    if root != "::motet" {
        arguments.push_str(&format!(", crate = {root}"));
    }
    let docs = format::docs(&service.parent_file(), service.path());
    let methods: String = service.methods().map(|method| write_method(builder, &method, warnings)).collect();
    let ident = names::camel(service.name());
    format!("{}#[{root}::service({arguments})]\npub trait {ident} {{\n{methods}}}\n", format::doc_attributes(&docs),)
}

fn write_method(builder: &Builder, method: &MethodDescriptor, warnings: &mut Vec<String>) -> String {
    let root = &builder.crate_path;
    let service = method.parent_service();
    let package = service.parent_file().package_name().to_owned();
    let ident = names::method(method.name());
    let mut options = Vec::new();
    if builder.optional {
        options.push("optional".to_owned());
    }
    // Motet's own spelling of the name is what gRPC uses, unless the file says otherwise.
    options.push(format!("proto_name = {:?}", method.name()));
    if let Some(plain) = ident.strip_suffix('_') {
        options.push(format!("name = {plain:?}"));
    }
    let (routes, left_out) = http::routes(method.parent_pool(), method);
    for reason in left_out {
        warnings.push(format!("{}: an HTTP route is left out: {reason}", method.full_name()));
    }
    let level = method.method_descriptor_proto().options.as_ref().map(prost_types::MethodOptions::idempotency_level);
    let reads = routes.iter().any(|route| route.verb == "GET");
    match level.unwrap_or(IdempotencyLevel::IdempotencyUnknown) {
        IdempotencyLevel::NoSideEffects => options.push("safe".to_owned()),
        _ if reads => options.push("safe".to_owned()),
        IdempotencyLevel::Idempotent => options.push("idempotent".to_owned()),
        IdempotencyLevel::IdempotencyUnknown => {}
    }
    options.extend(routes.iter().map(|Route { verb, path }| format!("http = {:?}", format!("{verb} {path}"))));
    if method.method_descriptor_proto().options.as_ref().is_some_and(|options| options.deprecated()) {
        options.push("deprecated".to_owned());
    }
    let request = match (method.is_client_streaming(), type_of(root, &package, &method.input())) {
        (true, ty) => format!(", requests: {root}::Streaming<{ty}>"),
        (false, ty) if ty == "()" => String::new(),
        // A wrapper is the object of its one field.
        (false, ty)
            if method.input().full_name().ends_with("Value")
                && ty != names::message_path(&package, &method.input()) =>
        {
            format!(", value: {ty}")
        }
        (false, ty) => format!(", request: {ty}"),
    };
    let reply = match (method.is_server_streaming(), type_of(root, &package, &method.output())) {
        (true, ty) => format!("{root}::Streaming<{ty}>"),
        (false, ty) => ty,
    };
    let docs = format::doc_attributes(&format::docs(&service.parent_file(), method.path()));
    format!(
        "{docs}#[method({})]\nasync fn {ident}(&self, cx: &{root}::Context{request}) -> {root}::Result<{reply}>;\n",
        options.join(", ")
    )
}

/// The type of a message; those of protobuf itself are prost's.
fn type_of(root: &str, package: &str, message: &MessageDescriptor) -> String {
    match message.full_name() {
        "google.protobuf.Empty" => "()".to_owned(),
        "google.protobuf.BoolValue" => "bool".to_owned(),
        "google.protobuf.BytesValue" => "::std::vec::Vec<u8>".to_owned(),
        "google.protobuf.DoubleValue" => "f64".to_owned(),
        "google.protobuf.FloatValue" => "f32".to_owned(),
        "google.protobuf.Int32Value" => "i32".to_owned(),
        "google.protobuf.Int64Value" => "i64".to_owned(),
        "google.protobuf.StringValue" => "::std::string::String".to_owned(),
        "google.protobuf.UInt32Value" => "u32".to_owned(),
        "google.protobuf.UInt64Value" => "u64".to_owned(),
        full => match full.strip_prefix("google.protobuf.") {
            Some(name) => format!("{root}::proto::prost_types::{}", names::camel(name)),
            None => names::message_path(package, message),
        },
    }
}

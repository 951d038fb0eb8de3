//! Messages of services that are known by their protobuf files alone: as JSON, and described.

mod schema;

use bytes::Bytes;
use motet_core::{BodyShape, Family, Kind, MethodDescriptor, MethodOptions, Result, ServiceDescriptor, Status};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, FileDescriptor, MessageDescriptor, SerializeOptions};
use prost_types::{FileDescriptorSet, SourceCodeInfo, method_options::IdempotencyLevel};

use crate::set::RawSet;

/// The types of a set of protobuf files: of a [`ServiceDescriptor`] (its `protobuf`), of a reflection
/// service, or of `.proto` text that was compiled.
///
/// ```
/// # fn main() -> motet_core::Result<()> {
/// # let set = bytes::Bytes::new();
/// use motet_proto::Types;
///
/// let types = Types::read(&set)?;
/// if let Some(method) = types.method("greeter.Greeter/Hello") {
///     let bytes = method.request(r#"{"name": "Ada"}"#)?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Types(DescriptorPool);

impl Types {
    /// Reads an encoded `google.protobuf.FileDescriptorSet`. Protobuf's own files need not be in it; the
    /// order of the others does not matter.
    ///
    /// # Errors
    /// InvalidArgument for a file that cannot be read, or imports one that is not there.
    pub fn read(set: &Bytes) -> Result<Types> {
        let set = FileDescriptorSet::decode(set.clone())
            .map_err(|_| Status::invalid_argument("the protobuf files cannot be decoded"))?;
        // A pool of its own: files that are wrong leave nothing behind in another's.
        let mut pool = DescriptorPool::new();
        let own = DescriptorPool::global().file_descriptor_protos().cloned().collect::<Vec<_>>();
        pool.add_file_descriptor_protos(own).map_err(Status::internal_from)?;
        pool.add_file_descriptor_set(set)
            .map_err(|error| Status::invalid_argument(format!("the protobuf files cannot be used: {error}")))?;
        Ok(Types(pool))
    }

    /// As [`Types::read`], of files that are encoded one by one. Of two with one name the first counts.
    ///
    /// # Errors
    /// As [`Types::read`].
    pub fn read_files(files: Vec<Bytes>) -> Result<Types> {
        Types::read(&RawSet { file: files }.encode_to_vec().into())
    }

    /// The services that the files declare, in their order: each is called by its full name, takes and
    /// gives binary protobuf, and has no version. Their schemas are those of protobuf's JSON mapping.
    pub fn services(&self) -> Vec<ServiceDescriptor> {
        self.0.services().map(|service| describe(&service)).collect()
    }

    /// The messages of a method, by the full name of its service and its own: `greeter.Greeter/Hello`.
    pub fn method(&self, path: &str) -> Option<MethodTypes> {
        let (service, name) = path.split_once('/')?;
        let service = self.0.get_service_by_name(service)?;
        let method = service.methods().find(|method| method.name() == name)?;
        Some(MethodTypes { request: method.input(), reply: method.output() })
    }
}

/// The messages of a method.
#[derive(Clone, Debug)]
pub struct MethodTypes {
    request: MessageDescriptor,
    reply: MessageDescriptor,
}

impl MethodTypes {
    /// A request, from JSON as protobuf maps it: names as they are declared or in lower camel case,
    /// numbers of 64 bits as text or numbers, bytes in base64.
    ///
    /// # Errors
    /// InvalidArgument saying where it is wrong.
    pub fn request(&self, json: &str) -> Result<Bytes> {
        let mut text = serde_json::Deserializer::from_str(if json.trim_ascii() == "null" { "{}" } else { json });
        let wrong =
            |error: serde_json::Error| Status::invalid_argument(format!("{}: {error}", self.request.full_name()));
        let message = DynamicMessage::deserialize(self.request.clone(), &mut text).map_err(wrong)?;
        text.end().map_err(wrong)?;
        Ok(message.encode_to_vec().into())
    }

    /// A reply as JSON, as protobuf maps it: names in lower camel case, numbers of 64 bits as text.
    /// Fields without a value are left out.
    ///
    /// # Errors
    /// Internal when the bytes are no such message.
    pub fn reply(&self, bytes: &Bytes) -> Result<String> {
        let name = self.reply.full_name();
        let message = DynamicMessage::decode(self.reply.clone(), bytes.clone())
            .map_err(|_| Status::internal(format!("the reply is no {name}")))?;
        let mut text = Vec::new();
        message
            .serialize_with_options(&mut serde_json::Serializer::new(&mut text), &SerializeOptions::new())
            .map_err(|error| Status::internal(format!("the reply, a {name}, has no form in JSON: {error}")))?;
        String::from_utf8(text).map_err(Status::internal_from)
    }
}

fn describe(service: &prost_reflect::ServiceDescriptor) -> ServiceDescriptor {
    let file = service.parent_file();
    let comments = file.file_descriptor_proto().source_code_info.as_ref();
    let name = service.full_name();
    let mut described = ServiceDescriptor::new(name, "").ident(service.name()).docs(comment(comments, service.path()));
    for method in service.methods() {
        let kind = match (method.is_client_streaming(), method.is_server_streaming()) {
            (false, false) => Kind::Unary,
            (true, false) => Kind::ClientStream,
            (false, true) => Kind::ServerStream,
            (true, true) => Kind::Bidi,
        };
        let mut options = MethodOptions::default();
        if let Some(declared) = &method.method_descriptor_proto().options {
            options.deprecated = declared.deprecated();
            options.safe = declared.idempotency_level() == IdempotencyLevel::NoSideEffects;
            options.idempotent = declared.idempotency_level() == IdempotencyLevel::Idempotent;
        }
        let mut known = MethodDescriptor::new(name, method.name())
            .kind(kind)
            .family(Family::Proto)
            .docs(comment(comments, method.path()))
            .request(BodyShape::Message, schema::of(&method.input()))
            .reply(BodyShape::Message, schema::of(&method.output()))
            .options(options);
        method.name().clone_into(&mut known.proto_name);
        described.add(known);
    }
    let mut files = Vec::new();
    with_imports(&file, &mut files);
    let set = RawSet { file: files.iter().map(|file| file.encode_to_vec().into()).collect() };
    described.proto_name(name).descriptor_set(set.encode_to_vec())
}

/// A file behind those that it imports.
fn with_imports(file: &FileDescriptor, files: &mut Vec<FileDescriptor>) {
    if files.contains(file) {
        return;
    }
    file.dependencies().for_each(|import| with_imports(&import, files));
    files.push(file.clone());
}

/// The comment before a declaration.
fn comment(comments: Option<&SourceCodeInfo>, path: &[i32]) -> String {
    let here = comments.and_then(|info| info.location.iter().find(|location| location.path == path));
    let lines = here.map(|location| location.leading_comments().lines().map(str::trim).collect::<Vec<_>>());
    lines.unwrap_or_default().join("\n").trim().to_owned()
}

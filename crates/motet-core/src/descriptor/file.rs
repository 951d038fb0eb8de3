//! A service as a protobuf file.

use bytes::{BufMut, Bytes, BytesMut};
use motet_protobuf::{Body, Idempotency, MethodFile, ServiceFile};
use prost::encoding::{WireType, encode_key, encode_varint};

use super::{MethodDescriptor, ServiceDescriptor};

/// A `FileDescriptorSet` of the one file that holds the service.
pub(super) fn set_of(service: &ServiceDescriptor, bodies: &[(Option<Body>, Option<Body>)]) -> Bytes {
    let named = !service.proto_name.is_empty();
    let known = service.methods.iter().zip(bodies).filter(|_| named);
    let methods: Vec<_> = known.filter_map(|(known, (request, reply))| method(known, (*request)?, (*reply)?)).collect();
    if methods.is_empty() && !service.methods.is_empty() {
        return Bytes::new();
    }
    let name = format!("{}.proto", service.name);
    let file = ServiceFile { file: &name, service: &service.proto_name, doc: &service.docs, methods }.encode();
    let mut set = BytesMut::with_capacity(file.len() + 8);
    encode_key(1, WireType::LengthDelimited, &mut set);
    encode_varint(file.len() as u64, &mut set);
    set.put_slice(&file);
    set.freeze()
}

fn method(method: &MethodDescriptor, request: Body, reply: Body) -> Option<MethodFile<'_>> {
    let (_, name) = method.proto_path().split_once('/')?;
    let idempotency = match (method.options.safe, method.options.idempotent) {
        (true, _) => Idempotency::NoSideEffects,
        (false, true) => Idempotency::Idempotent,
        (false, false) => Idempotency::Unknown,
    };
    let identifier =
        name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !name.starts_with(|c: char| c.is_ascii_digit());
    identifier.then(|| MethodFile {
        name,
        doc: &method.docs,
        request,
        reply,
        client_streaming: method.kind.client_streams(),
        server_streaming: method.kind.server_streams(),
        deprecated: method.options.deprecated,
        idempotency,
    })
}

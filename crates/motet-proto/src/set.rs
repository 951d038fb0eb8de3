//! A `FileDescriptorSet` whose files stay as they came: options that are not known here are kept.

use bytes::Bytes;
use motet_core::{Result, Status};
use prost::Message as _;
use prost_types::FileDescriptorProto;

use crate::symbols::Declared;

/// The set, its files unread.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct RawSet {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(crate) file: Vec<Bytes>,
}

/// A file: as bytes and as what they say.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) bytes: Bytes,
    pub(crate) proto: FileDescriptorProto,
}

impl File {
    pub(crate) fn read(bytes: Bytes) -> Result<File> {
        let proto = FileDescriptorProto::decode(bytes.clone())
            .map_err(|_| Status::invalid_argument("a protobuf file descriptor is broken: it cannot be decoded"))?;
        Ok(File { bytes, proto })
    }

    pub(crate) fn of(proto: FileDescriptorProto) -> File {
        File { bytes: proto.encode_to_vec().into(), proto }
    }

    pub(crate) fn name(&self) -> &str {
        self.proto.name()
    }

    pub(crate) fn package(&self) -> &str {
        self.proto.package()
    }
}

/// The files of a set.
pub(crate) fn read(service: &str, set: &Bytes) -> Result<Vec<File>> {
    let broken = |_| Status::invalid_argument(format!("service {service}: its protobuf files cannot be decoded"));
    RawSet::decode(set.clone()).map_err(broken)?.file.into_iter().map(File::read).collect()
}

/// Checks that names are names: they come from other processes, and become text and paths.
pub(crate) fn check(service: &str, file: &File) -> Result<()> {
    let part = |part: &str| {
        let named = part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
        named && !part.is_empty() && part != "." && part != ".."
    };
    let name = file.name();
    let refused = |what: &str, name: &str| {
        let shown: String = name.chars().take(64).collect();
        Err(Status::invalid_argument(format!("service {service}: {shown:?} cannot be the name of a protobuf {what}")))
    };
    if name.len() > 512 || !name.split('/').all(part) {
        return refused("file", name);
    }
    let identifier = |name: &str| name.len() <= 512 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let Declared { symbols, types, .. } = Declared::of(&file.proto);
    let package = file.package().to_owned();
    let mut all = symbols.iter().chain(&types).chain([&package]).filter(|name| !name.is_empty());
    match all.find(|name| !name.trim_start_matches('.').split('.').all(|part| !part.is_empty() && identifier(part))) {
        Some(name) => refused("symbol", name),
        None => Ok(()),
    }
}

//! `.proto` text.

mod notes;
mod printer;
mod scope;

use std::sync::Arc;

use motet_core::{Result, ServiceDescriptor, Status};

use crate::Files;

/// A `.proto` file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProtoFile {
    /// Its name with folders, as others import it: `greeter.proto`, `acme/v1/cart.proto`.
    pub name: String,
    /// What stands in it.
    pub text: String,
}

/// The `.proto` files of services, each behind those that it imports; protobuf's own are left out.
/// Documentation, constraints and HTTP routes stand in them as comments.
///
/// # Errors
/// As [`Files::of`]; FailedPrecondition for a file that is not proto3.
pub fn proto_files(services: &[Arc<ServiceDescriptor>]) -> Result<Vec<ProtoFile>> {
    let files = Files::of(services)?;
    let mut notes = notes::Notes::default();
    for service in services {
        notes.add(service, &files);
    }
    let own = files.names().filter(|name| !name.starts_with("google/protobuf/"));
    own.filter_map(|name| files.proto(name)).map(|file| print(&file.proto, &notes)).collect()
}

fn print(file: &prost_types::FileDescriptorProto, notes: &notes::Notes) -> Result<ProtoFile> {
    if file.syntax() != "proto3" {
        let syntax = if file.syntax().is_empty() { "proto2" } else { file.syntax() };
        return Err(Status::failed_precondition(format!(
            "{} has syntax {syntax:?}; only proto3 is written: hand out the file itself",
            file.name()
        )));
    }
    Ok(ProtoFile { name: file.name().to_owned(), text: printer::print(file, notes) })
}

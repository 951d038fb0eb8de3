//! The files of several services, found by name and by what they declare.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use motet_core::{Result, ServiceDescriptor, Status};
use prost::Message as _;

use crate::{
    set::{self, File, RawSet},
    symbols::Declared,
    well_known,
};

/// The encoded `google.protobuf.FileDescriptorSet` of these services: every file behind those that it
/// imports. Services without a protobuf name are not in it.
///
/// # Errors
/// As [`Files::of`].
pub fn file_descriptor_set(services: &[Arc<ServiceDescriptor>]) -> Result<Bytes> {
    Files::of(services).map(|files| files.set())
}

/// The protobuf files of services: what a reflection service answers from.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// In the order in which they can be compiled.
    files: Vec<File>,
    by_name: BTreeMap<String, usize>,
    by_symbol: BTreeMap<String, usize>,
    extensions: BTreeMap<(String, i32), usize>,
    services: Vec<String>,
}

impl Files {
    /// The files of these services and all that they import. Services without a protobuf name, such as
    /// routers, have none and are passed over.
    ///
    /// # Errors
    /// InvalidArgument naming the service and the file: a file that cannot be decoded, two different
    /// files of one name, or a symbol that two files declare.
    pub fn of<'a>(services: impl IntoIterator<Item = &'a Arc<ServiceDescriptor>>) -> Result<Files> {
        let mut files = Files::default();
        for service in services {
            files.add(service)?;
        }
        Ok(files)
    }

    /// Adds the files of a service. On an error nothing is added.
    ///
    /// # Errors
    /// As [`Files::of`].
    pub fn add(&mut self, service: &ServiceDescriptor) -> Result<()> {
        if service.protobuf.is_empty() {
            return Ok(());
        }
        let mut added = self.clone();
        let brought = set::read(&service.name, &service.protobuf)?;
        let brought: BTreeMap<String, File> = brought.into_iter().map(|file| (file.name().to_owned(), file)).collect();
        for name in brought.keys() {
            added.insert(&service.name, name, &brought, 0)?;
        }
        if !service.proto_name.is_empty() && !added.by_symbol.contains_key(&service.proto_name) {
            return Err(Status::invalid_argument(format!(
                "service {}: its protobuf files do not declare {}",
                service.name, service.proto_name
            )));
        }
        if !added.services.contains(&service.proto_name) {
            added.services.push(service.proto_name.clone());
            added.services.sort();
        }
        *self = added;
        Ok(())
    }

    /// The full names of the services, sorted.
    pub fn services(&self) -> impl ExactSizeIterator<Item = &str> {
        self.services.iter().map(String::as_str)
    }

    /// The names of the files, each behind those that it imports.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.files.iter().map(File::name)
    }

    /// The encoded `google.protobuf.FileDescriptorProto` of a file.
    pub fn file(&self, name: &str) -> Option<&Bytes> {
        self.by_name.get(name).map(|at| &self.files[*at].bytes)
    }

    /// The name of the file that declares a symbol: the full name of a package's message, enum, field,
    /// enum value, service, method or extension, without a leading dot.
    pub fn file_with_symbol(&self, symbol: &str) -> Option<&str> {
        self.by_symbol.get(symbol.trim_start_matches('.')).map(|at| self.files[*at].name())
    }

    /// The name of the file that declares the extension of a message under a number.
    pub fn file_with_extension(&self, message: &str, number: i32) -> Option<&str> {
        let key = (message.trim_start_matches('.').to_owned(), number);
        self.extensions.get(&key).map(|at| self.files[*at].name())
    }

    /// The numbers of all extensions of a message, sorted; `None` where the message is not known.
    pub fn extension_numbers(&self, message: &str) -> Option<Vec<i32>> {
        let message = message.trim_start_matches('.');
        self.by_symbol.get(message)?;
        let of = self.extensions.keys().filter(|(extended, _)| extended == message);
        Some(of.map(|(_, number)| *number).collect())
    }

    /// The encoded file of this name and all that it imports, directly or not: the file first, then
    /// its imports. `None` where there is no such file.
    pub fn with_imports(&self, name: &str) -> Option<Vec<Bytes>> {
        let mut names = vec![name.to_owned()];
        let mut found = vec![self.file(name)?.clone()];
        let mut next = 0;
        while let Some(at) = names.get(next).and_then(|name| self.by_name.get(name)) {
            for import in &self.files[*at].proto.dependency {
                if let (false, Some(file)) = (names.contains(import), self.file(import)) {
                    names.push(import.clone());
                    found.push(file.clone());
                }
            }
            next += 1;
        }
        Some(found)
    }

    /// All files as an encoded `google.protobuf.FileDescriptorSet`, each behind those that it imports.
    pub fn set(&self) -> Bytes {
        RawSet { file: self.files.iter().map(|file| file.bytes.clone()).collect() }.encode_to_vec().into()
    }

    /// Adds a file behind those that it imports.
    fn insert(&mut self, service: &str, name: &str, brought: &BTreeMap<String, File>, depth: usize) -> Result<()> {
        const MAX_DEPTH: usize = 100;
        if depth > MAX_DEPTH {
            return Err(Status::invalid_argument(format!(
                "service {service}: {name}: protobuf files import each other in a circle, or deeper than {MAX_DEPTH}"
            )));
        }
        if let Some(known) = self.by_name.get(name) {
            return match brought.get(name) {
                Some(file) if file.bytes != self.files[*known].bytes && !name.starts_with("google/") => {
                    Err(Status::invalid_argument(format!(
                        "service {service}: its {name} is not the {name} of another service; rename one of the files"
                    )))
                }
                _ => Ok(()),
            };
        }
        let Some(file) = brought.get(name).cloned().or_else(|| well_known::file(name)) else {
            return Err(Status::invalid_argument(format!(
                "service {service}: a protobuf file imports {name}, which is not among its files"
            )));
        };
        set::check(service, &file)?;
        for import in &file.proto.dependency {
            self.insert(service, import, brought, depth + 1)?;
        }
        self.declare(service, file)
    }

    fn declare(&mut self, service: &str, file: File) -> Result<()> {
        let at = self.files.len();
        let declared = Declared::of(&file.proto);
        for symbol in declared.symbols {
            if let Some(other) = self.by_symbol.get(&symbol) {
                return Err(Status::invalid_argument(format!(
                    "service {service}: {} declares {symbol}, as {} does; put one of them into another package",
                    file.name(),
                    self.files[*other].name()
                )));
            }
            self.by_symbol.insert(symbol, at);
        }
        for extension in declared.extensions {
            self.extensions.insert(extension, at);
        }
        self.by_name.insert(file.name().to_owned(), at);
        self.files.push(file);
        Ok(())
    }

    pub(crate) fn proto(&self, name: &str) -> Option<&File> {
        self.by_name.get(name).map(|at| &self.files[*at])
    }
}

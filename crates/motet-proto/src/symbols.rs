//! The full names of everything that a file declares.

use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto};

/// What a file declares.
#[derive(Default)]
pub(crate) struct Declared {
    /// Full names, without a leading dot.
    pub(crate) symbols: Vec<String>,
    /// Extensions: the message that they extend, and their number.
    pub(crate) extensions: Vec<(String, i32)>,
    /// The types that it refers to.
    pub(crate) types: Vec<String>,
}

impl Declared {
    pub(crate) fn of(file: &FileDescriptorProto) -> Declared {
        let mut declared = Declared::default();
        let package = file.package();
        for message in &file.message_type {
            declared.message(package, message);
        }
        for item in &file.enum_type {
            declared.enumeration(package, item);
        }
        for service in &file.service {
            let name = declared.symbol(package, service.name());
            for method in &service.method {
                declared.symbol(&name, method.name());
                declared.types.extend([method.input_type().to_owned(), method.output_type().to_owned()]);
            }
        }
        declared.extended(package, &file.extension);
        declared
    }

    fn symbol(&mut self, scope: &str, name: &str) -> String {
        let full = join(scope, name);
        self.symbols.push(full.clone());
        full
    }

    fn message(&mut self, scope: &str, message: &DescriptorProto) {
        let name = self.symbol(scope, message.name());
        for field in &message.field {
            self.symbol(&name, field.name());
            self.types.extend(field.type_name.clone());
        }
        for oneof in &message.oneof_decl {
            self.symbol(&name, oneof.name());
        }
        for nested in &message.nested_type {
            self.message(&name, nested);
        }
        for item in &message.enum_type {
            self.enumeration(&name, item);
        }
        self.extended(&name, &message.extension);
    }

    /// The values of an enum are its siblings.
    fn enumeration(&mut self, scope: &str, item: &EnumDescriptorProto) {
        self.symbol(scope, item.name());
        for value in &item.value {
            self.symbol(scope, value.name());
        }
    }

    fn extended(&mut self, scope: &str, extensions: &[FieldDescriptorProto]) {
        for extension in extensions {
            self.symbol(scope, extension.name());
            self.extensions.push((extension.extendee().trim_start_matches('.').to_owned(), extension.number()));
        }
    }
}

pub(crate) fn join(scope: &str, name: &str) -> String {
    if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
}

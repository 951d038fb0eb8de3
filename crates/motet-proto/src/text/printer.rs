//! From a file descriptor to text that compiles to it.

use std::collections::BTreeMap;

use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, MethodDescriptorProto,
    ServiceDescriptorProto,
    field_descriptor_proto::{Label, Type},
    method_options::IdempotencyLevel,
};

use super::{notes::Notes, scope::Scope};
use crate::{symbols::join, well_known::camel};

pub(super) fn print(file: &FileDescriptorProto, notes: &Notes) -> String {
    let locations = file.source_code_info.iter().flat_map(|info| &info.location);
    let comments =
        locations.filter_map(|location| Some((location.path.clone(), location.leading_comments.clone()?))).collect();
    let mut printer =
        Printer { out: String::new(), depth: 0, comments, scope: Scope::of(file), notes, package: file.package() };
    printer.file(file);
    printer.out
}

struct Printer<'a> {
    out: String,
    depth: usize,
    comments: BTreeMap<Vec<i32>, String>,
    scope: Scope,
    notes: &'a Notes,
    package: &'a str,
}

impl Printer<'_> {
    fn file(&mut self, file: &FileDescriptorProto) {
        self.line("syntax = \"proto3\";");
        if !self.package.is_empty() {
            self.line("");
            self.line(&format!("package {};", self.package));
        }
        if !file.dependency.is_empty() {
            self.line("");
        }
        for (at, import) in file.dependency.iter().enumerate() {
            let public = i32::try_from(at).is_ok_and(|at| file.public_dependency.contains(&at));
            self.line(&format!("import {}\"{}\";", if public { "public " } else { "" }, quoted(import)));
        }
        for (at, service) in (0..).zip(&file.service) {
            self.line("");
            self.service(service, &[6, at]);
        }
        for (at, message) in (0..).zip(&file.message_type) {
            self.line("");
            self.message(message, self.package, &[4, at]);
        }
        for (at, item) in (0..).zip(&file.enum_type) {
            self.line("");
            self.enumeration(item, self.package, &[5, at]);
        }
    }

    fn service(&mut self, service: &ServiceDescriptorProto, path: &[i32]) {
        let name = join(self.package, service.name());
        self.comment(path, &name);
        self.open(&format!("service {}", service.name()));
        if service.options.as_ref().is_some_and(|options| options.deprecated()) {
            self.line("option deprecated = true;");
        }
        for (at, method) in (0..).zip(&service.method) {
            self.comment(&[path, &[2, at]].concat(), &join(&name, method.name()));
            self.method(method);
        }
        self.close();
    }

    fn method(&mut self, method: &MethodDescriptorProto) {
        let stream = |streams: bool| if streams { "stream " } else { "" };
        let head = format!(
            "rpc {}({}{}) returns ({}{})",
            method.name(),
            stream(method.client_streaming()),
            self.scope.name_in_service(method.input_type()),
            stream(method.server_streaming()),
            self.scope.name_in_service(method.output_type()),
        );
        let Some(options) = &method.options else { return self.line(&(head + ";")) };
        let mut lines = Vec::new();
        if options.deprecated() {
            lines.push("option deprecated = true;".to_owned());
        }
        if options.idempotency_level() != IdempotencyLevel::IdempotencyUnknown {
            lines.push(format!("option idempotency_level = {};", options.idempotency_level().as_str_name()));
        }
        if lines.is_empty() {
            return self.line(&(head + ";"));
        }
        self.open(&head);
        lines.iter().for_each(|line| self.line(line));
        self.close();
    }

    fn message(&mut self, message: &DescriptorProto, scope: &str, path: &[i32]) {
        let full = join(scope, message.name());
        self.comment(path, &full);
        let options = message.options.as_ref();
        let deprecated = options.is_some_and(|options| options.deprecated());
        let nested = |entry: &&DescriptorProto| !is_entry(entry);
        let empty = message.field.is_empty()
            && message.enum_type.is_empty()
            && message.reserved_range.is_empty()
            && message.reserved_name.is_empty()
            && !message.nested_type.iter().any(|message| nested(&message));
        if empty && !deprecated {
            return self.line(&format!("message {} {{}}", message.name()));
        }
        self.open(&format!("message {}", message.name()));
        if deprecated {
            self.line("option deprecated = true;");
        }
        self.reserved(message);
        for (at, nested) in (0..).zip(&message.nested_type).filter(|(_, message)| nested(message)) {
            self.message(nested, &full, &[path, &[3, at]].concat());
        }
        for (at, item) in (0..).zip(&message.enum_type) {
            self.enumeration(item, &full, &[path, &[4, at]].concat());
        }
        self.fields(message, &full, path);
        self.close();
    }

    fn reserved(&mut self, message: &DescriptorProto) {
        for range in &message.reserved_range {
            // Written with its last number, kept with the one behind it.
            let last = range.end().saturating_sub(1);
            self.reserved_range(range.start(), last, last >= 536_870_911);
        }
        for name in &message.reserved_name {
            self.line(&format!("reserved \"{}\";", quoted(name)));
        }
    }

    fn reserved_range(&mut self, first: i32, last: i32, max: bool) {
        match (first == last, max) {
            (true, _) => self.line(&format!("reserved {first};")),
            (false, true) => self.line(&format!("reserved {first} to max;")),
            (false, false) => self.line(&format!("reserved {first} to {last};")),
        }
    }

    fn fields(&mut self, message: &DescriptorProto, full: &str, path: &[i32]) {
        let mut open = None;
        for (at, field) in (0..).zip(&message.field) {
            let oneof = field.oneof_index.filter(|_| !field.proto3_optional());
            if open.is_some() && open != oneof {
                self.close();
            }
            if let (Some(index), true) = (oneof, open != oneof) {
                let declared = usize::try_from(index).ok().and_then(|index| message.oneof_decl.get(index));
                let name = declared.map(|oneof| oneof.name()).unwrap_or_default();
                self.comment(&[path, &[8, index]].concat(), &join(full, name));
                self.open(&format!("oneof {name}"));
            }
            open = oneof;
            self.comment(&[path, &[2, at]].concat(), &join(full, field.name()));
            let line = self.field(field, message, full);
            self.line(&line);
        }
        if open.is_some() {
            self.close();
        }
    }

    fn field(&self, field: &FieldDescriptorProto, message: &DescriptorProto, full: &str) -> String {
        let entry = message
            .nested_type
            .iter()
            .find(|nested| is_entry(nested) && field.type_name() == format!(".{}", join(full, nested.name())));
        let ty = match entry.map(|entry| entry.field.as_slice()) {
            Some([key, value]) => format!("map<{}, {}>", self.type_name(key), self.type_name(value)),
            _ => self.type_name(field),
        };
        let label = match (entry.is_some(), field.label(), field.proto3_optional()) {
            (false, Label::Repeated, _) => "repeated ",
            (_, _, true) => "optional ",
            _ => "",
        };
        let mut options = Vec::new();
        if let Some(json_name) = field.json_name.as_deref().filter(|name| *name != camel(field.name())) {
            options.push(format!("json_name = \"{}\"", quoted(json_name)));
        }
        if let Some(set) = &field.options {
            if set.deprecated() {
                options.push("deprecated = true".to_owned());
            }
            if let Some(packed) = set.packed {
                options.push(format!("packed = {packed}"));
            }
        }
        let options = if options.is_empty() { String::new() } else { format!(" [{}]", options.join(", ")) };
        format!("{label}{ty} {} = {}{options};", field.name(), field.number())
    }

    fn type_name(&self, field: &FieldDescriptorProto) -> String {
        match field.r#type() {
            Type::Message | Type::Enum | Type::Group => self.scope.name(field.type_name()),
            scalar => scalar.as_str_name().trim_start_matches("TYPE_").to_ascii_lowercase(),
        }
    }

    fn enumeration(&mut self, item: &EnumDescriptorProto, scope: &str, path: &[i32]) {
        self.comment(path, &join(scope, item.name()));
        self.open(&format!("enum {}", item.name()));
        if let Some(options) = &item.options {
            if options.allow_alias() {
                self.line("option allow_alias = true;");
            }
            if options.deprecated() {
                self.line("option deprecated = true;");
            }
        }
        for range in &item.reserved_range {
            self.reserved_range(range.start(), range.end(), range.end() == i32::MAX);
        }
        for name in &item.reserved_name {
            self.line(&format!("reserved \"{}\";", quoted(name)));
        }
        for (at, value) in (0..).zip(&item.value) {
            self.comment(&[path, &[2, at]].concat(), &join(scope, value.name()));
            let deprecated = value.options.as_ref().is_some_and(|options| options.deprecated());
            let options = if deprecated { " [deprecated = true]" } else { "" };
            self.line(&format!("{} = {}{options};", value.name(), value.number()));
        }
        self.close();
    }

    /// The comments and notes of what follows.
    fn comment(&mut self, path: &[i32], symbol: &str) {
        let comment = self.comments.get(path).cloned().unwrap_or_default();
        for line in comment.lines() {
            let line: String = line.chars().map(|c| if c.is_control() && c != '\t' { ' ' } else { c }).collect();
            self.line(&format!("//{line}"));
        }
        let notes = self.notes.of(symbol);
        for note in notes {
            self.line(&format!("// {note}"));
        }
    }

    fn open(&mut self, head: &str) {
        self.line(&format!("{head} {{"));
        self.depth += 1;
    }

    fn close(&mut self) {
        self.depth -= 1;
        self.line("}");
    }

    fn line(&mut self, line: &str) {
        if !line.is_empty() {
            self.out.extend(std::iter::repeat_n("  ", self.depth));
            self.out.push_str(line.trim_end());
        }
        self.out.push('\n');
    }
}

fn is_entry(message: &DescriptorProto) -> bool {
    message.options.as_ref().is_some_and(|options| options.map_entry())
}

/// Text between quotes: names that come from serde may hold anything.
fn quoted(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let mut bytes = [0; 4];
                out.extend(c.encode_utf8(&mut bytes).bytes().map(|byte| format!("\\{byte:03o}")));
            }
            c => out.push(c),
        }
    }
    out
}

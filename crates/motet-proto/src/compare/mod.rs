//! What a caller of one description meets when it calls another.

mod schema;
mod wire;

use std::sync::Arc;

use motet_core::{Family, MethodDescriptor, Result, ServiceDescriptor};
use serde::Serialize;

use crate::Files;

/// A difference between two descriptions of a service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct Change {
    /// The service.
    pub service: String,
    /// The method; empty where the service itself is gone.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub method: String,
    /// Where in the method: `request.name`, `reply.pets[].kind`; empty where it is the method itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
    /// What would happen to a caller of the old description.
    pub what: String,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.service)?;
        if !self.method.is_empty() {
            write!(f, "/{}", self.method)?;
        }
        if !self.field.is_empty() {
            write!(f, " {}", self.field)?;
        }
        write!(f, ": {}", self.what)
    }
}

/// What would break callers that were made for `old` when they call `new`: services and methods that
/// are gone, other kinds, other numbers and types on the wire, fields that are gone or newly asked
/// for, and tighter constraints. What is new and not asked for breaks nobody.
///
/// # Errors
/// As [`Files::of`].
pub fn breaking_changes(old: &[Arc<ServiceDescriptor>], new: &[Arc<ServiceDescriptor>]) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    for service in old {
        let Some(now) = new.iter().find(|now| now.name == service.name) else {
            changes.push(Change {
                service: service.name.clone(),
                method: String::new(),
                field: String::new(),
                what: "the service is gone".to_owned(),
            });
            continue;
        };
        let files = (Files::of([service])?, Files::of([now])?);
        for method in &service.methods {
            compare_method(service, now, method, (&files.0, &files.1), &mut changes);
        }
    }
    changes.sort();
    changes.dedup();
    Ok(changes)
}

fn compare_method(
    old: &ServiceDescriptor,
    new: &ServiceDescriptor,
    method: &MethodDescriptor,
    files: (&Files, &Files),
    changes: &mut Vec<Change>,
) {
    let mut add = |field: String, what: String| {
        changes.push(Change { service: old.name.clone(), method: method.name.clone(), field, what });
    };
    let Some(now) = new.method(&method.name) else {
        return add(String::new(), "the method is gone".to_owned());
    };
    if method.kind != now.kind {
        add(String::new(), format!("it was {} and is {}", kind(method), kind(now)));
    }
    if !method.proto_name.is_empty() && method.proto_path() != now.proto_path() {
        add(String::new(), format!("gRPC callers know it as {}, and it is {}", method.proto_path(), now.proto_path()));
    }
    if !method.content_type.is_empty() && accepts(now.family) < accepts(method.family) {
        add(String::new(), format!("{} is no longer spoken", method.content_type));
    }
    if method.is_idempotent() && !now.is_idempotent() {
        add(String::new(), "callers send it again, which it no longer allows (it was idempotent)".to_owned());
    }
    for route in method.options.http.iter().filter(|route| !now.options.http.contains(route)) {
        add(String::new(), format!("HTTP no longer has it at {} {}", route.verb, route.path));
    }
    wire::compare((old, method, files.0), (new, now, files.1), &mut add);
    schema::compare("request", &method.request, &now.request, schema::Side::Request, &mut add);
    schema::compare("reply", &method.reply, &now.reply, schema::Side::Reply, &mut add);
}

/// How many codecs a family speaks: what speaks fewer has lost one.
fn accepts(family: Family) -> u8 {
    match family {
        Family::Plain => 2,
        Family::Proto => 1,
        _ => 3,
    }
}

fn kind(method: &MethodDescriptor) -> &'static str {
    match (method.kind.client_streams(), method.kind.server_streams()) {
        (false, false) => "unary",
        (true, false) => "client-streaming",
        (false, true) => "server-streaming",
        (true, true) => "bidirectional",
    }
}

//! What services offer in forms that other tools read.

use std::sync::Arc;

use motet::{MethodDescriptor, ServiceDescriptor, http::scrubbed};
use serde_json::{Map, Value, json};

use super::Args;
use crate::{
    descriptors,
    failure::{Failure, Outcome},
    names, proto,
    session::Session,
    target::{method_names, unknown_method},
};

/// Prints the services in the form that was asked for.
pub(super) async fn run(args: &Args, session: &Session) -> Outcome {
    let named = args.service.as_deref().map(|service| match service.split_once('/') {
        Some((service, method)) => (service.to_owned(), Some(method.to_owned())),
        None => (service.to_owned(), args.method.clone()),
    });
    let (service, method) = named.map_or((None, None), |(service, method)| (Some(service), method));
    let wanted: Vec<_> = service.into_iter().collect();
    let services = descriptors::running(session, &wanted).await?;
    if args.proto {
        return protobuf(&services, session);
    }
    let services: Vec<_> = services.iter().map(|service| scrubbed(service)).collect();
    if args.openapi {
        return openapi(services, session);
    }
    match (&services[..], method) {
        ([service], Some(method)) => {
            let found = names::find(&method, method_names(service)).and_then(|name| service.method(name));
            let method = found.ok_or_else(|| unknown_method(service, Some(&method)))?;
            session.output.json(&schemas(method))
        }
        (services, _) => {
            let all = services.iter().flat_map(|service| &service.methods);
            let all: Map<String, Value> = all.map(|method| (method.path.clone(), schemas(method))).collect();
            session.output.json(&all)
        }
    }
}

fn schemas(method: &MethodDescriptor) -> Value {
    json!({ "request": method.request, "reply": method.reply })
}

/// The document that a process gives under `/openapi.json`, of these services. Without its name, which is
/// its own.
fn openapi(services: Vec<ServiceDescriptor>, session: &Session) -> Outcome {
    let services: Vec<_> = services.into_iter().map(Arc::new).collect();
    let title = match &services[..] {
        [only] => only.name.clone(),
        _ => String::new(),
    };
    session.output.json(&motet::http::openapi(&title, &services))
}

fn protobuf(services: &[Arc<ServiceDescriptor>], session: &Session) -> Outcome {
    let (files, left_out) = proto::exported(services)?;
    let output = &session.output;
    if files.is_empty() {
        return Err(Failure::usage(format!("no protobuf name: {}", left_out.join(", ")))
            .hint("services of closures have none; a trait with #[motet::service] has"));
    }
    if output.json {
        let files: Map<String, Value> = files.into_iter().map(|file| (file.name, file.text.into())).collect();
        return output.json(&files);
    }
    let several = files.len() > 1;
    for file in files {
        let head = if several { format!("// {}\n\n", file.name) } else { String::new() };
        output.write(format!("{head}{}", file.text))?;
    }
    Ok(())
}

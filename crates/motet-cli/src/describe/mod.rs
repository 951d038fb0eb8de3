//! `motet describe`: what services offer.

mod formats;
mod page;
mod rules;
mod types;

use std::sync::Arc;

use motet::{ServiceDescriptor, http::scrubbed};
use motet_app::meta::DescribeReply;
use serde::Serialize;

use crate::{
    call::interruptible,
    failure::{Failure, Outcome},
    global::Global,
    names,
    process::{Process, ask_all, filter},
    run::paste,
    session::Session,
    target::{self, check_name, method_names, unknown_method},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The service; all in short if absent. Also `greeter/hello` and `Greeter.Hello`, or a URL of what
    /// is to be asked, `grpc://host:port` or `http://host`, with the service behind it.
    #[arg(value_name = "SERVICE", add = crate::completions::services())]
    service: Option<String>,
    /// The method; all if absent.
    #[arg(value_name = "METHOD", add = crate::completions::methods())]
    method: Option<String>,
    /// The method, where a URL stands before the service.
    #[arg(hide = true)]
    last: Option<String>,
    /// Print it as .proto text.
    #[arg(long, conflicts_with_all = ["json_schema", "openapi"])]
    proto: bool,
    /// Print the JSON schemas of requests and replies.
    #[arg(long, conflicts_with = "openapi")]
    json_schema: bool,
    /// Print the OpenAPI document of its HTTP/JSON, as GET /openapi.json gives it.
    #[arg(long)]
    openapi: bool,
}

impl Args {
    /// Takes a URL apart. Its address goes into the options, what follows it moves up.
    ///
    /// # Errors
    /// When it is a bad one, or more is given than can be meant.
    fn at_url(&mut self, global: &Global) -> Outcome<Global> {
        let mut global = global.clone();
        let path = self.service.as_deref().map(|service| target::at_url(service, &mut global)).transpose()?;
        let behind = [self.method.take(), self.last.take()].into_iter().flatten();
        let mut words =
            path.flatten().unwrap_or_else(|| self.service.take().into_iter().collect()).into_iter().chain(behind);
        (self.service, self.method) = (words.next(), words.next());
        match words.next() {
            Some(more) => Err(Failure::usage(format!("{more}: nothing follows the method"))),
            None => Ok(global),
        }
    }
}

/// All services, as `--json` prints them. One service, or one method, is its descriptor.
#[derive(Debug, Serialize)]
struct Services {
    services: Vec<ServiceDescriptor>,
    /// The processes that do not say what they have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    silent: Vec<Silent>,
}

#[derive(Debug, Serialize)]
struct Silent {
    address: String,
    services: Vec<String>,
    error: String,
}

/// Prints what services offer.
pub(crate) async fn run(mut args: Args, global: &Global) -> Outcome {
    let global = &args.at_url(global)?;
    let session = Session::open(global).await?;
    if args.proto || args.json_schema || args.openapi {
        return interruptible(formats::run(&args, &session)).await;
    }
    match &args.service {
        None => interruptible(all(&session)).await,
        Some(service) => interruptible(one(service, args.method.as_deref(), &session, global)).await,
    }
}

async fn one(service: &str, method: Option<&str>, session: &Session, global: &Global) -> Outcome {
    let (service, method) = match (service.split_once('/'), method) {
        (Some((service, method)), None) => (service, Some(method)),
        _ => (service, method),
    };
    check_name(service)?;
    let (name, described) = target::describe(session, service).await?;
    let descriptor = described.map_err(|status| {
        let failure = Failure::from(status);
        Failure { message: format!("`{name}` does not say what it has: {}", failure.message), ..failure }
    })?;
    let descriptor = scrubbed(&descriptor);
    // `Greeter.Hello`: the last part may be a method, or the trait in the protobuf name.
    let last = || service.rsplit_once('.').map(|(_, last)| last).filter(|last| *last != descriptor.ident);
    let method = method.or_else(|| if names::find(service, [&*name]).is_some() { None } else { last() });
    let output = &session.output;
    let Some(wanted) = method else {
        return match output.json {
            true => output.json(&descriptor),
            false => output.write(page::service(&descriptor, &call_line(session, global), output)),
        };
    };
    let found = names::find(wanted, method_names(&descriptor)).and_then(|name| descriptor.method(name));
    let method = found.ok_or_else(|| unknown_method(&descriptor, Some(wanted)))?;
    match output.json {
        true => output.json(&**method),
        false => output.write(page::method(&descriptor, method, &call_line(session, global), output)),
    }
}

/// The beginning of a line to paste, and the flags at its end.
fn call_line(session: &Session, global: &Global) -> (String, String) {
    let flags = match &session.address {
        Some(address) => format!(" --address {}", paste::quoted(address)),
        None => paste::flags(global),
    };
    (paste::program(), flags)
}

async fn all(session: &Session) -> Outcome {
    let processes = Process::all(session, None).await?;
    let answers = ask_all::<DescribeReply>(&processes, "describe", &filter(None), session.patience()).await;
    if let (Some(_), [Err(status)]) = (&session.address, &answers[..]) {
        return Err(Failure::from(status.clone()));
    }
    let mut services: Vec<Arc<ServiceDescriptor>> = Vec::new();
    let mut silent = Vec::new();
    for (process, answer) in processes.iter().zip(answers) {
        match answer {
            // Nodes of one version say the same.
            Ok(reply) => {
                services.extend(reply.services.into_iter().filter(|one| !services.contains(one)).collect::<Vec<_>>())
            }
            Err(status) => silent.push(Silent {
                address: process.address.clone(),
                services: process.nodes.iter().map(|node| node.service.clone()).collect(),
                error: Failure::from(status).message,
            }),
        }
    }
    services.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    let services: Vec<_> = services.iter().map(|service| scrubbed(service)).collect();
    let output = &session.output;
    if output.json {
        return output.json(&Services { services, silent });
    }
    for one in &silent {
        output.note(format!("{} at {} does not say what it has: {}", one.services.join(", "), one.address, one.error));
    }
    if services.is_empty() && silent.is_empty() {
        output.note(format!("No service is registered in {}.", session.place()));
        return Ok(());
    }
    output.write(page::short(&services, output))
}

//! Which method a command line means.

use std::sync::Arc;

use motet::{Code, Kind, MethodDescriptor, NodeState, ServiceDescriptor, Status, core::check_service_name};

use crate::{
    failure::{Failure, Outcome, exit},
    names,
    process::Process,
    session::{Session, unknown_service},
};

/// A service, a method and a request, as `call` and `stream` take them.
#[derive(Debug, clap::Args)]
pub(crate) struct TargetArgs {
    /// The service; or service and method in one: `greeter/hello`, `Greeter.Hello`.
    #[arg(value_name = "SERVICE", add = crate::completions::services())]
    service: String,
    /// The method.
    #[arg(value_name = "METHOD", add = crate::completions::methods())]
    method: Option<String>,
    /// The request: JSON, `@FILE`, or `-` for standard input; an empty object if absent.
    #[arg(value_name = "JSON", allow_hyphen_values = true)]
    request: Option<String>,
}

/// What the arguments name, not yet looked up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) service: String,
    pub(crate) method: Option<String>,
    pub(crate) json: Option<String>,
}

impl TargetArgs {
    /// Takes the spellings apart.
    ///
    /// # Errors
    /// When more is given than can be meant.
    pub(crate) fn read(&self) -> Outcome<Target> {
        let begins_a_request = |text: &str| text == "-" || text.starts_with(['{', '@', '[', '"']);
        let second_is_request = self.request.is_none() && self.method.as_deref().is_some_and(begins_a_request);
        let joined = match self.service.split_once('/') {
            Some(parts) => Some(parts),
            None if self.method.is_none() || second_is_request => self.service.rsplit_once('.'),
            None => None,
        };
        let target = |service: &str, method: Option<&str>, json: Option<&str>| Target {
            service: service.to_owned(),
            method: method.map(str::to_owned),
            json: json.map(str::to_owned),
        };
        match joined {
            Some(_) if self.service.contains('/') && self.request.is_some() => Err(Failure::usage(format!(
                "{} names a method already; after it comes the JSON and nothing else",
                self.service
            ))),
            Some((service, method)) => Ok(target(service, Some(method), self.method.as_deref())),
            None if second_is_request => Ok(target(&self.service, None, self.method.as_deref())),
            None => Ok(target(&self.service, self.method.as_deref(), self.request.as_deref())),
        }
    }
}

/// What is known of a method.
#[derive(Debug)]
pub(crate) struct Found {
    /// The method; if the service does not describe itself, no more than its name.
    pub(crate) method: Arc<MethodDescriptor>,
    /// Why the service does not say what it has.
    pub(crate) silent: Option<Status>,
}

impl Target {
    /// Looks the method up where the service runs.
    ///
    /// # Errors
    /// What there is instead, when there is no such service or method; why it cannot be reached.
    pub(crate) async fn find(&self, session: &Session, kind: Option<Kind>) -> Outcome<Found> {
        let (name, described) = describe(session, &self.service).await?;
        match described {
            Ok(service) => {
                let wanted = self.method.as_deref().unwrap_or_default();
                match names::find(wanted, method_names(&service)).and_then(|name| service.method(name)) {
                    Some(method) => Ok(Found { method: method.clone(), silent: None }),
                    None => Err(unknown_method(&service, self.method.as_deref())),
                }
            }
            Err(status) => match &self.method {
                Some(method) => {
                    let method = MethodDescriptor::new(&name, method).kind(kind.unwrap_or_default());
                    Ok(Found { method: Arc::new(method), silent: Some(status) })
                }
                None => Err(Failure::usage(format!("which method of `{name}`? It does not say what it has: {status}"))
                    .hint("write the method's name behind the service's")),
            },
        }
    }
}

/// What a service says of itself, from the first of its nodes that answers; and its name as it is
/// registered. The inner error is that of a service that runs but does not describe itself.
///
/// # Errors
/// What runs instead, when it does not run; why none of its nodes can be reached.
pub(crate) async fn describe(
    session: &Session,
    spelled: &str,
) -> Outcome<(String, Result<Arc<ServiceDescriptor>, Status>)> {
    if session.address.is_some() {
        return describe_at_address(session, spelled).await;
    }
    let registered = session.registered().await?;
    let known = || registered.iter().map(|name| &**name);
    let package = || spelled.rsplit_once('.').and_then(|(package, _)| names::find(package, known()));
    let name = names::find(spelled, known()).or_else(package).unwrap_or(spelled).to_owned();
    let mut nodes = session.nodes_of(&name).await?;
    nodes.sort_by_key(|node| node.state != NodeState::Active);
    let count = nodes.len();
    let mut last = None;
    for process in Process::of_nodes(session, nodes)? {
        match process.describe(Some(&name), session.patience()).await {
            Ok(mut reply) if !reply.services.is_empty() => return Ok((name, Ok(reply.services.swap_remove(0)))),
            Ok(_) => last = Some(Status::unimplemented("it describes other services only")),
            Err(status) => {
                if is_silence(&status) {
                    return Ok((name, Err(status)));
                }
                if session.limit.is_some() && status.code() == Code::DeadlineExceeded {
                    // No time is left to ask another.
                    return Err(Failure::from(status));
                }
                last = Some(status);
            }
        }
    }
    let last = last.unwrap_or_else(|| Status::unavailable("it has no node"));
    let which =
        if count == 1 { format!("the one node of `{name}`") } else { format!("none of the {count} nodes of `{name}`") };
    let verb = if count == 1 { "does not answer" } else { "answers" };
    let failure = Failure::from(last);
    Err(Failure { message: format!("{which} {verb}: {}", failure.message), ..failure }
        .hint(format!("see what is registered: motet nodes {name}")))
}

async fn describe_at_address(
    session: &Session,
    spelled: &str,
) -> Outcome<(String, Result<Arc<ServiceDescriptor>, Status>)> {
    let process = Process::pinned(session);
    let reply = match process.describe(None, session.patience()).await {
        Ok(reply) => reply,
        Err(status) if is_silence(&status) => return Ok((spelled.to_owned(), Err(status))),
        Err(status) => return Err(Failure::from(status)),
    };
    // Asked for by name, motet.meta describes itself as well.
    if spelled == motet_app::meta::SERVICE
        && let Ok(mut own) = process.describe(Some(spelled), session.patience()).await
        && let Some(own) = own.services.pop()
    {
        return Ok((spelled.to_owned(), Ok(own)));
    }
    let by_name = names::find(spelled, reply.services.iter().map(|service| &*service.name));
    let named = reply.services.iter().find(|service| by_name == Some(&service.name));
    let also = || {
        let called = |service: &&Arc<ServiceDescriptor>| service.proto_name == spelled || service.ident == spelled;
        reply.services.iter().find(called)
    };
    match named.or_else(also) {
        Some(service) => Ok((service.name.clone(), Ok(service.clone()))),
        None => Err(unknown_service(
            &format!("`{spelled}` does not run at {}", session.place()),
            spelled,
            reply.services.iter().map(|service| &*service.name),
        )),
    }
}

/// Whether a status is that of a process that is there but does not say what it has: introspection
/// is closed to this caller, or it is not made with an App.
pub(crate) fn is_silence(status: &Status) -> bool {
    matches!(status.code(), Code::PermissionDenied | Code::Unauthenticated | Code::Unimplemented | Code::NotFound)
}

/// The failure of a command whose own time is over.
pub(crate) fn too_late(what: &str, session: &Session) -> Failure {
    let time = session.limit.map(|(time, _)| crate::duration::show(time)).unwrap_or_default();
    Failure::new(exit::TIMEOUT, format!("{what} within the {time} of --timeout"))
        .hint("give it longer with --timeout, or ask how it is: motet health")
}

/// The names of a service's methods.
pub(crate) fn method_names(service: &ServiceDescriptor) -> impl Iterator<Item = &str> + Clone {
    service.methods.iter().map(|method| &*method.name)
}

/// The failure of a method that is not there, or that nobody named.
pub(crate) fn unknown_method(service: &ServiceDescriptor, wanted: Option<&str>) -> Failure {
    let name = &service.name;
    let list = match names::list(method_names(service)) {
        list if list.is_empty() => "it has none".to_owned(),
        list => format!("its methods: {list}"),
    };
    let failure = match wanted {
        None => Failure::usage(format!("which method of `{name}`? {list}")),
        Some(wanted) => {
            let meant = names::nearest(wanted, method_names(service));
            let meant = meant.map_or(String::new(), |meant| format!("; did you mean `{meant}`?"));
            Failure::unreachable(format!("`{name}` has no method `{wanted}`; {list}{meant}"))
        }
    };
    failure.hint(format!("see them with `motet describe {name}`"))
}

/// Refuses what cannot be the name of a service before anybody is asked.
///
/// # Errors
/// The rule.
pub(crate) fn check_name(service: &str) -> Outcome {
    check_service_name(service).map_err(|status| Failure::usage(status.message()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(service: &str, method: Option<&str>, json: Option<&str>) -> Result<(String, String, String), String> {
        let own = |text: Option<&str>| text.map(str::to_owned);
        let args = TargetArgs { service: service.to_owned(), method: own(method), request: own(json) };
        let target = args.read().map_err(|failure| failure.message)?;
        Ok((target.service, target.method.unwrap_or_default(), target.json.unwrap_or_default()))
    }

    #[test]
    fn every_spelling_is_taken_apart() {
        for (given, expected) in [
            (("greeter", Some("hello"), None), ("greeter", "hello", "")),
            (("greeter", Some("hello"), Some("{}")), ("greeter", "hello", "{}")),
            (("greeter/hello", Some("{}"), None), ("greeter", "hello", "{}")),
            (("greeter/hello", None, None), ("greeter", "hello", "")),
            (("greeter//say/hi", None, None), ("greeter", "/say/hi", "")),
            (("greeter", Some("/say/hi"), Some("@f")), ("greeter", "/say/hi", "@f")),
            (("Greeter.Hello", Some("-"), None), ("Greeter", "Hello", "-")),
            (("greeter.Greeter/Hello", Some("{}"), None), ("greeter.Greeter", "Hello", "{}")),
            (("acme.greeter", Some("hello"), None), ("acme.greeter", "hello", "")),
            (("acme.greeter", Some("hello"), Some("{}")), ("acme.greeter", "hello", "{}")),
            (("greeter", None, None), ("greeter", "", "")),
            (("greeter", Some("{}"), None), ("greeter", "", "{}")),
        ] {
            let expected = (expected.0.to_owned(), expected.1.to_owned(), expected.2.to_owned());
            assert_eq!(read(given.0, given.1, given.2), Ok(expected), "{given:?}");
        }
        assert!(read("greeter/hello", Some("hello"), Some("{}")).expect_err("twice").contains("already"));
    }

    #[test]
    fn a_method_that_is_not_there_is_answered_with_those_that_are() {
        let mut service = ServiceDescriptor::new("greeter", "1.0.0");
        service.methods =
            ["hello", "count"].map(|name| Arc::new(MethodDescriptor::new("greeter", name))).into_iter().collect();
        assert_eq!(
            unknown_method(&service, Some("helo")).message,
            "`greeter` has no method `helo`; its methods: hello, count; did you mean `hello`?"
        );
        assert_eq!(unknown_method(&service, None).message, "which method of `greeter`? its methods: hello, count");
    }
}

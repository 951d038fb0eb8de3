//! Which method a command line means.

use std::{path::PathBuf, sync::Arc};

use motet::{
    Code, Codec, Kind, MethodDescriptor, NodeState, Payload, ServiceDescriptor, Status,
    core::{Family, check_service_name},
};
use motet_proto::{MethodTypes, Types};

use crate::{
    body::{self, Form, Shown, Wrong},
    failure::{Failure, Outcome, exit},
    foreign,
    global::Global,
    names,
    process::Process,
    session::{Session, unknown_service},
    url::Url,
};

/// A service, a method and a request, as `call` and `stream` take them.
#[derive(Debug, clap::Args)]
pub(crate) struct TargetArgs {
    /// The service; or service and method in one: `greeter/hello`, `Greeter.Hello`. A URL says where it
    /// is and how to speak: `grpc://host:port`, `http://host/greeter`; what it does not name follows it.
    #[arg(value_name = "SERVICE", add = crate::completions::services())]
    service: String,
    /// The method.
    #[arg(value_name = "METHOD", add = crate::completions::methods())]
    method: Option<String>,
    /// The request: JSON, `@FILE`, or `-` for standard input; an empty object if absent.
    #[arg(value_name = "JSON", allow_hyphen_values = true)]
    request: Option<String>,
    /// The request, where a URL stands before service and method.
    #[arg(hide = true, allow_hyphen_values = true)]
    last: Option<String>,
    /// The .proto file that declares the service, where it does not describe itself; may be repeated.
    #[arg(long, value_name = "FILE")]
    proto: Vec<PathBuf>,
    /// A folder in which imports of --proto are looked up; may be repeated. The files' own if absent.
    #[arg(long, short = 'I', value_name = "FOLDER", requires = "proto")]
    include: Vec<PathBuf>,
}

/// What the arguments name, not yet looked up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) service: String,
    pub(crate) method: Option<String>,
    pub(crate) json: Option<String>,
    /// The path that a URL names, for HTTP.
    path: Option<String>,
    /// The files that declare the service, and where they import from.
    files: (Vec<PathBuf>, Vec<PathBuf>),
}

impl TargetArgs {
    /// Takes the spellings apart. A URL's address goes into the options.
    ///
    /// # Errors
    /// When more is given than can be meant.
    pub(crate) fn read(&self, global: &Global) -> Outcome<(Target, Global)> {
        let mut words = [&self.method, &self.request, &self.last].into_iter().filter_map(|word| word.as_deref());
        let (mut global, mut path) = (global.clone(), None);
        let mut target = match at_url(&self.service, &mut global)? {
            None => Target::of(&self.service, words.next(), words.next())?,
            Some(parts) => {
                let parts: Vec<_> = parts.iter().map(String::as_str).collect();
                path = (!parts.is_empty()).then(|| format!("/{}", parts.join("/")));
                let first = words.next();
                match (&parts[..], first) {
                    ([], None) => {
                        return Err(Failure::usage(format!("{}: which service?", self.service))
                            .hint("write service and method behind it: grpc://HOST:PORT greeter hello"));
                    }
                    ([], Some(service)) => Target::of(service, words.next(), words.next())?,
                    ([.., service, method], request) if request.is_none_or(begins_a_request) => {
                        Target::new(service, Some(method), request)
                    }
                    ([.., service], method) => {
                        let target = Target::of(service, method, words.next())?;
                        if let (Some(path), Some(method)) = (&mut path, &target.method) {
                            path.push_str(&format!("/{method}"));
                        }
                        target
                    }
                }
            }
        };
        if let Some(more) = words.next() {
            return Err(Failure::usage(format!("{more}: nothing follows the JSON")));
        }
        (target.path, target.files) = (path, (self.proto.clone(), self.include.clone()));
        Ok((target, global))
    }
}

/// The path behind a URL, whose address goes into the options; `None` where the text is no URL.
///
/// # Errors
/// When it is a bad one, or the options name an address as well.
pub(crate) fn at_url(text: &str, global: &mut Global) -> Outcome<Option<Vec<String>>> {
    let Some(url) = Url::read(text, global.ca.is_some()) else { return Ok(None) };
    let url = url?;
    if global.address.is_some() {
        return Err(Failure::usage(format!("{text} names an address already; leave --address out")));
    }
    global.address = Some(url.address);
    Ok(Some(url.path))
}

fn begins_a_request(text: &str) -> bool {
    text == "-" || text.starts_with(['{', '@', '[', '"'])
}

impl Target {
    fn new(service: &str, method: Option<&str>, json: Option<&str>) -> Target {
        Target {
            service: service.to_owned(),
            method: method.map(str::to_owned),
            json: json.map(str::to_owned),
            path: None,
            files: Default::default(),
        }
    }

    /// Takes service and method apart where they are one word.
    fn of(service: &str, method: Option<&str>, request: Option<&str>) -> Outcome<Target> {
        let second_is_request = request.is_none() && method.is_some_and(begins_a_request);
        let joined = match service.split_once('/') {
            Some(parts) => Some(parts),
            None if method.is_none() || second_is_request => service.rsplit_once('.'),
            None => None,
        };
        match joined {
            Some(_) if service.contains('/') && request.is_some() => Err(Failure::usage(format!(
                "{service} names a method already; after it comes the JSON and nothing else"
            ))),
            Some((service, name)) => Ok(Target::new(service, Some(name), method)),
            None if second_is_request => Ok(Target::new(service, None, method)),
            None => Ok(Target::new(service, method, request)),
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
    /// Its messages, where they travel as binary protobuf although people write JSON.
    pub(crate) types: Option<MethodTypes>,
}

impl Found {
    /// A body as it is sent.
    ///
    /// # Errors
    /// What keeps it from being one of the method's messages.
    pub(crate) fn encode(&self, body: Payload) -> Result<Payload, Wrong> {
        encode(self.types.as_ref(), body)
    }

    /// What a body is sent as.
    pub(crate) fn codec(&self, form: Form) -> Codec {
        match (&self.types, form) {
            (Some(_), Form::Json) => Codec::PROTOBUF,
            _ => form.codec(),
        }
    }

    /// What there is to show of a reply.
    ///
    /// # Errors
    /// When it came in a form that needs the type of the message.
    pub(crate) fn show(&self, payload: &Payload) -> Outcome<Shown> {
        match &self.types {
            Some(types) if *payload.codec() == Codec::PROTOBUF => Ok(Shown::Json(types.reply(&payload.bytes()?)?)),
            _ => body::show(payload),
        }
    }
}

/// A body of JSON as protobuf, where that is how it is sent.
///
/// # Errors
/// What keeps it from being one of the method's messages.
pub(crate) fn encode(types: Option<&MethodTypes>, body: Payload) -> Result<Payload, Wrong> {
    let Some(types) = types.filter(|_| *body.codec() == Codec::JSON) else { return Ok(body) };
    let text = body.bytes().map_err(|status| Wrong::type_(status.message()))?;
    let bytes = types.request(&String::from_utf8_lossy(&text)).map_err(|status| Wrong::type_(status.message()))?;
    Ok(Payload::encoded(bytes, Codec::PROTOBUF))
}

impl Target {
    /// Looks the method up where the service runs.
    ///
    /// # Errors
    /// What there is instead, when there is no such service or method; why it cannot be reached.
    pub(crate) async fn find(&self, session: &Session, kind: Option<Kind>) -> Outcome<Found> {
        let (files, includes) = &self.files;
        if !files.is_empty() {
            let services = foreign::of_files(files, includes)?;
            let service = named(&self.service, &services).ok_or_else(|| {
                let known = services.iter().map(|service| &*service.name);
                Failure::usage(format!(
                    "the files declare no service `{}`; there are: {}",
                    self.service,
                    names::list(known)
                ))
            })?;
            return self.among(service, session);
        }
        match describe(session, &self.service).await? {
            (_, Ok(service)) => self.among(&service, session),
            (name, Err(status)) => self.undescribed(&name, kind, status, session),
        }
    }

    /// The method among those of a service.
    fn among(&self, service: &ServiceDescriptor, session: &Session) -> Outcome<Found> {
        let wanted = self.method.as_deref().unwrap_or_default();
        let found = names::find(wanted, method_names(service)).and_then(|name| service.method(name));
        let method = found.ok_or_else(|| unknown_method(service, self.method.as_deref()))?;
        let types = match as_protobuf(service, method, session.protocol()) {
            true => Types::read(&service.protobuf)?.method(method.proto_path()),
            false => None,
        };
        Ok(Found { method: method.clone(), silent: None, types })
    }

    /// The method of a service of which nothing is known but its name.
    fn undescribed(&self, name: &str, kind: Option<Kind>, status: Status, session: &Session) -> Outcome<Found> {
        let protocol = session.protocol();
        if protocol == "grpc" && status.code() == Code::Unimplemented {
            return Err(Failure::unreachable(format!("{}: {}", session.place(), status.message())).hint(format!(
                "name the file that declares `{name}`: --proto FILE; or let the server have reflection \
                 (grpc.reflection.v1 or v1alpha), by which grpcurl asks as well"
            )));
        }
        let method = match (&self.method, &self.path) {
            (method, Some(path)) if protocol == "http" => {
                let method = foreign::by_http(name, method.as_deref().unwrap_or(name), "POST", path);
                MethodDescriptor::clone(&method)
            }
            (Some(method), _) => MethodDescriptor::new(name, method),
            (None, _) => {
                return Err(Failure::usage(format!("which method of `{name}`? It does not say what it has: {status}"))
                    .hint("write the method's name behind the service's"));
            }
        };
        Ok(Found { method: Arc::new(method.kind(kind.unwrap_or_default())), silent: Some(status), types: None })
    }
}

/// Whether messages that people write as JSON go as binary protobuf: those of prost, where gRPC carries
/// them, or where they have no form in JSON of their own.
fn as_protobuf(service: &ServiceDescriptor, method: &MethodDescriptor, protocol: &str) -> bool {
    let unknown = |schema: &serde_json::Value| schema.get("properties").is_none();
    let bare = service.version.is_empty() || unknown(&method.request) || unknown(&method.reply);
    let carries = protocol == "grpc" || protocol == "motet" && bare;
    carries && method.family == Family::Proto && !service.protobuf.is_empty()
}

/// The service of this name: as it is called, or as its trait or its `.proto` file calls it.
pub(crate) fn named<'a>(spelled: &str, services: &'a [Arc<ServiceDescriptor>]) -> Option<&'a Arc<ServiceDescriptor>> {
    let by = |name: fn(&ServiceDescriptor) -> &str| {
        let found = names::find(spelled, services.iter().map(|service| name(service)))?;
        services.iter().find(|service| name(service) == found)
    };
    by(|service| &service.name).or_else(|| by(|service| &service.proto_name)).or_else(|| by(|service| &service.ident))
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
                if foreign::is_silence("motet", &status) {
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
        Err(status) if foreign::is_silence(session.protocol(), &status) => {
            return Ok((spelled.to_owned(), Err(status)));
        }
        Err(status) => return Err(Failure::from(status)),
    };
    // Asked for by name, motet.meta describes itself as well.
    if spelled == motet_app::meta::SERVICE
        && let Ok(mut own) = process.describe(Some(spelled), session.patience()).await
        && let Some(own) = own.services.pop()
    {
        return Ok((spelled.to_owned(), Ok(own)));
    }
    match named(spelled, &reply.services) {
        Some(service) => Ok((service.name.clone(), Ok(service.clone()))),
        None => Err(unknown_service(
            &format!("`{spelled}` does not run at {}", session.place()),
            spelled,
            reply.services.iter().map(|service| &*service.name),
        )),
    }
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
        let args = TargetArgs {
            service: service.to_owned(),
            method: own(method),
            request: own(json),
            last: None,
            proto: Vec::new(),
            include: Vec::new(),
        };
        let (target, _) = args.read(&Global::default()).map_err(|failure| failure.message)?;
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
    fn a_url_names_the_address_and_as_much_as_it_likes() {
        let at = "http://a:1";
        for (words, method, path) in [
            (&["http://a:1", "greeter", "hello", "{}"][..], "greeter hello", None),
            (&["http://a:1", "greeter/hello", "{}"], "greeter hello", None),
            (&["http://a:1/greeter", "hello", "{}"], "greeter hello", Some("/greeter/hello")),
            (&["http://a:1/greeter/hello", "{}"], "greeter hello", Some("/greeter/hello")),
            (&["http://a:1/greeter/hello"], "greeter hello", Some("/greeter/hello")),
            (&["http://a:1/api/greeter", "hello", "{}"], "greeter hello", Some("/api/greeter/hello")),
            (&["http://a:1/api/v1/greeter/hello", "{}"], "greeter hello", Some("/api/v1/greeter/hello")),
            (&["http://a:1/echo", "{}"], "echo ", Some("/echo")),
            (&["http://a:1/acme.v1.Cart/Add", "@f"], "acme.v1.Cart Add", Some("/acme.v1.Cart/Add")),
        ] {
            let word = |n: usize| words.get(n).map(|word| (*word).to_owned());
            let args = TargetArgs {
                service: word(0).expect("one"),
                method: word(1),
                request: word(2),
                last: word(3),
                proto: Vec::new(),
                include: Vec::new(),
            };
            let (target, global) = args.read(&Global::default()).expect("read");
            let named = format!("{} {}", target.service, target.method.unwrap_or_default());
            assert_eq!(
                (&*named, target.path.as_deref(), global.address.as_deref()),
                (method, path, Some(at)),
                "{words:?}"
            );
            let twice = Global { address: Some("b:1".to_owned()), ..Global::default() };
            assert!(args.read(&twice).expect_err("two addresses").message.contains("leave --address out"));
        }
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

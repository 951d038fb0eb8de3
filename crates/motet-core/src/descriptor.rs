//! What a service is, as data: everything that protocols, registries, tools and documents need.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use motet_protobuf::Body;
use serde::{Deserialize, Serialize};

use crate::{Result, Status, spelling};

mod file;
mod text;

/// The four kinds of methods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One request, one reply.
    #[default]
    Unary,
    /// Many requests, one reply.
    ClientStream,
    /// One request, many replies.
    ServerStream,
    /// Many requests, many replies.
    Bidi,
}

impl Kind {
    /// Whether the request is a stream.
    pub fn client_streams(self) -> bool {
        matches!(self, Kind::ClientStream | Kind::Bidi)
    }

    /// Whether the reply is a stream.
    pub fn server_streams(self) -> bool {
        matches!(self, Kind::ServerStream | Kind::Bidi)
    }
}

/// Which codecs can carry a method's messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Family {
    /// `#[motet::message]` types: protobuf, JSON, MessagePack and registered codecs.
    #[default]
    Serde,
    /// Types with serde only: JSON, MessagePack, registered codecs, and protobuf as
    /// `google.protobuf.Struct`.
    Plain,
    /// prost types: binary protobuf; with serde, as motet-build generates them, JSON and MessagePack as
    /// well.
    Proto,
    /// Bytes of any content type.
    Raw,
}

/// How a body relates to what the method declares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum BodyShape {
    /// The declared type is the body.
    #[default]
    Message,
    /// The body is an object with one field per argument.
    Arguments,
    /// The body is `{"value": …}`.
    Value,
    /// The body is the empty object.
    Empty,
}

/// One argument of a method.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ArgumentDescriptor {
    /// The name.
    pub name: String,
    /// Whether its value must never be shown.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sensitive: bool,
}

impl ArgumentDescriptor {
    /// An argument of this name.
    pub fn new(name: impl Into<String>) -> ArgumentDescriptor {
        ArgumentDescriptor { name: name.into(), sensitive: false }
    }

    /// Marks the argument as sensitive.
    #[must_use]
    pub fn sensitive(mut self) -> ArgumentDescriptor {
        self.sensitive = true;
        self
    }
}

/// A verb and a path under which HTTP serves a method.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpRoute {
    /// The verb, such as `GET`.
    pub verb: String,
    /// The path, such as `/hello/{name}`.
    pub path: String,
}

/// The options of a method.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct MethodOptions {
    /// Running it twice is as good as once: it may be sent again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub idempotent: bool,
    /// It changes nothing; implies idempotent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub safe: bool,
    /// The handler blocks its thread and runs on the blocking pool.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub blocking: bool,
    /// Runs one at a time with the other serial methods of its service instance.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub serial: bool,
    /// Callers should move away from it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deprecated: bool,
    /// How many calls may wait in its handler at once, in one server; those beyond wait for a moment
    /// and are refused then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_in_flight: Option<u32>,
    /// The time a call may take, in milliseconds, in place of the client's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Where HTTP serves it beside its standard path.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub http: Vec<HttpRoute>,
}

/// One method of a service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MethodDescriptor {
    /// The name, such as `hello`; unique in its service.
    pub name: String,
    /// The service's name, a slash and the method's name verbatim: `greeter/hello`,
    /// `greeter//say/hi`.
    pub path: String,
    /// Its name in the `.proto` file that declares it, where that is not its own in upper camel case.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub proto_name: String,
    /// The protobuf names of service and method, such as `greeter.Greeter/Hello`; set by
    /// [`ServiceDescriptor::spell`]. Read it through [`MethodDescriptor::proto_path`].
    #[serde(skip)]
    spelled: String,
    /// The kind.
    pub kind: Kind,
    /// What it does, from the doc comment.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub docs: String,
    /// Its arguments in order, without the Context.
    #[serde(default)]
    pub arguments: Vec<ArgumentDescriptor>,
    /// How the request's body relates to the arguments.
    #[serde(default)]
    pub request_shape: BodyShape,
    /// How the reply's body relates to the declared reply.
    #[serde(default)]
    pub reply_shape: BodyShape,
    /// JSON schema of the request's body, or of one message of its stream.
    #[serde(default)]
    pub request: serde_json::Value,
    /// JSON schema of the reply's body, or of one message of its stream.
    #[serde(default)]
    pub reply: serde_json::Value,
    /// Which codecs can carry it.
    #[serde(default)]
    pub family: Family,
    /// The content type that clients use unless told otherwise.
    #[serde(default)]
    pub content_type: String,
    /// Options.
    #[serde(default)]
    pub options: MethodOptions,
}

impl MethodDescriptor {
    /// A unary method without schemas, carried as protobuf.
    pub fn new(service: &str, name: impl Into<String>) -> MethodDescriptor {
        let name = name.into();
        MethodDescriptor {
            path: format!("{service}/{name}"),
            name,
            content_type: crate::Codec::PROTOBUF.content_type().to_owned(),
            ..MethodDescriptor::default()
        }
    }

    /// Sets the kind.
    #[must_use]
    pub fn kind(mut self, kind: Kind) -> MethodDescriptor {
        self.kind = kind;
        self
    }

    /// Sets the documentation.
    #[must_use]
    pub fn docs(mut self, docs: impl Into<String>) -> MethodDescriptor {
        self.docs = docs.into();
        self
    }

    /// Sets the arguments.
    #[must_use]
    pub fn arguments(mut self, arguments: impl IntoIterator<Item = ArgumentDescriptor>) -> MethodDescriptor {
        self.arguments = arguments.into_iter().collect();
        self
    }

    /// Sets shape and schema of the request.
    #[must_use]
    pub fn request(mut self, shape: BodyShape, schema: serde_json::Value) -> MethodDescriptor {
        (self.request_shape, self.request) = (shape, schema);
        self
    }

    /// Sets shape and schema of the reply.
    #[must_use]
    pub fn reply(mut self, shape: BodyShape, schema: serde_json::Value) -> MethodDescriptor {
        (self.reply_shape, self.reply) = (shape, schema);
        self
    }

    /// Sets the codec family and with it the content type that clients use.
    #[must_use]
    pub fn family(mut self, family: Family) -> MethodDescriptor {
        self.family = family;
        let codec = match family {
            Family::Serde | Family::Proto => crate::Codec::PROTOBUF,
            Family::Plain => crate::Codec::MSGPACK,
            Family::Raw => crate::Codec::RAW,
        };
        self.content_type = codec.content_type().to_owned();
        self
    }

    /// Sets the options.
    #[must_use]
    pub fn options(mut self, options: MethodOptions) -> MethodDescriptor {
        self.options = options;
        self
    }

    /// The method's own timeout.
    #[inline]
    pub fn timeout(&self) -> Option<Duration> {
        self.options.timeout_ms.map(Duration::from_millis)
    }

    /// Whether a call may be sent again although it may have run.
    #[inline]
    pub fn is_idempotent(&self) -> bool {
        self.options.idempotent || self.options.safe
    }

    /// The protobuf names of service and method, such as `greeter.Greeter/Hello`; its path where its
    /// service has no such name.
    pub fn proto_path(&self) -> &str {
        if self.spelled.is_empty() { &self.path } else { &self.spelled }
    }

    /// The name that net/rpc, JSON-RPC, rpcx, go-rpc and go-micro use, such as `Greeter.Hello`.
    pub fn dotted(&self) -> String {
        spelling::dotted(self.proto_path())
    }

    /// The name of the service it belongs to.
    pub fn service(&self) -> &str {
        self.path.split('/').next().unwrap_or_default()
    }
}

/// A service: a named, versioned set of methods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Unspelled")]
#[non_exhaustive]
pub struct ServiceDescriptor {
    /// The name, `[A-Za-z0-9][A-Za-z0-9_.-]{0,127}`.
    pub name: String,
    /// The version.
    pub version: String,
    /// What it is for, from the doc comment.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub docs: String,
    /// The trait's identifier, such as `Greeter`; empty where there is no trait.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ident: String,
    /// The full name as a protobuf service, such as `greeter.Greeter`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub proto_name: String,
    /// The methods in order of declaration.
    pub methods: Vec<Arc<MethodDescriptor>>,
    /// The service as protobuf knows it: an encoded `google.protobuf.FileDescriptorSet` of the file
    /// that holds the service and of those that it imports; `google/protobuf/empty.proto` and
    /// `struct.proto` may be left out. Empty where there is none. In JSON it is base64.
    #[serde(default, skip_serializing_if = "Bytes::is_empty", with = "text")]
    pub protobuf: Bytes,
}

/// A descriptor as it is read, before its methods know their names in other protocols.
#[derive(Deserialize)]
struct Unspelled {
    name: String,
    version: String,
    #[serde(default)]
    docs: String,
    #[serde(default)]
    ident: String,
    #[serde(default)]
    proto_name: String,
    methods: Vec<Arc<MethodDescriptor>>,
    #[serde(default, with = "text")]
    protobuf: Bytes,
}

impl From<Unspelled> for ServiceDescriptor {
    fn from(read: Unspelled) -> ServiceDescriptor {
        let Unspelled { name, version, docs, ident, proto_name, methods, protobuf } = read;
        let mut service = ServiceDescriptor { name, version, docs, ident, proto_name, methods, protobuf };
        service.spell();
        service
    }
}

impl ServiceDescriptor {
    /// A service without methods.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> ServiceDescriptor {
        ServiceDescriptor { name: name.into(), version: version.into(), ..ServiceDescriptor::default() }
    }

    /// Sets the documentation.
    #[must_use]
    pub fn docs(mut self, docs: impl Into<String>) -> ServiceDescriptor {
        self.docs = docs.into();
        self
    }

    /// Sets the trait's identifier and, from it, the protobuf name `<service>.<Ident>`.
    #[must_use]
    pub fn ident(mut self, ident: impl Into<String>) -> ServiceDescriptor {
        self.ident = ident.into();
        self.proto_name = format!("{}.{}", spelling::package(&self.name), self.ident);
        self
    }

    /// Sets the full name as a protobuf service, such as `acme.shop.v1.Cart`, in place of that which
    /// [`ServiceDescriptor::ident`] makes.
    #[must_use]
    pub fn proto_name(mut self, name: impl Into<String>) -> ServiceDescriptor {
        self.proto_name = name.into();
        self.spell();
        self
    }

    /// Sets [`ServiceDescriptor::protobuf`], the files behind a service that a `.proto` file declares.
    #[must_use]
    pub fn descriptor_set(mut self, set: impl Into<Bytes>) -> ServiceDescriptor {
        self.protobuf = set.into();
        self
    }

    /// Sets [`ServiceDescriptor::protobuf`] from what the methods take and give, in the order of the
    /// methods; those of which one is not known are not in it. Called last: documentation and options
    /// of the methods go into it.
    #[must_use]
    pub fn bodies(mut self, bodies: &[(Option<Body>, Option<Body>)]) -> ServiceDescriptor {
        self.protobuf = file::set_of(&self, bodies);
        self
    }

    /// Adds a method.
    pub fn add(&mut self, method: MethodDescriptor) {
        self.methods.push(Arc::new(method));
        self.spell();
    }

    /// Works out [`MethodDescriptor::proto_path`] of all methods. [`Service::new`](crate::Service::new)
    /// and [`ServiceDescriptor::add`] do it, and a descriptor that is read knows it; one whose names
    /// were changed by hand needs it once.
    pub fn spell(&mut self) {
        let names: Vec<_> = self.methods.iter().map(|method| spelling::proto_path(self, method)).collect();
        for (method, spelled) in self.methods.iter_mut().zip(names) {
            if method.spelled != spelled {
                Arc::make_mut(method).spelled = spelled;
            }
        }
    }

    /// The method of this name.
    pub fn method(&self, name: &str) -> Option<&Arc<MethodDescriptor>> {
        self.methods.iter().find(|method| method.name == name)
    }

    /// A hash of the whole descriptor, 16 hexadecimal digits, that changes when anything in it
    /// does: registry records carry it.
    pub fn hash(&self) -> String {
        let json = serde_json::to_vec(self).unwrap_or_default();
        // FNV-1a, 64 bits (RFC 9923): stable across versions and platforms.
        let hash = json
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
        format!("{hash:016x}")
    }

    /// Checks names, and that no two methods share one in any spelling.
    ///
    /// # Errors
    /// InvalidArgument naming the service, the method and the rule.
    pub fn check(&self) -> Result<()> {
        check_service_name(&self.name)?;
        for (n, method) in self.methods.iter().enumerate() {
            let plain = |name: &str| name.chars().filter(|c| *c != '_').collect::<String>().to_ascii_lowercase();
            if method.name.is_empty() || method.name.len() > 256 {
                return Err(Status::invalid_argument(format!(
                    "service {}: a method's name is 1 to 256 bytes, not {}",
                    self.name,
                    method.name.len()
                )));
            }
            if let Some(twin) = self.methods[..n].iter().find(|other| plain(&other.name) == plain(&method.name)) {
                return Err(Status::invalid_argument(format!(
                    "service {}: methods {:?} and {:?} are the same name in some protocol's spelling; rename one",
                    self.name, twin.name, method.name
                )));
            }
            for (what, schema) in [("request", &method.request), ("reply", &method.reply)] {
                let object = schema.is_null() || schema.get("type").is_none_or(|t| t == "object");
                if !object {
                    return Err(Status::invalid_argument(format!(
                        "method {}: the {what}'s body must be an object, not {}; wrap it in motet::Value",
                        method.path, schema["type"]
                    )));
                }
            }
        }
        Ok(())
    }
}

/// Checks a service's name.
///
/// # Errors
/// InvalidArgument naming the rule.
pub fn check_service_name(name: &str) -> Result<()> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    let starts = name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
    if starts && name.len() <= 128 && name.bytes().all(allowed) {
        return Ok(());
    }
    let shown: String = name.chars().take(64).collect();
    Err(Status::invalid_argument(format!(
        "service name {shown:?} must be 1 to 128 of letters, digits, _ . - and start with a letter or digit"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(methods: &[&str]) -> ServiceDescriptor {
        let mut service = ServiceDescriptor::new("greeter", "1.0.0").ident("Greeter");
        service.methods = methods.iter().map(|name| Arc::new(MethodDescriptor::new("greeter", *name))).collect();
        service
    }

    #[test]
    fn names_are_checked() {
        assert!(service(&["hello", "good_bye"]).check().is_ok());
        for bad in ["", "-a", "a/b", "ü", &"x".repeat(129)] {
            assert!(check_service_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn methods_that_collide_in_any_spelling_are_refused() {
        for pair in [["hello", "hello"], ["say_hi", "sayHi"], ["say_hi", "SayHi"]] {
            assert!(service(&pair).check().is_err(), "{pair:?}");
        }
    }

    #[test]
    fn a_method_has_a_name_in_every_protocol_s_spelling() {
        let mut service = service(&[]);
        service.add(MethodDescriptor::new("greeter", "say_hi"));
        let mut add = MethodDescriptor::new("greeter", "add");
        "add".clone_into(&mut add.proto_name);
        service.add(add);
        let json = serde_json::to_string(&service).expect("writes");
        assert_eq!(serde_json::from_str::<ServiceDescriptor>(&json).expect("reads"), service);
        let names = |n: usize| (service.methods[n].proto_path().to_owned(), service.methods[n].dotted());
        assert_eq!(names(0), ("greeter.Greeter/SayHi".to_owned(), "Greeter.SayHi".to_owned()));
        assert_eq!(names(1), ("greeter.Greeter/add".to_owned(), "Greeter.add".to_owned()), "as its .proto says");
        let mut bare = ServiceDescriptor::new("say", "1.0.0");
        bare.add(MethodDescriptor::new("say", "hi"));
        assert_eq!((bare.methods[0].proto_path(), &*bare.methods[0].dotted()), ("say/hi", "say.hi"), "verbatim");
    }

    #[test]
    fn bodies_that_are_no_objects_are_refused() {
        let mut service = service(&[]);
        let method =
            MethodDescriptor::new("greeter", "bad").reply(BodyShape::Message, serde_json::json!({"type": "string"}));
        service.methods.push(Arc::new(method));
        assert!(service.check().expect_err("no object").message().contains("motet::Value"));
    }

    #[test]
    fn a_method_knows_its_service_and_its_path() {
        assert_eq!(service(&["hello"]).methods[0].path, "greeter/hello");
        assert_eq!(service(&["hello"]).methods[0].service(), "greeter");
        assert_eq!(MethodDescriptor::new("greeter", "/say/hi").path, "greeter//say/hi");
    }

    #[test]
    fn the_hash_changes_with_anything_in_the_descriptor() {
        assert_eq!(service(&["a"]).hash(), service(&["a"]).hash());
        assert_ne!(service(&["a"]).hash(), service(&["b"]).hash());
        assert_eq!(service(&["a"]).proto_name, "greeter.Greeter");
    }
}

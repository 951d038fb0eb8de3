//! Services from closures.

mod closure;

use std::{fmt, future::Future, sync::Arc};

use bytes::Bytes;
use motet_core::{
    ArgumentDescriptor, BodyShape, Carried, Carry, Context, Family, Handler, Kind, MethodDescriptor, RawCarry, Result,
    Service, ServiceDescriptor, Status, Streaming,
};

use crate::typed::{self, IntoService, ServiceBuilder};

pub use closure::{ArgumentsClosure, ClosureReply, ClosureStream};

/// A service from closures, without a trait.
///
/// ```
/// use motet_core::Context;
/// use motet_rpc::Router;
///
/// let router = Router::new()
///     .named("hello", "1.0.0")
///     .args("/say/hi", ["name"], |cx: Context, name: String| async move { Ok(format!("hi {name}")) })
///     .serial("count", |cx, step: u64| async move { Ok(step + 1) });
/// ```
///
/// A closure takes a [`Context`] and one value: a message (a `#[motet::message]` struct, or any type
/// with `motet::Message`) is the request's body, a scalar or a collection is its field `value`,
/// [`Plain`](motet_core::Plain) carries a type that has serde only. [`Router::args`] takes any number
/// of named arguments instead. Replies follow the same rule; errors are [`Status`].
///
/// Names are verbatim in every protocol; one that starts with `/` is the HTTP path as well. Methods
/// run concurrently, except the `serial` ones, which run one at a time for each service that is made
/// of the router: at most 1,024 wait, those beyond get ResourceExhausted. What breaks a rule is
/// reported by [`IntoService::into_service`].
#[derive(Default)]
pub struct Router {
    name: Option<String>,
    version: Option<String>,
    docs: String,
    methods: Vec<(MethodDescriptor, Arc<dyn Handler>)>,
}

impl Router {
    /// A router without methods.
    pub fn new() -> Router {
        Router::default()
    }

    /// Sets the name and the version of the service. Without them the App's service gives its own.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>, version: impl Into<String>) -> Router {
        (self.name, self.version) = (Some(name.into()), Some(version.into()));
        self
    }

    /// Sets what the service is for.
    #[must_use]
    pub fn docs(mut self, docs: impl Into<String>) -> Router {
        self.docs = docs.into();
        self
    }

    /// One request, one reply.
    #[must_use]
    pub fn method<F, V, Fut>(self, path: &str, closure: F) -> Router
    where
        F: Fn(Context, V) -> Fut + Send + Sync + 'static,
        V: Carried,
        Fut: Future + Send + 'static,
        Fut::Output: ClosureReply,
    {
        self.add::<V::Carrier, ReplyOf<Fut>>(path, Kind::Unary, |i, o| {
            typed::unary(&Arc::new(closure), i, o, |closure, cx, request, answer| async move {
                match request.read() {
                    Ok(value) => answer.of(closure(cx, value).await.into_result()),
                    Err(status) => answer.refuse(status),
                }
            })
        })
    }

    /// As [`Router::method`], one at a time with the other serial methods.
    #[must_use]
    pub fn serial<F, V, Fut>(self, path: &str, closure: F) -> Router
    where
        F: Fn(Context, V) -> Fut + Send + Sync + 'static,
        V: Carried,
        Fut: Future + Send + 'static,
        Fut::Output: ClosureReply,
    {
        self.method(path, closure).configure(|method| method.options.serial = true)
    }

    /// Named arguments, one reply. In a request they are fields of an object or, for protocols that
    /// have no names, the elements of an array.
    #[must_use]
    pub fn args<F, A, const N: usize>(self, path: &str, names: [&'static str; N], closure: F) -> Router
    where
        F: ArgumentsClosure<A, N>,
    {
        let method = MethodDescriptor::new("", path)
            .arguments(names.map(ArgumentDescriptor::new))
            .request(if N == 0 { BodyShape::Empty } else { BodyShape::Arguments }, F::schema(&names));
        let method = replied::<<F::Reply as Carried>::Carrier>(method, Family::Serde);
        self.push(method, closure::handler(names, closure))
    }

    /// As [`Router::args`], one at a time with the other serial methods.
    #[must_use]
    pub fn serial_args<F, A, const N: usize>(self, path: &str, names: [&'static str; N], closure: F) -> Router
    where
        F: ArgumentsClosure<A, N>,
    {
        self.args(path, names, closure).configure(|method| method.options.serial = true)
    }

    /// One request, many replies.
    #[must_use]
    pub fn server_stream<F, V, Fut>(self, path: &str, closure: F) -> Router
    where
        F: Fn(Context, V) -> Fut + Send + Sync + 'static,
        V: Carried,
        Fut: Future + Send + 'static,
        Fut::Output: ClosureStream,
    {
        self.add::<V::Carrier, ItemOf<Fut>>(path, Kind::ServerStream, |i, o| {
            typed::server_stream(&Arc::new(closure), i, o, |closure, cx, request, answer| async move {
                match request.read() {
                    Ok(value) => answer.stream(closure(cx, value).await.into_stream()),
                    Err(status) => answer.refuse(status),
                }
            })
        })
    }

    /// Many requests, one reply.
    #[must_use]
    pub fn client_stream<F, V, Fut>(self, path: &str, closure: F) -> Router
    where
        F: Fn(Context, Streaming<V>) -> Fut + Send + Sync + 'static,
        V: Carried,
        Fut: Future + Send + 'static,
        Fut::Output: ClosureReply,
    {
        self.add::<V::Carrier, ReplyOf<Fut>>(path, Kind::ClientStream, |i, o| {
            typed::client_stream(&Arc::new(closure), i, o, |closure, cx, values, answer| {
                let running = closure(cx, values);
                async move { answer.of(running.await.into_result()) }
            })
        })
    }

    /// Many requests, many replies.
    #[must_use]
    pub fn bidi<F, V, Fut>(self, path: &str, closure: F) -> Router
    where
        F: Fn(Context, Streaming<V>) -> Fut + Send + Sync + 'static,
        V: Carried,
        Fut: Future + Send + 'static,
        Fut::Output: ClosureStream,
    {
        self.add::<V::Carrier, ItemOf<Fut>>(path, Kind::Bidi, |i, o| {
            typed::bidi(&Arc::new(closure), i, o, |closure, cx, values, answer| {
                let running = closure(cx, values);
                async move { answer.stream(running.await.into_stream()) }
            })
        })
    }

    /// Bytes in, bytes out, of any content type.
    #[must_use]
    pub fn raw<F, Fut>(self, path: &str, closure: F) -> Router
    where
        F: Fn(Context, Bytes) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Bytes>> + Send + 'static,
    {
        self.add::<RawCarry, RawCarry>(path, Kind::Unary, |i, o| {
            typed::unary(&Arc::new(closure), i, o, |closure, cx, request, answer| async move {
                match request.read() {
                    Ok(value) => answer.of(closure(cx, value).await),
                    Err(status) => answer.refuse(status),
                }
            })
        })
    }

    /// Changes the descriptor of the method added last: its docs, its options.
    ///
    /// ```
    /// # use motet_rpc::Router;
    /// let router = Router::new().method("add", |_, n: u64| async move { Ok(n + 1) }).configure(|method| {
    ///     method.docs = "Adds one.".to_owned();
    ///     method.options.idempotent = true;
    /// });
    /// ```
    #[must_use]
    pub fn configure(mut self, change: impl FnOnce(&mut MethodDescriptor)) -> Router {
        if let Some((method, _)) = self.methods.last_mut() {
            change(method);
        }
        self
    }

    fn add<I: Carry, O: Carry>(self, path: &str, kind: Kind, handler: impl FnOnce(I, O) -> Arc<dyn Handler>) -> Router {
        let (i, o) = (I::default(), O::default());
        let mut method = typed::method("", path, kind, "", i, o);
        if method.request_shape == BodyShape::Value {
            method.arguments.push(ArgumentDescriptor::new("value"));
        }
        self.push(method, handler(i, o))
    }

    fn push(mut self, method: MethodDescriptor, handler: Arc<dyn Handler>) -> Router {
        self.methods.push((method, handler));
        self
    }

    fn build(self, name: String, version: String) -> Result<Service> {
        let mut descriptor = ServiceDescriptor::new(name, version).docs(self.docs);
        let mut handlers = Vec::new();
        for (mut method, handler) in self.methods {
            let streams = method.kind.server_streams();
            if streams && (method.options.serial || method.options.blocking) {
                return Err(Status::invalid_argument(format!(
                    "method {}: serial and blocking are for methods with one reply",
                    method.name
                )));
            }
            method.path = format!("{}/{}", descriptor.name, method.name);
            descriptor.methods.push(Arc::new(method));
            handlers.push(handler);
        }
        handlers.into_iter().fold(ServiceBuilder::new(descriptor), ServiceBuilder::handle).build()
    }
}

type ReplyOf<Fut> = <<<Fut as Future>::Output as ClosureReply>::Reply as Carried>::Carrier;
type ItemOf<Fut> = <<<Fut as Future>::Output as ClosureStream>::Item as Carried>::Carrier;

fn replied<O: Carry>(method: MethodDescriptor, request: Family) -> MethodDescriptor {
    let family = if request == Family::Serde { O::MESSAGE.family() } else { request };
    method.reply(O::SHAPE, O::MESSAGE.schema()).family(family)
}

impl IntoService for Router {
    fn into_service(mut self) -> Result<Service> {
        match (self.name.take(), self.version.take()) {
            (Some(name), Some(version)) => self.build(name, version),
            _ => Err(Status::invalid_argument("this router has no name: call Router::named(name, version)")),
        }
    }

    fn into_service_or(mut self, name: &str, version: &str) -> Result<Service> {
        let name = self.name.take().unwrap_or_else(|| name.to_owned());
        let version = self.version.take().unwrap_or_else(|| version.to_owned());
        self.build(name, version)
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let methods: Vec<_> = self.methods.iter().map(|(method, _)| &method.name).collect();
        f.debug_struct("Router").field("name", &self.name).field("methods", &methods).finish()
    }
}

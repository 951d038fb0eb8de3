//! Calls to one service.

use std::{fmt::Display, sync::Arc, time::Duration};

use motet_core::{
    Body, BoxFuture, Call, CallOptions, Codec, Context, Deadline, Ends, Handler, Kind, Limit, MethodDescriptor, Next,
    Payload, Reply, Result, Status,
};
use serde_json::Value;
use tokio::time::Instant;
use tracing::{Instrument, Span};

use super::{ClientConfig, attempt, reply::Ending, target::Target, trace};

/// Calls one service. Cheap to clone; the generated clients hold one.
#[derive(Clone)]
pub struct ServiceClient {
    target: Arc<Target>,
    options: Arc<CallOptions>,
}

impl ServiceClient {
    pub(super) fn new(target: Arc<Target>, options: Arc<CallOptions>) -> ServiceClient {
        ServiceClient { target, options }
    }

    /// The name of the service.
    pub fn name(&self) -> &str {
        &self.target.service
    }

    /// The options of calls made through this.
    #[inline]
    pub fn options(&self) -> &Arc<CallOptions> {
        &self.options
    }

    /// The same client with other options.
    #[must_use]
    pub fn with_options(&self, options: CallOptions) -> ServiceClient {
        ServiceClient { target: self.target.clone(), options: Arc::new(options) }
    }

    /// The same client with its options changed.
    #[must_use]
    pub fn configure(&self, change: impl FnOnce(&mut CallOptions)) -> ServiceClient {
        let mut options = CallOptions::clone(&self.options);
        change(&mut options);
        self.with_options(options)
    }

    /// The codec in which a call of this method would like to go: the options', else the method's.
    pub fn codec(&self, method: &MethodDescriptor) -> Codec {
        if let Some(codec) = &self.options.codec {
            return codec.clone();
        }
        let builtin = [Codec::PROTOBUF, Codec::JSON, Codec::MSGPACK, Codec::RAW];
        let builtin = builtin.into_iter().find(|codec| codec.content_type() == method.content_type);
        let codec = builtin.or_else(|| self.target.settings.codecs.find(&method.content_type).ok());
        codec.unwrap_or(Codec::PROTOBUF)
    }

    /// A call of this client, ready for [`ServiceClient::call`]: with its options, and with the
    /// metadata that the Context gives to child calls.
    ///
    /// # Errors
    /// As [`Context::call_metadata`].
    #[inline]
    pub fn prepare(&self, method: &Arc<MethodDescriptor>, cx: &Context, codec: Codec, body: Body) -> Result<Call> {
        let mut call = Call::new(method.clone(), cx.clone(), body, codec, self.options.clone());
        call.metadata = cx.call_metadata()?;
        Ok(call)
    }

    /// Calls a unary method by name, in JSON: for tools, and for services whose trait is not at hand.
    /// The request is whatever is written as JSON, a [`serde_json::Value`] or its text; arguments that
    /// are no lone message are the fields of an object. A reply of nothing is null.
    ///
    /// ```no_run
    /// # async fn example(client: motet_rpc::Client) -> motet_core::Result<()> {
    /// # let cx = motet_core::Context::new();
    /// let reply = client.service("greeter").call_json(&cx, "hello", r#"{"name": "Ada"}"#).await?;
    /// println!("{}", reply["text"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The status of the call; Internal for a reply that is not JSON.
    pub async fn call_json(&self, cx: &Context, method: &str, request: impl Display) -> Result<Value> {
        let method = Arc::new(MethodDescriptor::new(self.name(), method));
        let body = Body::One(Payload::encoded(request.to_string(), Codec::JSON));
        let call = self.prepare(&method, cx, Codec::JSON, body)?;
        let reply = self.call(call).await?.body.one()?.bytes()?;
        if reply.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&reply)
            .map_err(|error| Status::internal(format!("{}: the reply is not JSON", method.path)).with_source(error))
    }

    /// Makes a call of any kind; resolves at the reply's head, for a one-way call once it is written.
    /// It runs the client's middleware once around all attempts, keeps the earlier of the Context's
    /// deadline and the timeouts that apply, and ends when the Context is cancelled. Dropping the
    /// future, or the reply's stream, cancels the call.
    ///
    /// # Errors
    /// The status of the call. [`Status::executed`] says whether it can
    /// have run.
    pub fn call(&self, call: Call) -> impl Future<Output = Result<Reply>> + Send {
        self.run(Arc::new(call))
    }

    /// As [`ServiceClient::call`], of a call of which there is no other copy. It is moved only once, to
    /// where it lies now: futures that hold some hundred bytes are moved at each step on their way.
    pub(crate) async fn run(&self, mut shared: Arc<Call>) -> Result<Reply> {
        let started = Instant::now();
        let settings = &self.target.settings;
        let Some(call) = Arc::get_mut(&mut shared) else { return Err(Status::internal("a call was made twice")) };
        call.deadline = deadline(call, &settings.config, started);
        call.started = Some(started);
        let ending = Ending::new(self.target.stats(&call.method), started, call);
        if !settings.middleware.is_empty() || !call.ends.is_none() || trace::wanted(call) {
            let Some(call) = Arc::into_inner(shared) else { return Err(Status::internal("a call was made twice")) };
            let dressed = Box::pin(self.dressed(call, ending));
            return dressed.await;
        }
        let (result, took) = attempt::run(&self.target, shared, started).await;
        ending.finish(result, took)
    }

    /// A call with all that most calls do without: middleware, end hooks, a span.
    async fn dressed(&self, mut call: Call, mut ending: Ending) -> Result<Reply> {
        let settings = &self.target.settings;
        let span = match trace::wanted(&call) {
            true => trace::begin(&mut call, &settings.entropy),
            false => Ok(Span::none()),
        };
        if call.ends.is_none() && !settings.middleware.is_empty() {
            call.ends = Ends::new();
        }
        let span = match span {
            Ok(span) => span,
            Err(status) => return ending.finish(Err(status), Duration::ZERO),
        };
        ending.tell(call.ends.clone(), span.clone());
        let next = Next::new(settings.middleware.clone(), Arc::new(Attempts(self.target.clone())));
        let result = next.run(call).instrument(span).await;
        let took = ending.elapsed();
        ending.finish(result, took)
    }
}

/// The inner end of the client's middleware.
struct Attempts(Arc<Target>);

impl Handler for Attempts {
    fn call(&self, mut call: Call) -> BoxFuture<'static, Result<Reply>> {
        let target = self.0.clone();
        // The end is told where the call began.
        call.ends = Ends::default();
        Box::pin(async move {
            let now = Instant::now();
            call.started = Some(now);
            attempt::run(&target, Arc::new(call), now).await.0
        })
    }
}

/// When a call must be over: its Context's deadline, or its own timeout (the option's, the method's,
/// for unary calls the client's) from now, whichever comes first.
fn deadline(call: &Call, config: &ClientConfig, now: Instant) -> Option<Deadline> {
    let (timeout, limit) = match (call.options.timeout, call.method.timeout()) {
        (Some(timeout), _) => (timeout, Limit::Client),
        (None, Some(timeout)) => (timeout, Limit::Method),
        (None, None) if call.method.kind == Kind::Unary => (config.timeout, Limit::Client),
        (None, None) => return call.deadline,
    };
    Some(Deadline::starting(now, timeout, limit).earlier(call.deadline))
}

impl std::fmt::Debug for ServiceClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceClient").field("service", &self.target.service).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use motet_core::MethodOptions;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_deadline_is_the_earlier_of_the_context_s_and_the_timeout_that_applies() {
        use Limit::{Caller, Client, Method};
        let table = [
            // kind, Context, option, method → seconds, limit
            (Kind::Unary, None, None, None, Some((10, Client))),
            (Kind::Unary, None, None, Some(3), Some((3, Method))),
            (Kind::Unary, None, Some(20), Some(3), Some((20, Client))),
            (Kind::Unary, Some(2), Some(20), Some(3), Some((2, Caller))),
            (Kind::Unary, Some(30), None, None, Some((10, Client))),
            (Kind::Unary, Some(30), Some(20), None, Some((20, Client))),
            (Kind::Unary, Some(30), None, Some(3), Some((3, Method))),
            (Kind::ServerStream, None, None, None, None),
            (Kind::ClientStream, None, None, None, None),
            (Kind::Bidi, Some(30), None, None, Some((30, Caller))),
            (Kind::Bidi, None, Some(5), None, Some((5, Client))),
            (Kind::Bidi, None, None, Some(3), Some((3, Method))),
        ];
        for (kind, context, option, method, expected) in table {
            let mut own = MethodOptions::default();
            own.timeout_ms = method.map(|seconds: u64| seconds * 1000);
            let method = Arc::new(MethodDescriptor::new("a", "b").kind(kind).options(own));
            let cx =
                context.map_or(Context::new(), |seconds| Context::new().with_timeout(Duration::from_secs(seconds)));
            let mut options = CallOptions::default();
            options.timeout = option.map(Duration::from_secs);
            let body = Body::One(Payload::encoded("", Codec::RAW));
            let call = Call::new(method, cx, body, Codec::RAW, Arc::new(options));
            let found = deadline(&call, &ClientConfig::default(), Instant::now());
            assert_eq!(found.map(|d| (d.timeout.as_secs(), d.limit)), expected, "{kind:?} {context:?} {option:?}");
        }
    }
}

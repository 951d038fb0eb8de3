//! A call on its way, and the reply on its way back.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{Codec, Context, Deadline, Metadata, MethodDescriptor, Payload, Result, Status, Streaming};

/// The body of a request or a reply.
#[derive(Debug)]
pub enum Body {
    /// One message.
    One(Payload),
    /// A stream of messages.
    Stream(Streaming<Payload>),
}

impl Body {
    /// The one message.
    ///
    /// # Errors
    /// Internal when the body is a stream: the two sides disagree about the kind of the method.
    #[inline]
    pub fn one(self) -> Result<Payload> {
        match self {
            Body::One(payload) => Ok(payload),
            Body::Stream(_) => Err(Status::internal("a stream arrived where one message was expected")),
        }
    }

    /// The same one message again, which is not copied; `None` for a stream, which can be read once.
    pub fn again(&self) -> Option<Body> {
        match self {
            Body::One(payload) => Some(Body::One(payload.clone())),
            Body::Stream(_) => None,
        }
    }

    /// The stream; one message is a stream of one.
    pub fn stream(self) -> Streaming<Payload> {
        match self {
            Body::One(payload) => Streaming::from_iter([payload]),
            Body::Stream(stream) => stream,
        }
    }
}

/// A call on its way through middleware to a connection or a handler.
#[derive(Debug)]
#[non_exhaustive]
pub struct Call {
    /// The method.
    pub method: Arc<MethodDescriptor>,
    /// Deadline, caller, trace and cancellation.
    pub cx: Context,
    /// When this call must be over: on a client the earlier of its Context's deadline and the
    /// timeouts that apply, on a server the same as its Context's.
    pub deadline: Option<Deadline>,
    /// When a server received it, where the protocol has read the clock already; else the pipeline
    /// does.
    pub started: Option<Instant>,
    /// On a client what will be sent, on a server what came.
    pub metadata: Metadata,
    /// The request.
    pub body: Body,
    /// The codec in which the request came, or in which the caller would like it to go.
    pub codec: Codec,
    /// Whether the caller wants no reply.
    pub one_way: bool,
    /// On a server, whether methods that block run all the same on the task of the call.
    pub inline: bool,
    /// What the caller asked for beyond the method's own options.
    pub options: Arc<CallOptions>,
    /// Who wants to know when the call ends.
    pub ends: Ends,
}

impl Call {
    /// A call with no metadata, no options and no reply unless the method gives one.
    #[inline]
    pub fn new(
        method: Arc<MethodDescriptor>,
        cx: Context,
        body: Body,
        codec: Codec,
        options: Arc<CallOptions>,
    ) -> Call {
        let deadline = cx.deadline();
        Call {
            method,
            cx,
            deadline,
            started: None,
            metadata: Metadata::new(),
            body,
            codec,
            one_way: false,
            inline: false,
            options,
            ends: Ends::default(),
        }
    }

    /// The same call with another body, to be made once more: nobody has begun it, and nobody is told
    /// of its end.
    #[must_use]
    pub fn with_body(&self, body: Body) -> Call {
        Call {
            method: self.method.clone(),
            cx: self.cx.clone(),
            deadline: self.deadline,
            started: None,
            metadata: self.metadata.clone(),
            body,
            codec: self.codec.clone(),
            one_way: self.one_way,
            inline: self.inline,
            options: self.options.clone(),
            ends: Ends::default(),
        }
    }

    /// Runs `f` once when the call truly ends: after the reply, after the last message of a reply
    /// stream, or when either is dropped before (then the status is Cancelled). Later hooks run
    /// first. A server's unary call ends before its reply is written.
    pub fn on_end(&mut self, f: impl FnOnce(&CallEnd) + Send + 'static) {
        self.ends.add(Box::new(f));
    }
}

/// How a call ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CallEnd {
    /// The error, or `None` for success.
    pub status: Option<Status>,
    /// From the call's start to its end.
    pub elapsed: Duration,
}

type Hook = Box<dyn FnOnce(&CallEnd) + Send>;

/// The hooks of [`Call::on_end`]. Pipelines carry it to the end of the call and call
/// [`Ends::finish`]; dropping the last copy before that finishes it as Cancelled.
#[derive(Clone, Default)]
pub struct Ends(Option<Arc<EndsInner>>);

struct EndsInner {
    started: Instant,
    hooks: Mutex<Vec<Hook>>,
}

impl Ends {
    /// A place for hooks, made by a pipeline that has middleware.
    pub fn new() -> Ends {
        Ends(Some(Arc::new(EndsInner { started: Instant::now(), hooks: Mutex::default() })))
    }

    fn add(&mut self, hook: Hook) {
        let inner =
            self.0.get_or_insert_with(|| Arc::new(EndsInner { started: Instant::now(), hooks: Mutex::default() }));
        inner.hooks.lock().unwrap_or_else(PoisonError::into_inner).push(hook);
    }

    /// Runs the hooks, once.
    pub fn finish(&self, status: Option<&Status>) {
        if let Some(inner) = &self.0 {
            inner.finish(status);
        }
    }

    /// Whether nobody can be told.
    #[inline]
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }
}

impl EndsInner {
    fn finish(&self, status: Option<&Status>) {
        let hooks = std::mem::take(&mut *self.hooks.lock().unwrap_or_else(PoisonError::into_inner));
        if hooks.is_empty() {
            return;
        }
        let end = CallEnd { status: status.cloned(), elapsed: self.started.elapsed() };
        for hook in hooks.into_iter().rev() {
            hook(&end);
        }
    }
}

impl Drop for EndsInner {
    fn drop(&mut self) {
        self.finish(Some(&Status::cancelled("the call was dropped before its end")));
    }
}

impl fmt::Debug for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ends")
    }
}

/// A reply: its body and, as they become known, its metadata.
#[derive(Debug)]
pub struct Reply {
    /// Initial and trailing metadata.
    pub meta: ReplyMeta,
    /// The reply.
    pub body: Body,
}

impl Reply {
    /// A reply without metadata.
    pub fn new(body: Body) -> Reply {
        Reply { meta: ReplyMeta::none(), body }
    }

    /// A reply of one message.
    pub fn one(payload: Payload) -> Reply {
        Reply::new(Body::One(payload))
    }

    /// A reply of many messages.
    pub fn stream(stream: Streaming<Payload>) -> Reply {
        Reply::new(Body::Stream(stream))
    }
}

/// The metadata of a reply: initial metadata is known with the reply's head, trailing metadata at
/// its end. Copies share it.
#[derive(Clone, Default)]
pub struct ReplyMeta(Option<Arc<Mutex<Cells>>>);

#[derive(Default)]
struct Cells {
    initial: Option<Metadata>,
    trailing: Option<Metadata>,
}

impl ReplyMeta {
    /// An empty record.
    pub fn new() -> ReplyMeta {
        ReplyMeta(Some(Arc::default()))
    }

    /// A record that nobody can fill; it allocates nothing.
    pub const fn none() -> ReplyMeta {
        ReplyMeta(None)
    }

    /// Whether nobody can fill it.
    pub const fn is_none(&self) -> bool {
        self.0.is_none()
    }

    fn with<T>(&self, f: impl FnOnce(&mut Cells) -> T) -> Option<T> {
        self.0.as_ref().map(|cells| f(&mut cells.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// The initial metadata; `None` until the reply's head is there or if it brought none.
    pub fn initial(&self) -> Option<Metadata> {
        self.with(|cells| cells.initial.clone()).flatten()
    }

    /// The trailing metadata; `None` until the reply's end is there or if it brought none.
    pub fn trailing(&self) -> Option<Metadata> {
        self.with(|cells| cells.trailing.clone()).flatten()
    }

    /// Adds a value to the initial metadata. It travels only if it is set before the reply's head.
    ///
    /// # Errors
    /// As [`Metadata::append`].
    pub fn add_initial(&self, key: &str, value: &str) -> Result<()> {
        self.with(|cells| cells.initial.get_or_insert_default().append(key, value)).unwrap_or(Ok(()))
    }

    /// Adds a value to the trailing metadata. It travels only if it is set before the reply's end.
    ///
    /// # Errors
    /// As [`Metadata::append`].
    pub fn add_trailing(&self, key: &str, value: &str) -> Result<()> {
        self.with(|cells| cells.trailing.get_or_insert_default().append(key, value)).unwrap_or(Ok(()))
    }

    /// Records the initial metadata.
    pub fn set_initial(&self, metadata: Metadata) {
        self.with(|cells| cells.initial = Some(metadata));
    }

    /// Records the trailing metadata.
    pub fn set_trailing(&self, metadata: Metadata) {
        self.with(|cells| cells.trailing = Some(metadata));
    }
}

impl fmt::Debug for ReplyMeta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyMeta").field("initial", &self.initial()).field("trailing", &self.trailing()).finish()
    }
}

/// What to do when an attempt fails in a way that may be tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum FailMode {
    /// Give the error back at once.
    Fast,
    /// Try again on another node.
    #[default]
    Over,
    /// Try again on the same node.
    Try,
}

/// What a caller asks for beyond the method's own options.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CallOptions {
    /// The time this call may take, in place of the method's and the client's.
    pub timeout: Option<Duration>,
    /// The codec, in place of the method's.
    pub codec: Option<Codec>,
    /// What to do when an attempt fails.
    pub fail_mode: Option<FailMode>,
    /// How many times the call may be tried again, in place of the client's.
    pub retries: Option<u32>,
    /// Whether the call may run twice, in place of what the method says.
    pub idempotent: Option<bool>,
    /// The id of the node to call, and no other.
    pub node: Option<String>,
    /// Node metadata that must be equal: key and value.
    pub labels: Vec<(String, String)>,
    /// The version of the service to call, and no other.
    pub version: Option<String>,
    /// The protocol to speak, in place of the first that both sides know.
    pub protocol: Option<String>,
    /// Compress messages above the client's size.
    pub compress: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(ends: &mut Ends) -> Arc<Mutex<Vec<String>>> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        for name in ["first", "second"] {
            let seen = seen.clone();
            ends.add(Box::new(move |end| {
                let code = end.status.as_ref().map_or("OK".to_owned(), |s| s.code().to_string());
                seen.lock().expect("no panic").push(format!("{name} {code}"));
            }));
        }
        seen
    }

    #[test]
    fn end_hooks_run_once_later_ones_first() {
        let mut ends = Ends::default();
        let seen = recorded(&mut ends);
        ends.finish(None);
        ends.finish(None);
        drop(ends);
        assert_eq!(*seen.lock().expect("no panic"), ["second OK", "first OK"]);
    }

    #[test]
    fn dropping_the_call_ends_it_as_cancelled() {
        let mut ends = Ends::new();
        let seen = recorded(&mut ends);
        let copy = ends.clone();
        drop(ends);
        assert!(seen.lock().expect("no panic").is_empty());
        drop(copy);
        assert_eq!(*seen.lock().expect("no panic"), ["second CANCELLED", "first CANCELLED"]);
    }
}

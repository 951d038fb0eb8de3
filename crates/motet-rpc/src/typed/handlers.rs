//! Handlers of the four kinds, from typed functions.
//!
//! Each is one boxed future, the function's own: it reads the request, which checks its constraints, and
//! gives the reply back unencoded, to be written in the call's codec.

use std::{fmt, future::Future, marker::PhantomData, sync::Arc};

use motet_core::{
    Body, BoxFuture, Call, Carry, Codec, Context, Executed, Handler, Payload, Reply, Result, Status, Streaming,
};

use super::outcome::ServiceError;

/// A request that has not been read. The method's own future reads it: each future around that would
/// hold the value once more.
#[derive(Debug)]
pub struct Request<I>(Result<Payload>, PhantomData<fn() -> I>);

impl<I: Carry> Request<I> {
    fn of(body: Body) -> Request<I> {
        Request(body.one(), PhantomData)
    }

    /// The value, its constraints checked.
    ///
    /// # Errors
    /// As [`Carry::receive`].
    #[inline(always)]
    pub fn read(self) -> Result<I::Value> {
        self.0.and_then(I::receive)
    }
}

/// What becomes of a method's result. The method's own future makes the reply, for the same reason.
pub struct Answer<O, E> {
    codec: Codec,
    /// A function, not a bound: the bound is asked for where the error's type stands.
    fail: fn(E, &Codec) -> Status,
    reply: PhantomData<fn() -> O>,
}

impl<O, E: ServiceError> Answer<O, E> {
    fn in_codec(codec: Codec) -> Answer<O, E> {
        Answer { codec, fail: failed, reply: PhantomData }
    }
}

impl<O: Carry, E> Answer<O, E> {
    /// The reply of a method that ran.
    ///
    /// # Errors
    /// The method's own, in the call's codec.
    #[inline(always)]
    pub fn of(self, result: Result<O::Value, E>) -> Result<Reply> {
        match result {
            Ok(reply) => Ok(Reply::one(O::payload(reply, self.codec))),
            Err(error) => Err((self.fail)(error, &self.codec)),
        }
    }

    /// As [`Answer::of`], for a stream of replies.
    ///
    /// # Errors
    /// As [`Answer::of`].
    pub fn stream(self, result: Result<Streaming<O::Value>, E>) -> Result<Reply> {
        match result {
            Ok(replies) => Ok(Reply::stream(payloads::<O>(replies, self.codec))),
            Err(error) => Err((self.fail)(error, &self.codec)),
        }
    }

    /// The answer to a request that is none: the method has not begun.
    ///
    /// # Errors
    /// Always, in the call's codec.
    pub fn refuse(self, status: Status) -> Result<Reply> {
        Err(in_codec(status.with_executed(Executed::No), &self.codec))
    }
}

impl<O, E> fmt::Debug for Answer<O, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Answer").field(&self.codec).finish()
    }
}

/// One request, one reply.
pub fn unary<S, I, O, E, F, Fut>(service: &Arc<S>, _: I, _: O, f: F) -> Arc<dyn Handler>
where
    S: Send + Sync + 'static,
    I: Carry,
    O: Carry,
    E: ServiceError,
    F: Fn(Arc<S>, Context, Request<I>, Answer<O, E>) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = Result<Reply>> + Send + 'static,
{
    handler(service, move |service, call| f(service, call.cx, Request::of(call.body), Answer::in_codec(call.codec)))
}

/// Many requests, one reply.
pub fn client_stream<S, I, O, E, F, Fut>(service: &Arc<S>, _: I, _: O, f: F) -> Arc<dyn Handler>
where
    S: Send + Sync + 'static,
    I: Carry,
    O: Carry,
    E: ServiceError,
    F: Fn(Arc<S>, Context, Streaming<I::Value>, Answer<O, E>) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = Result<Reply>> + Send + 'static,
{
    handler(service, move |service, call| f(service, call.cx, requests::<I>(call.body), Answer::in_codec(call.codec)))
}

/// One request, many replies.
pub fn server_stream<S, I, O, E, F, Fut>(service: &Arc<S>, _: I, _: O, f: F) -> Arc<dyn Handler>
where
    S: Send + Sync + 'static,
    I: Carry,
    O: Carry,
    E: ServiceError,
    F: Fn(Arc<S>, Context, Request<I>, Answer<O, E>) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = Result<Reply>> + Send + 'static,
{
    handler(service, move |service, call| f(service, call.cx, Request::of(call.body), Answer::in_codec(call.codec)))
}

/// Many requests, many replies.
pub fn bidi<S, I, O, E, F, Fut>(service: &Arc<S>, _: I, _: O, f: F) -> Arc<dyn Handler>
where
    S: Send + Sync + 'static,
    I: Carry,
    O: Carry,
    E: ServiceError,
    F: Fn(Arc<S>, Context, Streaming<I::Value>, Answer<O, E>) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = Result<Reply>> + Send + 'static,
{
    handler(service, move |service, call| f(service, call.cx, requests::<I>(call.body), Answer::in_codec(call.codec)))
}

fn handler<S, F, Fut>(service: &Arc<S>, f: F) -> Arc<dyn Handler>
where
    S: Send + Sync + 'static,
    F: Fn(Arc<S>, Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Reply>> + Send + 'static,
{
    let service = service.clone();
    Arc::new(move |call: Call| -> BoxFuture<'static, Result<Reply>> { Box::pin(f(service.clone(), call)) })
}

/// The items of a request stream, read and checked as they are asked for.
fn requests<I: Carry>(body: Body) -> Streaming<I::Value> {
    body.stream().map(I::receive)
}

/// The items of a stream, to be written in `codec`.
pub(super) fn payloads<O: Carry>(stream: Streaming<O::Value>, codec: Codec) -> Streaming<motet_core::Payload> {
    stream.map(move |value| Ok(O::payload(value, codec.clone())))
}

fn failed<E: ServiceError>(error: E, codec: &Codec) -> Status {
    in_codec(error.into_status(), codec)
}

/// The status with its details, where nobody has written them yet, in the call's codec.
fn in_codec(status: Status, codec: &Codec) -> Status {
    match status.details().cloned() {
        Some(details) if details.codec() != codec => status.with_details(details.with_codec(codec.clone())),
        _ => status,
    }
}

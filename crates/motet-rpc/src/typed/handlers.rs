//! Handlers of the four kinds, from typed functions.
//!
//! Each is one boxed future: it reads the request, checks its constraints, runs the function, and
//! gives the reply back unencoded, to be written in the call's codec.

use std::{future::Future, marker::PhantomData, sync::Arc};

use motet_core::{Body, BoxFuture, Call, Carry, Codec, Context, Handler, Payload, Reply, Result, Status, Streaming};

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
    pub fn read(self) -> Result<I::Value> {
        self.0.and_then(I::receive)
    }
}

/// Why a method gives no reply.
#[derive(Debug)]
pub enum Failed<E> {
    /// Its request is none.
    Request(Status),
    /// Its own error.
    Method(E),
}

impl<E> From<Status> for Failed<E> {
    fn from(status: Status) -> Self {
        Failed::Request(status)
    }
}

impl<E: ServiceError> Failed<E> {
    fn into_status(self, codec: &Codec) -> Status {
        match self {
            Failed::Request(status) => in_codec(status, codec),
            Failed::Method(error) => failed(error, codec),
        }
    }
}

/// One request, one reply.
pub fn unary<S, I, O, E, F, Fut>(service: &Arc<S>, _: I, _: O, f: F) -> Arc<dyn Handler>
where
    S: Send + Sync + 'static,
    I: Carry,
    O: Carry,
    E: ServiceError,
    F: Fn(Arc<S>, Context, Request<I>) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = Result<O::Value, Failed<E>>> + Send + 'static,
{
    handler(service, move |service, call| async move {
        let (cx, body, codec) = (call.cx, call.body, call.codec);
        match f(service, cx, Request::of(body)).await {
            Ok(reply) => Ok(Reply::one(O::payload(reply, codec))),
            Err(error) => Err(error.into_status(&codec)),
        }
    })
}

/// Many requests, one reply.
pub fn client_stream<S, I, O, E, F, Fut>(service: &Arc<S>, _: I, _: O, f: F) -> Arc<dyn Handler>
where
    S: Send + Sync + 'static,
    I: Carry,
    O: Carry,
    E: ServiceError,
    F: Fn(Arc<S>, Context, Streaming<I::Value>) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = Result<O::Value, E>> + Send + 'static,
{
    handler(service, move |service, call| async move {
        let (cx, body, codec) = (call.cx, call.body, call.codec);
        match f(service, cx, requests::<I>(body)).await {
            Ok(reply) => Ok(Reply::one(O::payload(reply, codec))),
            Err(error) => Err(failed(error, &codec)),
        }
    })
}

/// One request, many replies.
pub fn server_stream<S, I, O, E, F, Fut>(service: &Arc<S>, _: I, _: O, f: F) -> Arc<dyn Handler>
where
    S: Send + Sync + 'static,
    I: Carry,
    O: Carry,
    E: ServiceError,
    F: Fn(Arc<S>, Context, Request<I>) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = Result<Streaming<O::Value>, Failed<E>>> + Send + 'static,
{
    handler(service, move |service, call| async move {
        let (cx, body, codec) = (call.cx, call.body, call.codec);
        match f(service, cx, Request::of(body)).await {
            Ok(replies) => Ok(Reply::stream(payloads::<O>(replies, codec))),
            Err(error) => Err(error.into_status(&codec)),
        }
    })
}

/// Many requests, many replies.
pub fn bidi<S, I, O, E, F, Fut>(service: &Arc<S>, _: I, _: O, f: F) -> Arc<dyn Handler>
where
    S: Send + Sync + 'static,
    I: Carry,
    O: Carry,
    E: ServiceError,
    F: Fn(Arc<S>, Context, Streaming<I::Value>) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = Result<Streaming<O::Value>, E>> + Send + 'static,
{
    handler(service, move |service, call| async move {
        let (cx, body, codec) = (call.cx, call.body, call.codec);
        match f(service, cx, requests::<I>(body)).await {
            Ok(replies) => Ok(Reply::stream(payloads::<O>(replies, codec))),
            Err(error) => Err(failed(error, &codec)),
        }
    })
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

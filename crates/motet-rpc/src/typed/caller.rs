//! What generated clients are made of.

use std::sync::Arc;

use motet_core::{
    Body, Call, CallOptions, Carry, Codec, Codecs, Context, MethodDescriptor, Payload, Result, Service,
    ServiceDescriptor, Streaming,
};

use super::{handlers::payloads, outcome::ServiceError};
use crate::{Client, ServiceClient};

/// Makes the calls of one generated client. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Caller {
    client: Result<ServiceClient>,
    methods: Arc<[(Arc<MethodDescriptor>, Codec)]>,
}

impl Caller {
    /// Calls this service through a client.
    pub fn new(client: &Client, descriptor: &ServiceDescriptor) -> Caller {
        Caller { client: Ok(client.service(&descriptor.name)), methods: methods(descriptor) }
    }

    /// As [`Caller::new`], for a service that is served under another name than its trait declares.
    pub fn named(client: &Client, mut descriptor: ServiceDescriptor, name: &str) -> Caller {
        name.clone_into(&mut descriptor.name);
        for method in &mut descriptor.methods {
            Arc::make_mut(method).path = format!("{name}/{}", method.name);
        }
        Caller::new(client, &descriptor)
    }

    /// Calls this service in this process. One that cannot be served fails each call with the reason.
    pub fn local(service: Result<Service>, descriptor: &ServiceDescriptor) -> Caller {
        let client = service.map(|service| {
            let name = service.name().to_owned();
            Client::local(service).service(&name)
        });
        Caller { client, methods: methods(descriptor) }
    }

    /// The same with other options.
    #[must_use]
    pub fn with_options(&self, options: CallOptions) -> Caller {
        let client = self.client.as_ref().map(|client| client.with_options(options)).map_err(Clone::clone);
        Caller { client, methods: self.methods.clone() }
    }

    /// The same with its options changed.
    #[must_use]
    pub fn configure(&self, change: impl FnOnce(&mut CallOptions)) -> Caller {
        let client = self.client.as_ref().map(|client| client.configure(change)).map_err(Clone::clone);
        Caller { client, methods: self.methods.clone() }
    }

    /// One request, one reply.
    ///
    /// # Errors
    /// The error of the method, or of the way to it.
    pub fn unary<'a, I: Carry, O: Carry, E: ServiceError>(
        &'a self,
        cx: &Context,
        method: usize,
        _: I,
        _: O,
        request: I::Value,
    ) -> impl Future<Output = Result<O::Value, E>> + use<'a, I, O, E> {
        let call = self.prepare(cx, method, |codec| Body::One(I::payload(request, codec)));
        async move { send(call).await.and_then(Body::one).and_then(O::take).map_err(E::from_status) }
    }

    /// Many requests, one reply.
    ///
    /// # Errors
    /// The error of the method, of the request stream, or of the way.
    pub fn client_stream<'a, I: Carry, O: Carry, E: ServiceError>(
        &'a self,
        cx: &Context,
        method: usize,
        _: I,
        _: O,
        requests: Streaming<I::Value>,
    ) -> impl Future<Output = Result<O::Value, E>> + use<'a, I, O, E> {
        let call = self.prepare(cx, method, |codec| Body::Stream(payloads::<I>(requests, codec)));
        async move { send(call).await.and_then(Body::one).and_then(O::take).map_err(E::from_status) }
    }

    /// One request, many replies.
    ///
    /// # Errors
    /// The error of the method at the reply's head, or of the way to it.
    pub fn server_stream<'a, I: Carry, O: Carry, E: ServiceError>(
        &'a self,
        cx: &Context,
        method: usize,
        _: I,
        _: O,
        request: I::Value,
    ) -> impl Future<Output = Result<Streaming<O::Value>, E>> + use<'a, I, O, E> {
        let call = self.prepare(cx, method, |codec| Body::One(I::payload(request, codec)));
        async move { send(call).await.map(replies::<O>).map_err(E::from_status) }
    }

    /// Many requests, many replies.
    ///
    /// # Errors
    /// Of the way to the method; the method's own error is the first item.
    pub fn bidi<'a, I: Carry, O: Carry, E: ServiceError>(
        &'a self,
        cx: &Context,
        method: usize,
        _: I,
        _: O,
        requests: Streaming<I::Value>,
    ) -> impl Future<Output = Result<Streaming<O::Value>, E>> + use<'a, I, O, E> {
        let call = self.prepare(cx, method, |codec| Body::Stream(payloads::<I>(requests, codec)));
        async move { send(call).await.map(replies::<O>).map_err(E::from_status) }
    }

    /// One request, no reply: ready once it is written.
    ///
    /// # Errors
    /// Of the way to the method: nothing was sent.
    pub async fn one_way<I: Carry>(&self, cx: &Context, method: usize, _: I, request: I::Value) -> Result<()> {
        let (client, mut call) = self.prepare(cx, method, |codec| Body::One(I::payload(request, codec)))?;
        if let Some(call) = Arc::get_mut(&mut call) {
            call.one_way = true;
        }
        client.run(call).await.map(drop)
    }

    /// A call that is prepared before there is a future: its states would each hold the request once
    /// more.
    #[inline]
    fn prepare(&self, cx: &Context, method: usize, body: impl FnOnce(Codec) -> Body) -> Result<Prepared<'_>> {
        let client = self.client.as_ref().map_err(Clone::clone)?;
        let (method, codec) = &self.methods[method];
        let options = client.options();
        let codec = options.codec.as_ref().unwrap_or(codec).clone();
        let body = body(codec.clone());
        Ok((client, Arc::new(client.prepare(method, cx, codec, body)?)))
    }
}

type Prepared<'a> = (&'a ServiceClient, Arc<Call>);

async fn send(prepared: Result<Prepared<'_>>) -> Result<Body> {
    let (client, call) = prepared?;
    Ok(client.run(call).await?.body)
}

fn replies<O: Carry>(body: Body) -> Streaming<O::Value> {
    body.stream().map(|payload: Payload| O::take(payload))
}

/// The methods with the codec that each uses unless told otherwise.
fn methods(descriptor: &ServiceDescriptor) -> Arc<[(Arc<MethodDescriptor>, Codec)]> {
    let codecs = Codecs::default();
    let codec = |method: &MethodDescriptor| codecs.find(&method.content_type).unwrap_or(Codec::PROTOBUF);
    descriptor.methods.iter().map(|method| (method.clone(), codec(method))).collect()
}

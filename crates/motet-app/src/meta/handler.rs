//! One method of `motet.meta`, from a function.

use std::{
    future::Future,
    sync::{Arc, Weak},
};

use motet_core::{
    BodyShape, BoxFuture, Call, Context, Executed, Family, Handler, MessageType, MethodDescriptor, MethodOptions,
    Payload, Plain, Reply, Result,
};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use super::SERVICE;
use crate::app::Shared;

/// The descriptor and the handler of a method.
pub(super) fn method<I, O, F, Fut>(
    name: &str,
    docs: &str,
    app: &Weak<Shared>,
    f: F,
) -> (MethodDescriptor, Arc<dyn Handler>)
where
    I: Serialize + DeserializeOwned + JsonSchema + Default + Send + Sync + 'static,
    O: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static,
    F: Fn(Weak<Shared>, Context, I) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = Result<O>> + Send + 'static,
{
    let request = MessageType::<Plain<I>>::plain();
    let reply = MessageType::<Plain<O>>::plain();
    let mut options = MethodOptions::default();
    options.safe = true;
    let descriptor = MethodDescriptor::new(SERVICE, name)
        .family(Family::Plain)
        .docs(docs)
        .request(BodyShape::Message, request.schema())
        .reply(BodyShape::Message, reply.schema())
        .options(options);
    let app = app.clone();
    let handler = move |call: Call| -> BoxFuture<'static, Result<Reply>> {
        let app = app.clone();
        Box::pin(async move {
            let asked = call.body.one().and_then(|body| read(body, &request));
            let asked = asked.map_err(|status| status.with_executed(Executed::No))?;
            let answer = f(app, call.cx, asked).await?;
            Ok(Reply::one(Payload::typed(Plain(answer), &reply, call.codec)))
        })
    };
    (descriptor, Arc::new(handler))
}

/// The request; an empty body is one without fields.
fn read<I: Default + Send + Sync + 'static>(body: Payload, message: &MessageType<Plain<I>>) -> Result<I> {
    let empty = body.peek::<Plain<I>>().is_none() && body.bytes().is_ok_and(|bytes| bytes.is_empty());
    if empty { Ok(I::default()) } else { Ok(body.take(message)?.0) }
}

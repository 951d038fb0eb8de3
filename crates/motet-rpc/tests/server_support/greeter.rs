//! A service with one method for everything that can happen to a call.

use std::{sync::Arc, time::Duration};

use motet_core::{
    BoxFuture, Call, Codec, Context, Handler, Kind, MethodDescriptor, MethodOptions, Payload, Reply, Result, Service,
    ServiceDescriptor, Status, Streaming,
};

/// A service of handlers.
pub fn service(name: &str, methods: Vec<(MethodDescriptor, Arc<dyn Handler>)>) -> Service {
    let mut descriptor = ServiceDescriptor::new(name, "1.0.0");
    let mut handlers = Vec::new();
    for (method, handler) in methods {
        descriptor.methods.push(Arc::new(method));
        handlers.push(handler);
    }
    Service::new(descriptor, handlers).expect("a valid service")
}

pub fn method<F>(name: &str, run: fn(Call) -> F) -> (MethodDescriptor, Arc<dyn Handler>)
where
    F: Future<Output = Result<Reply>> + Send + 'static,
{
    let handler = move |call| -> BoxFuture<'static, Result<Reply>> { Box::pin(run(call)) };
    (MethodDescriptor::new("greeter", name), Arc::new(handler))
}

pub fn text(text: impl Into<String>) -> Reply {
    Reply::one(Payload::encoded(text.into(), Codec::JSON))
}

/// `hello` echoes, `slow` takes a minute, `brief` may take 50 ms and takes a minute, `panics` and
/// `crashes` (before it is a future) panic, `refuses` fails, `ticks` streams three items and
/// `breaks` panics after one, `upload` counts what it gets, `chat` gives it back, `remaining` tells
/// its deadline, `current` whether its Context is current.
pub fn greeter() -> Service {
    let stream = |(method, handler): (MethodDescriptor, _)| (method.kind(Kind::ServerStream), handler);
    let crashes = |_: Call| -> BoxFuture<'static, Result<Reply>> { panic!("the secret is 42") };
    let mut brief = MethodOptions::default();
    brief.timeout_ms = Some(50);
    let methods = vec![
        method("hello", |call| async move { Ok(Reply::new(call.body)) }),
        method("slow", |_| async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            Ok(text("late"))
        }),
        {
            let (descriptor, handler) = method("brief", |_| std::future::pending());
            (descriptor.options(brief), handler)
        },
        method("panics", |_| async { panic!("the secret is 42") }),
        (MethodDescriptor::new("greeter", "crashes"), Arc::new(crashes)),
        method("refuses", |_| async { Err(Status::not_found("nobody of that name")) }),
        stream(method("ticks", |_| async {
            let current = |n: u8| {
                let peer = Context::current().and_then(|cx| cx.peer().map(|peer| peer.protocol.clone()));
                Ok(Payload::encoded(format!("{n} {}", peer.unwrap_or_default()), Codec::JSON))
            };
            Ok(Reply::stream(Streaming::from_iter([1, 2, 3]).map(current)))
        })),
        stream(method("breaks", |_| async {
            let breaks = |n: u8| match n {
                1 => Ok(Payload::encoded("1", Codec::JSON)),
                _ => panic!("the secret is 42"),
            };
            Ok(Reply::stream(Streaming::from_iter([1, 2, 3]).map(breaks)))
        })),
        {
            let (descriptor, handler) = method("upload", |call| async move {
                let parts = call.body.stream().collect().await?;
                Ok(text(format!("{}", parts.len())))
            });
            (descriptor.kind(Kind::ClientStream), handler)
        },
        {
            let (descriptor, handler) = method("chat", |call| async move { Ok(Reply::stream(call.body.stream())) });
            (descriptor.kind(Kind::Bidi), handler)
        },
        method("remaining", |call| async move {
            Ok(text(format!("{:?}", call.cx.deadline().map(|deadline| deadline.timeout))))
        }),
        method("current", |call| async move {
            let peer = |cx: &Context| cx.peer().map(|peer| peer.address.clone());
            Ok(text(format!("{}", Context::current().as_ref().map(peer) == Some(peer(&call.cx)))))
        }),
    ];
    service("greeter", methods)
}

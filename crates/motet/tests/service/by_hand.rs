//! The third door: a descriptor and handlers, for what is known at run time only.

use std::sync::Arc;

use motet::core::{BodyShape, BoxFuture, Service};
use motet::{Body, Call, Codec, Context, Handler, MethodDescriptor, Payload, Reply, Result, ServiceDescriptor};

use crate::support::{json, remote};

fn echo() -> Result<Service> {
    let mut service = ServiceDescriptor::new("echo", "1.0.0").docs("Gives back what it gets.");
    let anything = serde_json::json!({ "type": "object" });
    let say = MethodDescriptor::new("echo", "say")
        .docs("In whatever codec it came.")
        .request(BodyShape::Message, anything.clone())
        .reply(BodyShape::Message, anything);
    service.methods.push(Arc::new(say));
    let say = |call: Call| -> BoxFuture<'static, Result<Reply>> {
        Box::pin(async move {
            let payload = call.body.one()?;
            Ok(Reply::one(Payload::encoded(payload.bytes()?, payload.codec().clone())))
        })
    };
    Service::new(service, vec![Arc::new(say)])
}

#[tokio::test]
async fn a_service_by_hand_sees_bodies_as_they_came() {
    let service = echo().expect("a good descriptor");
    assert_eq!(json(&service, "say", r#"{"any": [1, 2]}"#).await.expect("an echo"), r#"{"any": [1, 2]}"#);
}

#[tokio::test]
async fn a_service_by_hand_is_served_and_called_like_any_other() {
    let (app, client) = remote("echo", echo()).await;
    let method = Arc::new(MethodDescriptor::new("echo", "say"));
    let service = client.service("echo");
    let body = Body::One(Payload::encoded(r#"{"n":1}"#, Codec::JSON));
    let call = service.prepare(&method, &Context::new(), Codec::JSON, body).expect("a call");
    let reply = service.call(call).await.expect("an echo").body.one().expect("one message");
    assert_eq!((&reply.bytes().expect("bytes")[..], reply.codec()), (&br#"{"n":1}"#[..], &Codec::JSON));
    app.stop().await;
}

#[test]
fn each_method_needs_its_handler() {
    let mut service = ServiceDescriptor::new("echo", "1.0.0");
    service.methods.push(Arc::new(MethodDescriptor::new("echo", "say")));
    let none: Vec<Arc<dyn Handler>> = Vec::new();
    assert!(Service::new(service, none).expect_err("no handler").message().contains("1 methods but 0 handlers"));
}

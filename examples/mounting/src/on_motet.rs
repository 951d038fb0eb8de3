//! What of the greeter has moved to Motet: one method, with the messages that tonic has generated.

use motet::prelude::*;

use crate::helloworld::{HelloReply, HelloRequest};

/// Greets. Its name in protobuf is that of the service on tonic, so that its methods go before those.
#[motet::service(name = "greeter", version = "1.0.0", codec = "proto", proto_name = "helloworld.Greeter")]
pub trait Greeter {
    /// Says hello.
    async fn say_hello(&self, cx: &Context, request: HelloRequest) -> Result<HelloReply>;
}

/// Greets.
#[derive(Clone, Copy, Debug)]
pub struct Mine;

impl Greeter for Mine {
    async fn say_hello(&self, _: &Context, request: HelloRequest) -> Result<HelloReply> {
        Ok(HelloReply { message: format!("Hello, {}, from Motet", request.name) })
    }
}

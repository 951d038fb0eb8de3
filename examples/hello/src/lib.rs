//! The service that both programs know: its trait and its messages.

use motet::prelude::*;

/// Whom to greet.
#[motet::message]
#[derive(Clone, Debug)]
pub struct HelloRequest {
    /// The name, 1 to 40 characters.
    #[garde(length(min = 1, max = 40))]
    pub name: String,
}

/// The greeting.
#[motet::message]
#[derive(Clone, Debug)]
pub struct HelloReply {
    /// The text.
    pub text: String,
}

/// Greets people.
#[motet::service(name = "greeter", version = "1.0.0")]
pub trait Greeter {
    /// Says hello.
    async fn hello(&self, cx: &Context, req: HelloRequest) -> Result<HelloReply>;
    /// Counts up to a number.
    async fn count(&self, cx: &Context, to: u32) -> Result<Streaming<u32>>;
}

/// The service.
#[derive(Debug, Default)]
pub struct MyGreeter;

impl Greeter for MyGreeter {
    async fn hello(&self, _: &Context, req: HelloRequest) -> Result<HelloReply> {
        Ok(HelloReply { text: format!("Hello, {}!", req.name) })
    }

    async fn count(&self, _: &Context, to: u32) -> Result<Streaming<u32>> {
        Ok(Streaming::from_iter(1..=to))
    }
}

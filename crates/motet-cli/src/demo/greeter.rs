//! A call with a constraint.

use motet::prelude::*;

/// Whom to greet.
#[motet::message]
pub(super) struct HelloRequest {
    /// The name, 1 to 40 characters.
    #[garde(length(min = 1, max = 40))]
    pub(super) name: String,
}

/// The greeting.
#[motet::message]
pub(super) struct HelloReply {
    /// The text.
    pub(super) text: String,
}

/// Greets people.
#[motet::service(name = "greeter", version = "1.0.0")]
pub(super) trait Greeter {
    /// Says hello.
    #[method(idempotent)]
    async fn hello(&self, cx: &Context, req: HelloRequest) -> Result<HelloReply>;
}

struct Polite;

impl Greeter for Polite {
    async fn hello(&self, _: &Context, req: HelloRequest) -> Result<HelloReply> {
        Ok(HelloReply { text: format!("Hello, {}!", req.name) })
    }
}

pub(super) fn service() -> impl IntoService + Send {
    GreeterServer::new(Polite)
}

//! Run with: cargo run -p mounting -- --listen tcp://127.0.0.1:4000
//!
//! ```sh
//! curl http://127.0.0.1:4000/pages/one
//! motet call grpc://127.0.0.1:4000 helloworld.Greeter SayHello '{"name":"Ada"}' --proto examples/mounting/proto/helloworld.proto
//! motet call grpc://127.0.0.1:4000 helloworld.Greeter SayBye '{"name":"Ada"}' --proto examples/mounting/proto/helloworld.proto
//! ```
//!
//! The first call is answered by Motet, the second by tonic.

#[motet::main]
async fn main() -> motet::Result<()> {
    mounting::app().run().await
}

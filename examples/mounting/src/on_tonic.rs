//! The greeter on tonic, as it was.

use std::pin::Pin;

use tonic::{Request, Response, Status, codegen::tokio_stream::Stream};

use crate::helloworld::{HelloReply, HelloRequest, greeter_server::Greeter};

/// Greets.
#[derive(Clone, Copy, Debug)]
pub struct Mine;

#[tonic::async_trait]
impl Greeter for Mine {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        Ok(Response::new(HelloReply { message: format!("Hello, {}, from tonic", request.into_inner().name) }))
    }

    async fn say_bye(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        match request.into_inner().name.as_str() {
            "" => Err(Status::invalid_argument("who leaves?")),
            name => Ok(Response::new(HelloReply { message: format!("Bye, {name}, from tonic") })),
        }
    }

    type SayOftenStream = Pin<Box<dyn Stream<Item = Result<HelloReply, Status>> + Send>>;

    async fn say_often(&self, request: Request<HelloRequest>) -> Result<Response<Self::SayOftenStream>, Status> {
        let name = request.into_inner().name;
        let greetings = (1..=3).map(move |n| match n {
            3 => Err(Status::resource_exhausted("that is often enough")),
            n => Ok(HelloReply { message: format!("{n}: hello, {name}") }),
        });
        Ok(Response::new(Box::pin(tonic::codegen::tokio_stream::iter(greetings))))
    }
}

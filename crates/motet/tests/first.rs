//! First.
#![allow(missing_docs)]
use motet::prelude::*;

#[motet::message]
#[derive(Clone, Debug, PartialEq)]
pub struct HelloRequest {
    #[garde(length(min = 1, max = 5))]
    name: String,
}

type Alias = HelloRequest;

#[derive(Debug, PartialEq, motet::RpcError)]
pub enum GreetError {
    #[rpc(code = InvalidArgument, message = "too long: {length}, at most {max}")]
    NameTooLong { length: u32, max: u32 },
    #[rpc(code = NotFound, message = "no {0}")]
    Unknown(String),
    #[rpc(other)]
    Other(Status),
}

#[motet::service(name = "greeter", version = "1.0.0")]
pub trait Greeter {
    /// Says hello.
    async fn hello(&self, cx: &Context, req: HelloRequest) -> Result<HelloRequest, GreetError>;
    async fn aliased(&self, cx: &Context, req: Alias) -> Result<u32, Status>;
    async fn several(&self, cx: &Context, name: String, times: u32) -> Result<Vec<String>, Status>;
    async fn ticks(&self, cx: &Context, every_ms: u64) -> Result<Streaming<u64>, Status>;
    async fn upload(&self, cx: &Context, parts: Streaming<String>) -> Result<(), Status>;
    async fn chat(&self, cx: &Context, lines: Streaming<HelloRequest>) -> Result<Streaming<HelloRequest>, GreetError>;
    #[method(optional)]
    async fn maybe(&self, cx: &Context, x: u32) -> Result<u32, GreetError>;
    async fn body(&self, cx: &Context, x: u32) -> Result<u32, GreetError> {
        let _ = cx;
        Ok(x + 1)
    }
    async fn nothing(&self, cx: &Context) -> motet::Result<()>;
}

struct Me;
impl Greeter for Me {
    async fn hello(&self, _cx: &Context, req: HelloRequest) -> Result<HelloRequest, GreetError> {
        if req.name == "long" {
            return Err(GreetError::NameTooLong { length: 4, max: 3 });
        }
        Ok(req)
    }
    async fn aliased(&self, _cx: &Context, req: Alias) -> Result<u32, Status> {
        Ok(req.name.len() as u32)
    }
    async fn several(&self, _cx: &Context, name: String, times: u32) -> Result<Vec<String>, Status> {
        Ok(vec![name; times as usize])
    }
    async fn ticks(&self, _cx: &Context, every_ms: u64) -> Result<Streaming<u64>, Status> {
        Ok(Streaming::from_iter(0..every_ms))
    }
    async fn upload(&self, _cx: &Context, parts: Streaming<String>) -> Result<(), Status> {
        parts.collect().await.map(drop)
    }
    async fn chat(&self, _cx: &Context, lines: Streaming<HelloRequest>) -> Result<Streaming<HelloRequest>, GreetError> {
        Ok(lines)
    }
    async fn nothing(&self, _cx: &Context) -> motet::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn it_works() {
    let client = GreeterClient::local(Me);
    let cx = Context::new();
    let req = HelloRequest { name: "Ada".into() };
    assert_eq!(client.hello(&cx, req.clone()).await, Ok(req.clone()));
    assert_eq!(
        client.hello(&cx, HelloRequest { name: "long".into() }).await,
        Err(GreetError::NameTooLong { length: 4, max: 3 })
    );
    assert_eq!(client.aliased(&cx, req.clone()).await, Ok(3));
    assert_eq!(client.several(&cx, "a".into(), 2).await.unwrap(), ["a", "a"]);
    assert_eq!(client.ticks(&cx, 3).await.unwrap().collect().await.unwrap(), [0, 1, 2]);
    assert_eq!(client.body(&cx, 3).await, Ok(4));
    println!("{:#?}", GreeterServer::descriptor());
}

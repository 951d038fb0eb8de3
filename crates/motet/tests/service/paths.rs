//! Motet under another name, and names that the expansion also uses.

use motet as renamed;
use renamed::{Context, Result, RpcError, Status, Streaming};

#[renamed::message(crate = renamed)]
#[derive(Clone, Debug, PartialEq)]
struct T {
    service: u8,
}

#[derive(Debug, PartialEq, renamed::RpcError)]
#[rpc(crate = renamed)]
enum S {
    #[rpc(code = OutOfRange, message = "{status} of {text}")]
    Far { status: T2, text: String },
    #[rpc(other)]
    Other(Status),
}

type T2 = u8;

#[renamed::service(name = "names", version = "1", crate = renamed)]
trait Names {
    async fn method(&self, cx: &Context, service: u8, call: T, core: String, request: bool) -> Result<T, S>;
    async fn new(&self, cx: &Context, t: T) -> Result<T, S>;
}

#[renamed::service(name = "streams", crate = "renamed")]
trait OnlyStreams {
    async fn stream(&self, cx: &Context, items: Streaming<T>) -> Result<Streaming<T>, S>;
}

struct Me;

impl Names for Me {
    async fn method(&self, _: &Context, service: u8, call: T, core: String, request: bool) -> Result<T, S> {
        match request {
            true => Ok(T { service: service + call.service }),
            false => Err(S::Far { status: service, text: core }),
        }
    }

    async fn new(&self, _: &Context, t: T) -> Result<T, S> {
        Ok(t)
    }
}

impl OnlyStreams for Me {
    async fn stream(&self, _: &Context, items: Streaming<T>) -> Result<Streaming<T>, S> {
        Ok(items)
    }
}

#[tokio::test]
async fn the_expansion_keeps_out_of_the_way_of_names() {
    let (cx, one) = (Context::new(), T { service: 1 });
    let names = NamesClient::local(Me);
    assert_eq!(names.method(&cx, 1, one.clone(), String::new(), true).await, Ok(T { service: 2 }));
    let far = S::Far { status: 7, text: "x".into() };
    assert_eq!(names.method(&cx, 7, one.clone(), "x".into(), false).await, Err(far));
    assert_eq!(names.new(&cx, one.clone()).await, Ok(one.clone()));
    let items = OnlyStreamsClient::local(Me).stream(&cx, Streaming::from_iter([one.clone()])).await.expect("a stream");
    assert_eq!(items.collect().await, Ok(vec![one]));
    assert_eq!(S::from_status(Status::internal("x")), S::Other(Status::internal("x")));
}

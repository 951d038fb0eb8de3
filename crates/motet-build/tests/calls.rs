//! Generated services are served and called in every codec, and grow without breaking their
//! implementations.

use motet::{Client, Code, Codec, Context, Result, Streaming, Value};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

mod shop {
    include!("generated/shop.rs");
}
mod sum {
    include!("generated/sum.rs");
}

use shop::acme::{
    common::Money,
    shop::v1::{Cart, CartClient, CartServer, Everything, Match},
};
use sum::{Reply, Req, Sum, SumClient, SumServer};

/// It has some methods of the file only, as one that was written before the file grew.
struct Shop;

impl Cart for Shop {
    async fn add_item(&self, _: &Context, request: Everything) -> Result<Everything> {
        Ok(request)
    }

    async fn get_cart(&self, _: &Context, request: Match) -> Result<Money> {
        Ok(Money { currency: request.r#impl, cents: 1 << 60 })
    }

    async fn clear(&self, _: &Context) -> Result<()> {
        Ok(())
    }

    async fn count(&self, _: &Context, value: String) -> Result<i64> {
        Ok(value.len() as i64)
    }

    async fn watch(&self, _: &Context, request: Match) -> Result<Streaming<Everything>> {
        let one = |n| Everything { int32_value: n, string_value: request.r#impl.clone(), ..Everything::default() };
        Ok(Streaming::from_iter([one(1), one(2)]))
    }
}

struct Adder;

impl Sum for Adder {
    async fn add(&self, _: &Context, request: Req) -> Result<Reply> {
        Ok(Reply { sum: request.a + request.b })
    }
}

async fn serving() -> (motet::RunningApp, Client) {
    let app = motet::App::builder().service(CartServer::new(Shop)).service(SumServer::new(Adder));
    let app = app.start().await.expect("starts");
    let client = app.client().clone();
    (app, client)
}

#[tokio::test]
async fn calls_travel_in_every_codec() {
    let (_app, client) = serving().await;
    for codec in [Codec::PROTOBUF, Codec::JSON, Codec::MSGPACK] {
        let cart = CartClient::new(&client).with_codec(codec.clone());
        let cx = Context::new();
        let sent = Everything { int64_value: i64::MAX, bytes_value: vec![1, 2], ..Everything::default() };
        assert_eq!(cart.add_item(&cx, sent.clone()).await.expect("answers"), sent, "{codec:?}");
        let money = cart.get_cart(&cx, Match { r#impl: "EUR".into() }).await.expect("answers");
        assert_eq!((&*money.currency, money.cents), ("EUR", 1 << 60), "{codec:?}");
        cart.clear(&cx).await.expect("answers");
        assert_eq!(cart.count(&cx, "four".to_owned()).await.expect("answers"), 4, "{codec:?}");
        let mut watched = cart.watch(&cx, Match { r#impl: "w".into() }).await.expect("answers");
        let mut seen = Vec::new();
        while let Some(one) = watched.next().await {
            seen.push(one.expect("an item").int32_value);
        }
        assert_eq!(seen, [1, 2], "{codec:?}");
        let sum = SumClient::new(&client).with_codec(codec).add(&cx, Req { a: 2, b: 3 }).await.expect("answers");
        assert_eq!(sum.sum, 5);
    }
}

/// A service whose .proto has no package and writes its names in lower case, as Go's tutorials do.
#[tokio::test]
async fn sum_add_333_and_666_is_999_by_grpc_and_by_json_rpc() {
    let app = motet::App::builder().listen("tcp://127.0.0.1:0").service(SumServer::new(Adder));
    let app = app.start().await.expect("starts");
    let address = app.endpoints()[0].address.clone();
    for protocol in ["grpc", "jsonrpc"] {
        let client = app.client().to(format!("{protocol}://{address}")).expect("an address");
        let sum = SumClient::new(&client).add(&Context::new(), Req { a: 333, b: 666 }).await;
        assert_eq!(sum.unwrap_or_else(|error| panic!("{protocol}: {error}")).sum, 999, "{protocol}");
    }
    let mut socket = TcpStream::connect(&address).await.expect("it listens");
    let call = br#"{"method":"sum.add","params":[{"a":333,"b":666}],"id":0}"#;
    socket.write_all(call).await.expect("it reads");
    socket.shutdown().await.expect("half closed");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("an answer");
    assert_eq!(answer, "{\"id\":0,\"result\":{\"sum\":999},\"error\":null}\n");
    assert!(app.stop().await.is_clean());
}

#[tokio::test]
async fn a_method_that_the_implementation_lacks_is_unimplemented() {
    let (_app, client) = serving().await;
    let error = CartClient::new(&client).new_(&Context::new(), Match::default()).await.expect_err("not there");
    assert_eq!(error.code(), Code::Unimplemented, "{error}");
}

#[test]
fn names_that_are_not_rust_s_are_kept_on_the_wire() {
    let sum = SumServer::descriptor();
    assert_eq!((&*sum.name, sum.methods[0].proto_path()), ("adder", "sum/add"));
    assert_eq!(sum.methods[0].dotted(), "sum.add");
}

#[test]
fn wrappers_are_objects_with_their_bytes() {
    let mut ours = Default::default();
    let message = motet::core::MessageType::<Value<i64>>::serde();
    message.encode(&Value { value: 300 }, &Codec::PROTOBUF, &mut ours).expect("encodes");
    assert_eq!(&ours[..], motet::proto::prost::Message::encode_to_vec(&300_i64));
}

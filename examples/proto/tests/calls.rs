//! A service of a `.proto` file is found, called and described as one of a trait is.

use motet::{App, Code, Codec, Context};
use proto::{AddRequest, Cart, CartClient, CartRequest, CartServer, Carts, Item, State, item::Wrapping};

#[tokio::test]
async fn a_cart_is_filled_from_another_app_in_every_codec() {
    let folder = tempfile::tempdir().expect("a folder");
    let registry = format!("file://{}/registry", folder.path().display());
    let server = App::builder().name("server").registry(registry.as_str());
    let server = server.service(CartServer::new(Carts::default())).start().await.expect("starts");
    let client = App::builder().name("client").registry(registry.as_str()).start().await.expect("starts");
    let cx = Context::new();
    for (n, codec) in (1..).zip([Codec::PROTOBUF, Codec::JSON, Codec::MSGPACK]) {
        let cart = CartClient::new(client.client()).with_codec(codec);
        let item = Item { article: "A7".into(), count: 2, price: 250, wrapping: Some(Wrapping::Paper("red".into())) };
        let filled = cart.add(&cx, AddRequest { owner: "Ada".into(), item: Some(item) }).await.expect("added");
        assert_eq!((filled.items.len(), filled.total, filled.state()), (n, 500 * n as i64, State::Filled));
        assert!(filled.changed.is_some_and(|changed| changed.seconds > 1_700_000_000));
        let watched = cart.watch(&cx, CartRequest { owner: "Ada".into() }).await.expect("a head");
        assert_eq!(watched.collect().await.expect("to the end")[0].items, filled.items);
        let error = cart.add(&cx, AddRequest::default()).await.expect_err("no item");
        assert_eq!(error.code(), Code::InvalidArgument);
        let error = cart.clear(&cx, CartRequest::default()).await.expect_err("came later");
        assert_eq!(error.code(), Code::Unimplemented);
    }
    assert!(server.stop().await.is_clean());
    client.stop().await;
}

#[tokio::test]
async fn a_call_by_name_speaks_the_json_of_proto3() {
    let app = App::builder().service(CartServer::new(Carts::default())).start().await.expect("starts");
    let cart = app.client().service("cart");
    let request = serde_json::json!({"owner": "Ada", "item": {"article": "A7", "count": 2, "price": "250"}});
    let reply = cart.call_json(&Context::new(), "add", request).await.expect("answered");
    assert_eq!((&reply["total"], &reply["state"]), (&"500".into(), &"STATE_FILLED".into()));
    assert_eq!(reply["counts"]["A7"], 2);
    app.stop().await;
}

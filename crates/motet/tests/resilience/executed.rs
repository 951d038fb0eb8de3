//! A call is sent again only if its own handler did not run: what became of the calls that the handler
//! made says nothing about that.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use motet::{
    App, Body, Call, Client, Code, Codec, Context, Executed, IntoService, MethodDescriptor, Payload, Reply, Result,
    Router, ServiceDescriptor, Status, Streaming,
    core::{BoxFuture, MemoryRegistry, Service},
};

use crate::chain::{Chain, Hop};

/// Asks somebody else, who is not there.
#[motet::service(name = "ask", version = "1.0.0")]
trait Ask {
    async fn ask(&self, cx: &Context, own: bool) -> Result<u64>;
    async fn asks(&self, cx: &Context, own: bool) -> Result<Streaming<u64>>;
}

/// The arguments, as a closure of one message has them.
#[motet::message]
struct How {
    own: bool,
}

/// What a handler makes of it, and how often.
#[derive(Clone)]
struct Asks {
    nobody: Client,
    ran: Arc<AtomicUsize>,
}

impl Asks {
    fn new() -> Asks {
        let nobody = Client::builder().registry(Arc::new(MemoryRegistry::new())).build();
        Asks { nobody, ran: Arc::default() }
    }

    async fn ask(&self, cx: &Context, own: bool) -> Result<u64> {
        self.ran.fetch_add(1, SeqCst);
        if own {
            return Err(Status::unavailable("not now").with_executed(Executed::No));
        }
        let child = self.nobody.service("nobody");
        let method = Arc::new(MethodDescriptor::new("nobody", "there"));
        let body = Body::One(Payload::encoded("", Codec::RAW));
        let status = child.call(child.prepare(&method, cx, Codec::RAW, body)?).await.map(|_| 0);
        assert_eq!(status.as_ref().expect_err("nobody is there").executed(), Executed::No, "of the child call");
        status
    }
}

impl Ask for Asks {
    async fn ask(&self, cx: &Context, own: bool) -> Result<u64> {
        self.ask(cx, own).await
    }

    async fn asks(&self, cx: &Context, own: bool) -> Result<Streaming<u64>> {
        self.ask(cx, own).await.map(|n| Streaming::from_iter([n]))
    }
}

/// The same service through each door.
fn doors(asks: &Asks) -> [(&'static str, Service); 3] {
    let of_trait = AskServer::new(asks.clone()).into_service().expect("valid");
    let (one, many) = (asks.clone(), asks.clone());
    let router = Router::new()
        .named("ask", "1.0.0")
        .args("ask", ["own"], move |cx: Context, own: bool| {
            let asks = one.clone();
            async move { asks.ask(&cx, own).await }
        })
        .server_stream("asks", move |cx: Context, how: How| {
            let asks = many.clone();
            async move { asks.ask(&cx, how.own).await.map(|n| Streaming::from_iter([n])) }
        });
    let by_hand = |asks: Asks| {
        move |call: Call| -> BoxFuture<'static, Result<Reply>> {
            let asks = asks.clone();
            Box::pin(async move {
                let own = call.body.one()?.bytes()?.ends_with(b"true}");
                asks.ask(&call.cx, own).await.map(|_| Reply::one(Payload::encoded("", Codec::RAW)))
            })
        }
    };
    let descriptor = ServiceDescriptor::clone(of_trait.descriptor());
    let handlers = vec![Arc::new(by_hand(asks.clone())) as _, Arc::new(by_hand(asks.clone())) as _];
    let by_hand = Service::new(descriptor, handlers).expect("valid");
    [("trait", of_trait), ("closures", router.into_service().expect("valid")), ("by hand", by_hand)]
}

#[tokio::test]
async fn a_handler_that_passes_on_an_error_of_a_call_that_did_not_run_has_run_itself() {
    let asks = Asks::new();
    for (door, service) in doors(&asks) {
        let app = App::builder().service(service.clone()).build().start().await.expect("starts");
        let remote = app.client().to(&app.endpoints()[0]).expect("an address");
        for (way, client) in [("tcp", remote), ("same App", app.client().clone()), ("local", Client::local(service))] {
            let client = AskClient::new(client).with_codec(Codec::JSON);
            asks.ran.store(0, SeqCst);
            let status = client.ask(&Context::new(), false).await.expect_err("nobody is there");
            assert_eq!(
                (status.code(), status.executed()),
                (Code::Unavailable, Executed::Yes),
                "{door} {way}: {status}"
            );
            assert_eq!(asks.ran.load(SeqCst), 1, "{door} {way}: it must not be sent again");
            let status = client.asks(&Context::new(), false).await.map(drop).expect_err("nobody is there");
            let known = (status.code(), status.executed());
            assert_eq!(known, (Code::Unavailable, Executed::Yes), "{door} {way}, a stream's head");
        }
        app.stop().await;
    }
}

#[tokio::test]
async fn a_handler_s_own_word_that_it_did_nothing_is_believed_and_the_call_sent_again() {
    let asks = Asks::new();
    for (door, service) in doors(&asks) {
        let app = App::builder().service(service).build().start().await.expect("starts");
        let remote = app.client().to(&app.endpoints()[0]).expect("an address");
        asks.ran.store(0, SeqCst);
        let client = AskClient::new(remote).with_codec(Codec::JSON);
        let status = client.ask(&Context::new(), true).await.expect_err("not now");
        assert_eq!(status.executed(), Executed::No, "{door}");
        assert_eq!(asks.ran.load(SeqCst), 3, "{door}: two retries");
        app.stop().await;
    }
}

#[tokio::test]
async fn at_three_hops_only_the_call_that_did_not_run_is_sent_again() {
    let chain = Chain::start("tcp").await;
    let status = chain.client.answer(&Context::new(), "no".into()).await.expect_err("later");
    assert_eq!((status.message(), status.executed()), ("later", Executed::Yes));
    assert_eq!(chain.c.diary.borrow().calls, 3, "B sent its call again");
    assert_eq!(chain.b.diary.borrow().calls, 1, "A did not");
    chain.stop().await;
}

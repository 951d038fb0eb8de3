//! One test body, run in this process and over TCP: local and remote follow the same rules.

use std::sync::Arc;

use motet::{Code, Codec, Context, Result, RpcError, Status, Streaming};

use crate::greeter::{GreetError, Greeter, GreeterClient, GreeterServer, Hello, Me};
use crate::support::remote;

fn named(name: &str) -> Hello {
    Hello { name: name.to_owned() }
}

/// Everything that a caller sees, through any implementation of the trait.
async fn all_kinds(greeter: impl Greeter) {
    let cx = &Context::new();
    assert_eq!(greeter.hello(cx, named("Ada")).await, Ok(named("Ada")));
    assert_eq!(greeter.aliased(cx, named("Ada")).await, Ok(named("Ada")));
    assert_eq!(greeter.one(cx, "Ada".into()).await, Ok(3));
    assert_eq!(greeter.several(cx, "Hi".into(), Some(2), named("Bob")).await, Ok(vec!["Hi Bob".to_owned(); 2]));
    assert_eq!(greeter.nothing(cx).await, Ok(()));
    assert_eq!(greeter.secret(cx, "a".into(), "b".into()).await, Ok(false));
    assert_eq!(greeter.ticks(cx, 3).await.expect("a stream").collect().await, Ok(vec![0, 1, 2]));
    let parts = Streaming::from_iter([named("a"), named("b")]);
    assert_eq!(greeter.upload(cx, parts).await, Ok(2));
    let lines = Streaming::from_iter(["one".to_owned(), "two".to_owned()]);
    assert_eq!(greeter.chat(cx, lines).await.expect("a stream").collect().await.expect("lines"), ["ONE", "TWO"]);
    assert_eq!(greeter.twice(cx, "Ada".into()).await.expect("the body"), "Ada! 4");
    assert_eq!(greeter.renamed(cx, 7).await, Ok(7));
}

/// What goes wrong, as callers see it: typed errors, broken constraints, missing methods.
async fn all_errors(greeter: impl Greeter) {
    let cx = &Context::new();
    let too_long = GreetError::NameTooLong { length: 4, max: 3 };
    assert_eq!(greeter.hello(cx, named("long")).await, Err(too_long));
    assert_eq!(greeter.hello(cx, named("who")).await, Err(GreetError::Unknown("who".into())));
    assert_eq!(greeter.hello(cx, named("spent")).await, Err(GreetError::Spent(3, 4)));
    assert_eq!(greeter.hello(cx, named("sleep")).await, Err(GreetError::Asleep));
    let Err(GreetError::Other(other)) = greeter.hello(cx, named("other")).await else { panic!("an other error") };
    assert_eq!((other.code(), other.message()), (Code::Aborted, "once more"));

    let Err(GreetError::Other(broken)) = greeter.hello(cx, named("")).await else { panic!("a broken constraint") };
    assert_eq!((broken.code(), broken.message()), (Code::InvalidArgument, "name: length is below 1"));
    let broken = greeter.several(cx, "Hi".into(), None, named("")).await.expect_err("a broken constraint");
    assert_eq!((broken.code(), broken.message()), (Code::InvalidArgument, "who.name: length is below 1"));
    let parts = Streaming::from_iter([named("a"), named("")]);
    let Err(GreetError::Other(broken)) = greeter.upload(cx, parts).await else { panic!("a broken constraint") };
    assert_eq!(broken.code(), Code::InvalidArgument);

    assert_eq!(greeter.ticks(cx, 0).await.expect_err("an error at the head"), GreetError::Asleep);
    let missing = greeter.maybe(cx, 1).await.expect_err("nobody implements it");
    assert_eq!(missing.code(), Code::Unimplemented);
    assert!(missing.message().contains("greeter/maybe"), "{missing}");
}

/// A bidi method's early error is its first item or its head, and the typed error either way.
async fn early_error(greeter: &GreeterClient) {
    let lines = Streaming::from_iter(["hush".to_owned()]);
    let error = match greeter.chat(&Context::new(), lines).await {
        Err(error) => error,
        Ok(mut replies) => {
            let first = replies.next().await.expect("an item").expect_err("the error");
            GreetError::from_status(first)
        }
    };
    assert_eq!(error, GreetError::Unknown("hush".into()));
}

#[tokio::test]
async fn the_implementation_itself_and_shared_is_the_trait() {
    let greeter = Arc::new(Me);
    assert_eq!(Greeter::one(&greeter, &Context::new(), "Ada".into()).await, Ok(3));
    all_kinds(GreeterClient::local(greeter)).await;
}

#[tokio::test]
async fn a_local_client_follows_the_rules() {
    let greeter = GreeterClient::local(Me);
    all_kinds(greeter.clone()).await;
    all_errors(greeter.clone()).await;
    early_error(&greeter).await;
}

#[tokio::test]
async fn a_remote_client_follows_the_same_rules() {
    let (app, client) = remote("greeter", GreeterServer::new(Me)).await;
    let greeter = GreeterClient::new(&client);
    all_kinds(greeter.clone()).await;
    all_errors(greeter.clone()).await;
    early_error(&greeter).await;
    app.stop().await;
}

#[tokio::test]
async fn every_codec_carries_every_kind() {
    let (app, client) = remote("greeter", GreeterServer::new(Me)).await;
    for codec in [Codec::JSON, Codec::MSGPACK, Codec::PROTOBUF] {
        let greeter = GreeterClient::new(client.clone()).with_codec(codec);
        all_kinds(greeter.clone()).await;
        all_errors(greeter).await;
    }
    app.stop().await;
}

#[tokio::test]
async fn a_client_of_a_client_is_a_service_too() {
    let (app, client) = remote("greeter", GreeterServer::new(Me)).await;
    all_kinds(GreeterClient::local(GreeterClient::new(client))).await;
    app.stop().await;
}

#[tokio::test]
async fn a_service_under_another_name_is_called_by_it() {
    let (app, client) = remote("polite", GreeterServer::new(Me)).await;
    assert_eq!(GreeterClient::named(&client, "polite").one(&Context::new(), "Ada".into()).await, Ok(3));
    let error = GreeterClient::new(&client).one(&Context::new(), "Ada".into()).await.expect_err("no such service");
    assert_eq!(error.code(), Code::Unimplemented);
    app.stop().await;
}

#[tokio::test]
async fn options_hold_for_all_calls_of_the_client_that_has_them() {
    struct Slow;
    impl Greeter for Slow {
        async fn hello(&self, _: &Context, _: Hello) -> Result<Hello, GreetError> {
            std::future::pending().await
        }
        async fn aliased(&self, _: &Context, req: Hello) -> Result<Hello, GreetError> {
            Ok(req)
        }
        async fn one(&self, _: &Context, _: String) -> Result<u64> {
            Ok(0)
        }
        async fn several(&self, _: &Context, _: String, _: Option<u32>, _: Hello) -> Result<Vec<String>> {
            Ok(Vec::new())
        }
        async fn nothing(&self, _: &Context) -> Result<()> {
            Ok(())
        }
        async fn secret(&self, _: &Context, _: String, _: String) -> Result<bool> {
            Ok(true)
        }
        async fn ticks(&self, _: &Context, _: u64) -> Result<Streaming<u64>, GreetError> {
            Err(GreetError::Asleep)
        }
        async fn upload(&self, _: &Context, _: Streaming<Hello>) -> Result<u64, GreetError> {
            Ok(0)
        }
        async fn chat(&self, _: &Context, lines: Streaming<String>) -> Result<Streaming<String>, GreetError> {
            Ok(lines)
        }
    }
    let greeter = GreeterClient::local(Slow).with_timeout(std::time::Duration::from_millis(20));
    let Err(GreetError::Other(late)) = greeter.hello(&Context::new(), named("Ada")).await else { panic!("too late") };
    assert_eq!(late.code(), Code::DeadlineExceeded);
    assert!(late.message().contains("20ms"), "{late}");
}

#[tokio::test]
async fn an_error_in_the_caller_s_request_stream_fails_the_call() {
    let (sender, parts) = Streaming::channel(2);
    sender.send(Ok(named("a"))).await.expect("room");
    sender.send(Err(Status::data_loss("the disk is gone"))).await.expect("room");
    let (app, client) = remote("greeter", GreeterServer::new(Me)).await;
    let result = GreeterClient::new(client).upload(&Context::new(), parts).await;
    app.stop().await;
    let Err(GreetError::Other(error)) = result else { panic!("the caller's own error") };
    assert_eq!((error.code(), error.message()), (Code::DataLoss, "the disk is gone"));
}

//! go-rpc between Motet's own server and client.

#[path = "../../motet-framed/tests/unary/mod.rs"]
mod unary;

use std::{collections::BTreeMap, sync::Arc};

use motet::{Client, Code, Context, Executed, Node, StaticRegistry, TcpTransport};
use motet_protocol_gorpc::{GoRpcClient, GoRpcConfig, GoRpcServer, Serialize};
use unary::{Arith, ArithClient, Pair, Rig, calls};

fn with(change: impl FnOnce(&mut GoRpcConfig)) -> GoRpcConfig {
    let mut config = GoRpcConfig::default();
    change(&mut config);
    config
}

fn client(serialize: Serialize) -> GoRpcClient {
    GoRpcClient::new(with(|config| config.serialize = serialize))
}

async fn rig() -> Rig {
    Rig::new(GoRpcServer::default(), client(Serialize::MsgPack)).await
}

#[tokio::test]
async fn values_arrive_as_they_were_in_both_serializers() {
    for serialize in [Serialize::Json, Serialize::MsgPack] {
        let rig = Rig::new(GoRpcServer::default(), client(serialize)).await;
        unary::values_arrive_as_they_were(&rig, unary::LONGEST).await;
    }
}

#[tokio::test]
async fn errors_bring_their_text() {
    unary::errors_bring_their_text(&rig().await).await;
}

#[tokio::test]
async fn streams_are_not_carried() {
    unary::streams_are_not_carried(&rig().await).await;
}

#[tokio::test]
async fn a_message_over_the_limit_ends_its_call() {
    unary::a_message_over_the_limit_ends_its_call(&rig().await).await;
}

#[tokio::test]
async fn a_message_over_the_server_s_limit_ends_its_call_and_no_other() {
    let config = with(|config| config.max_message = 8 << 20);
    let rig = Rig::new(GoRpcServer::default(), GoRpcClient::new(config)).await;
    for length in [(4 << 20) + 1, 6 << 20] {
        let value = unary::Everything { text: "x".repeat(length), ..unary::zero() };
        let status = rig.arith.same(&Context::new(), value).await.expect_err("too long");
        assert_eq!(status.message(), "the message is longer than the limit of 4194304 bytes");
        rig.arith.nothing(&Context::new()).await.expect("goes on");
    }
    assert_eq!(rig.server.connections().calls_refused, 2);
}

#[tokio::test]
async fn metadata_travels_to_the_server_and_not_back() {
    let rig = rig().await;
    let (cx, seen) = Context::new().with_metadata("trace", "t1").expect("valid").capture();
    let about = rig.arith.about(&cx).await.expect("answered");
    assert_eq!((&about.protocol[..], &about.trace[..]), ("gorpc", "t1"));
    assert_eq!(seen.initial(), None);
    assert!(about.remaining_ms.is_some(), "the server's own deadline");
}

#[tokio::test]
async fn a_thousand_calls_run_at_once() {
    unary::a_thousand_calls_run_at_once(&rig().await).await;
}

#[tokio::test]
async fn a_call_that_is_given_up_is_forgotten() {
    unary::a_call_that_is_given_up_is_forgotten(&rig().await).await;
}

#[tokio::test]
async fn one_way_calls_are_written_and_run() {
    unary::one_way_calls_are_written_and_run(&rig().await).await;
}

#[tokio::test]
async fn a_stop_lets_calls_finish() {
    unary::a_stop_lets_calls_finish(&rig().await).await;
}

#[tokio::test]
async fn a_lost_connection_fails_its_calls() {
    unary::a_lost_connection_fails_its_calls(&rig().await).await;
}

#[tokio::test]
async fn a_token_is_asked_for() {
    let server = GoRpcServer::new(with(|config| config.accept_tokens = vec!["hello01".to_owned()]));
    let rig = Rig::new(server, GoRpcClient::new(with(|config| config.token = "hello01".to_owned()))).await;
    assert_eq!(rig.arith.mul(&Context::new(), Pair { a: 2, b: 3 }).await.expect("known").c, 6);
    let wrong = Context::new().with_metadata("rpc_auth", "wrong").expect("valid");
    let none = calls(&rig.endpoint, GoRpcClient::default()).1;
    for (arith, cx) in [(&none, Context::new()), (&rig.arith, wrong)] {
        let status = arith.mul(&cx, Pair { a: 2, b: 3 }).await.expect_err("not known");
        assert_eq!((status.code(), status.message()), (Code::Unauthenticated, "auth failed"));
        assert_eq!(status.executed(), Executed::No);
    }
    assert_eq!(rig.arith.mul(&Context::new(), Pair { a: 2, b: 3 }).await.expect("goes on").c, 6);
}

fn tags<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[tokio::test]
async fn a_call_that_asks_for_another_tag_is_refused() {
    for serialize in [Serialize::Json, Serialize::MsgPack] {
        let server = GoRpcServer::new(with(|config| config.tags = tags([("idc", "lf"), ("a", "b")])));
        let rig = Rig::new(server, client(serialize)).await;
        for (asked, expected) in [
            (tags([]), None),
            (tags([("idc", "lf")]), None),
            (tags([("idc", "lf"), ("a", "b")]), None),
            (tags([("idc", "bj")]), Some("the tag idc is not as asked for; this is idc=lf")),
            (tags([("idc", "lf"), ("zone", "x")]), Some("the tag zone is not as asked for; this is without it")),
        ] {
            let config = with(|config| (config.serialize, config.ask_tags) = (serialize, asked));
            let (_, arith) = calls(&rig.endpoint, GoRpcClient::new(config));
            let answer = arith.mul(&Context::new(), Pair { a: 2, b: 3 }).await;
            let Some(text) = expected else {
                assert_eq!(answer.expect("served").c, 6);
                continue;
            };
            let status = answer.expect_err("refused");
            assert_eq!((status.code(), status.message()), (Code::FailedPrecondition, text));
            assert_eq!(status.executed(), Executed::No);
        }
    }
}

/// A record that says otherwise than its node: the labels that chose it go along as tags.
#[tokio::test]
async fn labels_choose_a_node_and_are_checked_there() {
    let server = GoRpcServer::new(with(|config| config.tags = tags([("idc", "lf")])));
    let rig = Rig::new(server, GoRpcClient::default()).await;
    for (label, served) in [("lf", true), ("bj", false)] {
        let node = Node::new("arith", "a").endpoint(rig.endpoint.clone()).label("idc", label);
        let registry = StaticRegistry::new(vec![node]).expect("valid");
        let client = Client::builder()
            .transport(Arc::new(TcpTransport::new()))
            .registry(Arc::new(registry))
            .protocol(Arc::new(GoRpcClient::default()))
            .build();
        let arith =
            ArithClient::new(client).configure(|options| options.labels = vec![("idc".to_owned(), label.to_owned())]);
        let answer = arith.mul(&Context::new(), Pair { a: 2, b: 3 }).await;
        assert_eq!(answer.map_err(|status| status.code()).err(), (!served).then_some(Code::FailedPrecondition));
    }
}

#[tokio::test]
async fn a_service_or_method_that_is_not_there_was_not_executed() {
    let rig = Rig::new(GoRpcServer::default(), GoRpcClient::default()).await;
    let to = rig.client.to(format!("gorpc://{}", rig.endpoint.address)).expect("an address");
    for (service, method, text) in
        [("Arith", "Mod", "can not find method"), ("Greeter", "Hello", "can not find service")]
    {
        let status = to.service(service).call_json(&Context::new(), method, "{}").await.expect_err("not there");
        assert_eq!((status.code(), status.executed()), (Code::Unimplemented, Executed::No));
        assert_eq!(status.message(), text);
    }
    for (service, method) in [("Arith", "Mul"), ("arith", "mul"), ("arith", "Mul")] {
        let reply = to.service(service).call_json(&Context::new(), method, r#"{"A":2,"B":3}"#).await;
        assert_eq!(reply.expect("by either name")["C"], 6);
    }
}

#[tokio::test]
async fn a_message_in_another_serializer_is_refused_with_the_setting() {
    let rig = rig().await;
    let to = rig.client.to(format!("gorpc://{}", rig.endpoint.address)).expect("an address");
    let status = to.service("Arith").call_json(&Context::new(), "Mul", "{}").await.expect_err("JSON");
    assert!(status.message().contains("protocols.gorpc.serialize"), "{status}");
    assert_eq!(status.executed(), Executed::No);
}

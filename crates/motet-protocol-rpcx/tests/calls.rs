//! rpcx between Motet's own server and client.

#[path = "../../motet-framed/tests/unary/mod.rs"]
mod unary;

use std::time::Duration;

use motet::{Code, Context, Executed};
use motet_protocol_rpcx::{RpcxClient, RpcxConfig, RpcxServer, Serialize};
use unary::{Arith, Pair, Rig, calls, everything};

async fn rig() -> Rig {
    Rig::new(RpcxServer::default(), RpcxClient::default()).await
}

fn with(change: impl FnOnce(&mut RpcxConfig)) -> RpcxConfig {
    let mut config = RpcxConfig::default();
    change(&mut config);
    config
}

#[tokio::test]
async fn values_arrive_as_they_were() {
    unary::values_arrive_as_they_were(&rig().await, unary::LONGEST).await;
}

#[tokio::test]
async fn values_arrive_in_every_serializer_and_compressed() {
    for serialize in [Serialize::Json, Serialize::Protobuf, Serialize::MsgPack] {
        for compress_above in [None, Some(0)] {
            let config = with(|config| (config.serialize, config.compress_above) = (serialize, compress_above));
            let rig = Rig::new(RpcxServer::default(), RpcxClient::new(config)).await;
            unary::values_arrive_as_they_were(&rig, 200_000).await;
        }
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
    let rig = Rig::new(RpcxServer::default(), RpcxClient::new(config)).await;
    for length in [(4 << 20) + 1, 6 << 20] {
        let value = unary::Everything { text: "x".repeat(length), ..unary::zero() };
        let status = rig.arith.same(&Context::new(), value).await.expect_err("too long");
        assert_eq!(status.message(), "the message is longer than the limit of 4194304 bytes");
        rig.arith.nothing(&Context::new()).await.expect("goes on");
    }
    assert_eq!(rig.server.connections().calls_refused, 2);
}

#[tokio::test]
async fn metadata_travels_both_ways_and_so_does_the_deadline() {
    let rig = rig().await;
    let cx = Context::new().with_timeout(Duration::from_secs(7)).with_metadata("trace", "t1").expect("valid");
    let (cx, seen) = cx.capture();
    let about = rig.arith.about(&cx).await.expect("answered");
    assert_eq!((&about.protocol[..], &about.trace[..]), ("rpcx", "t1"));
    assert!((1000..=7000).contains(&about.remaining_ms.expect("a deadline")), "{about:?}");
    assert_eq!(seen.initial().expect("a reply").get("seen-by"), Some("calculator"));
}

#[tokio::test]
async fn a_call_is_stopped_at_its_caller_s_deadline() {
    let rig = rig().await;
    let status = rig.arith.wait(&Context::new().with_timeout(Duration::from_millis(100)), 60_000).await;
    assert_eq!(status.expect_err("too slow").code(), Code::DeadlineExceeded);
    let ended = || rig.seen.ended.load(std::sync::atomic::Ordering::SeqCst) == 1;
    unary::until("the handler is dropped long before it would end", ended).await;
}

#[tokio::test]
async fn a_thousand_calls_run_at_once() {
    unary::a_thousand_calls_run_at_once(&rig().await).await;
}

#[tokio::test]
async fn more_calls_than_may_run_wait_for_their_turn() {
    let few = || with(|config| config.max_calls = 50);
    let rig = Rig::new(RpcxServer::new(few()), RpcxClient::default()).await;
    unary::a_thousand_calls_run_at_once(&rig).await;
    let rig = Rig::new(RpcxServer::default(), RpcxClient::new(few())).await;
    unary::a_thousand_calls_run_at_once(&rig).await;
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
async fn a_token_is_asked_for_and_a_wrong_one_ends_the_connection() {
    let server = RpcxServer::new(with(|config| config.accept_tokens = vec!["hello01".to_owned()]));
    let rig = Rig::new(server, RpcxClient::new(with(|config| config.token = "hello01".to_owned()))).await;
    assert_eq!(rig.arith.mul(&Context::new(), Pair { a: 2, b: 3 }).await.expect("known").c, 6);
    let cx = Context::new().with_metadata("__auth", "wrong").expect("valid");
    let none = calls(&rig.endpoint, RpcxClient::default()).1;
    for (arith, cx) in [(&none, Context::new()), (&rig.arith, cx)] {
        let status = arith.mul(&cx, Pair { a: 2, b: 3 }).await.expect_err("not known");
        assert_eq!((status.code(), status.message()), (Code::Unauthenticated, "auth failed"));
        assert_eq!(status.executed(), Executed::No);
    }
    assert_eq!(rig.arith.mul(&Context::new(), Pair { a: 2, b: 3 }).await.expect("a new connection").c, 6);
}

#[tokio::test]
async fn who_may_call_what_can_be_a_program_s_own_rule() {
    let server = RpcxServer::default().with_auth(|token, service, method| {
        token == "reader" && (service, method) == ("Arith", "Same") || token == "all"
    });
    let rig = Rig::new(server, RpcxClient::new(with(|config| config.token = "reader".to_owned()))).await;
    rig.arith.same(&Context::new(), everything()).await.expect("allowed");
    let status = rig.arith.mul(&Context::new(), Pair { a: 2, b: 3 }).await.expect_err("not allowed");
    assert_eq!(status.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_service_or_method_that_is_not_there_was_not_executed() {
    let rig = rig().await;
    let to = rig.client.to(format!("rpcx://{}", rig.endpoint.address)).expect("an address");
    for (service, method, text) in
        [("Arith", "Mod", "rpcx: can't find method Mod"), ("Greeter", "Hello", "rpcx: can't find service Greeter")]
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

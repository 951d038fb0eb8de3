//! The second door: closures.

use motet::core::Service;
use motet::{Bytes, Code, Codec, Context, IntoService, Kind, Plain, Router, Status, Streaming, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::greeter::Hello;
use crate::support::{handle, json};

#[derive(Serialize, Deserialize, JsonSchema)]
struct OnlySerde {
    n: i32,
}

fn service() -> Service {
    Router::new()
        .named("hello", "1.0.0")
        .docs("Closures.")
        .args("/say/hi", ["name"], |_: Context, name: String| async move { Ok(format!("hi {name}")) })
        .args("/say/all", ["who", "times"], |_: Context, who: Hello, times: Option<u8>| async move {
            Ok(vec![who.name; times.unwrap_or(2).into()])
        })
        .args("/time", [], |_: Context| async move { Ok(5_u64) })
        .method("greet", |_, who: Hello| async move { Ok(who) })
        .configure(|method| method.docs = "Greets.".to_owned())
        .method("double", |_, n: u64| async move { Ok(2 * n) })
        .method("plain", |_, Plain(value): Plain<OnlySerde>| async move { Ok(Plain(OnlySerde { n: value.n + 1 })) })
        .method("wrapped", |_, pair: Value<(u8, bool)>| async move { Ok(Value { value: pair.value.0 }) })
        .method("nothing", |_, ()| async move { Ok(()) })
        .method("fails", |_, ()| async move { Err::<(), _>(Status::not_found("nothing here")) })
        .server_stream("count", |_, to: u32| async move { Ok(Streaming::from_iter(0..to)) })
        .client_stream("sum", |_, parts: Streaming<u32>| async move { Ok(parts.collect().await?.iter().sum::<u32>()) })
        .bidi("echo", |_, lines: Streaming<String>| async move { Ok(lines) })
        .raw("bytes", |_, bytes: Bytes| async move { Ok(bytes) })
        .into_service()
        .expect("a good router")
}

#[tokio::test]
async fn named_arguments_come_by_name_or_by_position() {
    let service = service();
    for body in [r#"{"name":"Ada"}"#, r#"["Ada"]"#, r#"{"more":1,"name":"Ada"}"#] {
        assert_eq!(json(&service, "/say/hi", body).await.expect("a reply"), r#"{"value":"hi Ada"}"#);
    }
    let two = json(&service, "/say/all", r#"{"who":{"name":"Bob"}}"#).await.expect("a reply");
    assert_eq!(two, r#"{"value":["Bob","Bob"]}"#);
    assert_eq!(json(&service, "/time", "").await.expect("a reply"), r#"{"value":5}"#);
}

#[tokio::test]
async fn named_arguments_speak_every_codec() {
    let service = service();
    let reply = handle(&service, "/say/hi", Codec::PROTOBUF, b"\x0a\x03Ada").await.expect("protobuf");
    assert_eq!(&reply[..], b"\x0a\x06hi Ada");
    let reply = handle(&service, "/say/hi", Codec::MSGPACK, b"\x81\xa4name\xa3Ada").await.expect("MessagePack");
    assert_eq!(&reply[..], b"\x81\xa5value\xa6hi Ada");
    let error = handle(&service, "/say/hi", Codec::RAW, b"Ada").await.expect_err("bytes have no names");
    assert_eq!(error.code(), Code::Unimplemented);
}

#[tokio::test]
async fn a_wrong_argument_is_named_and_not_quoted() {
    let service = service();
    for body in [r#"{"name":["secret"]}"#, r#"{}"#, r#"[7]"#] {
        let error = json(&service, "/say/hi", body).await.expect_err("refused");
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(error.message().contains("name: ") && !error.message().contains("secret"), "{error}");
    }
    let broken = json(&service, "/say/all", r#"{"who":{"name":""}}"#).await.expect_err("refused");
    assert_eq!(broken.message(), "who.name: length is below 1");
    assert_eq!(json(&service, "/say/hi", "{").await.expect_err("malformed").code(), Code::InvalidArgument);
}

#[tokio::test]
async fn one_value_follows_the_rule_of_bodies() {
    let service = service();
    for (method, body, reply) in [
        ("greet", r#"{"name":"Ada"}"#, r#"{"name":"Ada"}"#),
        ("double", r#"{"value":4}"#, r#"{"value":8}"#),
        ("plain", r#"{"n":1}"#, r#"{"n":2}"#),
        ("wrapped", r#"{"value":[7,true]}"#, r#"{"value":7}"#),
        ("nothing", "null", "{}"),
    ] {
        assert_eq!(json(&service, method, body).await.expect(method), reply);
    }
    let error = json(&service, "fails", "{}").await.expect_err("it fails");
    assert_eq!((error.code(), error.message()), (Code::NotFound, "nothing here"));
    let bytes = handle(&service, "bytes", Codec::RAW, b"\x00\xff").await.expect("bytes");
    assert_eq!(&bytes[..], b"\x00\xff");
}

#[test]
fn a_router_is_described_like_a_trait() {
    let service = service();
    let service = service.descriptor();
    assert_eq!(service.docs, "Closures.");
    let all = service.method("/say/all").expect("described");
    assert_eq!(all.path, "hello//say/all");
    assert_eq!(all.request["required"], serde_json::json!(["who"]));
    assert_eq!(all.arguments.iter().map(|a| a.name.as_str()).collect::<Vec<_>>(), ["who", "times"]);
    assert!(all.request["$defs"]["Hello"].is_object(), "{}", all.request);
    assert_eq!(service.method("plain").expect("described").content_type, "application/msgpack");
    assert_eq!(service.method("greet").expect("described").docs, "Greets.");
    assert_eq!(service.method("sum").expect("described").kind, Kind::ClientStream);
}

#[test]
fn what_breaks_a_rule_is_reported_when_the_service_is_made() {
    let unnamed = Router::new().method("a", |_, ()| async move { Ok(()) });
    assert!(unnamed.into_service().expect_err("no name").message().contains("Router::named"));
    let twins = Router::new().method("say_hi", |_, ()| async move { Ok(()) });
    let twins = twins.method("sayHi", |_, ()| async move { Ok(()) }).into_service_or("x", "1");
    assert!(twins.expect_err("twins").message().contains("same name"));
    let stream = Router::new().server_stream("s", |_, n: u32| async move { Ok(Streaming::from_iter(0..n)) });
    let stream = stream.configure(|method| method.options.serial = true).into_service_or("x", "1");
    assert!(stream.expect_err("a serial stream").message().contains("one reply"));
}

//! What travels, byte for byte.

use motet::{Codec, Status};
use serde_json::json;

use crate::greeter::{GreeterServer, Me};
use crate::support::{handle, json};

fn service() -> motet::core::Service {
    GreeterServer::new(Me).into_service().expect("a good descriptor")
}

async fn refused(method: &str, body: &str) -> Status {
    json(&service(), method, body).await.expect_err("refused")
}

#[tokio::test]
async fn a_lone_message_is_the_body_itself() {
    assert_eq!(json(&service(), "hello", r#"{"name":"Ada"}"#).await.expect("a reply"), r#"{"name":"Ada"}"#);
    assert_eq!(json(&service(), "aliased", r#"{"name":"Ada"}"#).await.expect("a reply"), r#"{"name":"Ada"}"#);
}

#[tokio::test]
async fn other_arguments_are_fields_even_when_there_is_one() {
    assert_eq!(json(&service(), "one", r#"{"name":"Ada"}"#).await.expect("a reply"), r#"{"value":3}"#);
    let body = r#"{"who":{"name":"Bob"},"unknown":[{}],"times":2,"name":"Hi"}"#;
    assert_eq!(json(&service(), "several", body).await.expect("a reply"), r#"{"value":["Hi Bob","Hi Bob"]}"#);
    assert_eq!(json(&service(), "fancy-name", r#"{"type":3}"#).await.expect("a reply"), r#"{"value":3}"#);
}

#[tokio::test]
async fn an_absent_option_is_none_and_any_other_absence_is_an_error() {
    let reply = json(&service(), "several", r#"{"name":"Hi","who":{"name":"Bob"}}"#).await;
    assert_eq!(reply.expect("a reply"), r#"{"value":["Hi Bob"]}"#);
    assert_eq!(refused("several", r#"{"who":{"name":"Bob"}}"#).await.code(), motet::Code::InvalidArgument);
    assert_eq!(refused("one", r#"{"name":"a","name":"b"}"#).await.code(), motet::Code::InvalidArgument);
}

#[tokio::test]
async fn arguments_are_taken_by_position_from_an_array() {
    let reply = json(&service(), "several", r#"["Hi",1,{"name":"Bob"}]"#).await;
    assert_eq!(reply.expect("a reply"), r#"{"value":["Hi Bob"]}"#);
}

#[tokio::test]
async fn nothing_is_the_empty_object_and_null_and_no_bytes_are_nothing() {
    for body in ["{}", "null", "", " null\n", r#"{"unknown":1}"#] {
        assert_eq!(json(&service(), "nothing", body).await.expect(body), "{}", "{body:?}");
    }
    for (codec, body) in [(Codec::MSGPACK, &[0xc0][..]), (Codec::MSGPACK, &[0x80]), (Codec::PROTOBUF, &[])] {
        let reply = handle(&service(), "nothing", codec.clone(), body).await.expect("a reply");
        assert_eq!(&reply[..], if codec == Codec::MSGPACK { &[0x80][..] } else { &[] });
    }
    assert!(json(&service(), "nothing", "[1]").await.is_err());
}

#[tokio::test]
async fn arguments_are_a_protobuf_message_numbered_in_their_order() {
    // name = 1: "Hi", times = 2: 1, who = 3: { name = 1: "Bob" }; value = 1: "Hi Bob".
    let body = b"\x0a\x02Hi\x10\x01\x1a\x05\x0a\x03Bob";
    let reply = handle(&service(), "several", Codec::PROTOBUF, body).await.expect("a reply");
    assert_eq!(&reply[..], b"\x0a\x06Hi Bob");
}

#[tokio::test]
async fn constraints_are_checked_before_the_handler() {
    let broken = refused("hello", r#"{"name":"Lovelace"}"#).await;
    assert_eq!(broken.message(), "name: length is above 5");
    let details = broken.details().expect("a BadRequest");
    assert_eq!(details.codec(), &Codec::JSON, "in the call's codec");
    let details: serde_json::Value = serde_json::from_slice(&details.bytes().expect("encodes")).expect("JSON");
    assert_eq!(details["field_violations"][0]["field"], "name");
    assert_eq!(refused("several", r#"{"name":"Hi","who":{"name":""}}"#).await.message(), "who.name: length is below 1");
}

#[tokio::test]
async fn errors_never_quote_what_came() {
    let marker = "xyzzy-secret";
    for codec in [Codec::JSON, Codec::MSGPACK, Codec::PROTOBUF] {
        for body in [
            format!(r#"{{"user":"a","password":{{"{marker}":1}}}}"#),
            format!(r#"{{"user":"a","password":["{marker}"]}}"#),
            format!(r#""{marker}""#),
            marker.to_owned(),
        ] {
            let error = handle(&service(), "secret", codec.clone(), body.as_bytes()).await.expect_err("refused");
            assert!(!format!("{error} {error:?}").contains(marker), "{error}");
        }
    }
}

#[test]
fn the_descriptor_says_it_all() {
    let service = GreeterServer::descriptor();
    assert_eq!((service.name.as_str(), service.version.as_str()), ("greeter", "1.2.0"));
    assert_eq!((service.ident.as_str(), service.proto_name.as_str()), ("Greeter", "greeter.Greeter"));
    assert_eq!(service.docs, "Greets people.\n\nIn many ways.");

    let hello = service.method("hello").expect("hello");
    assert_eq!(hello.docs, "Says hello.");
    assert_eq!(hello.options.timeout_ms, Some(5000));
    assert!(hello.options.idempotent && !hello.options.safe);
    assert_eq!(hello.options.http[0].verb, "POST");
    assert_eq!(hello.arguments[0].name, "req");
    assert_eq!(hello.request["properties"]["name"]["maxLength"], 5);
    assert_eq!(hello.content_type, "application/protobuf");

    let several = service.method("several").expect("several");
    assert_eq!(several.request["required"], json!(["name", "who"]));
    assert_eq!(several.request_shape, motet::core::BodyShape::Arguments);
    assert_eq!(several.reply_shape, motet::core::BodyShape::Value);

    let secret = service.method("secret").expect("secret");
    assert!(!secret.arguments[0].sensitive && secret.arguments[1].sensitive);
    assert_eq!(secret.request["properties"]["password"]["x-sensitive"], true);
    assert_eq!(secret.request["properties"]["user"].get("x-sensitive"), None);

    assert_eq!(service.method("ticks").expect("ticks").kind, motet::Kind::ServerStream);
    assert_eq!(service.method("upload").expect("upload").kind, motet::Kind::ClientStream);
    assert_eq!(service.method("chat").expect("chat").kind, motet::Kind::Bidi);
    assert!(service.method("fancy-name").expect("renamed").options.deprecated);
    assert!(service.check().is_ok());
}

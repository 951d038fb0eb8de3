//! Typed errors: from an enum to a status and back.

use motet::{Code, Codec, RpcError, Status};

use crate::greeter::GreetError;
use crate::support::handle;

fn errors() -> Vec<GreetError> {
    vec![
        GreetError::NameTooLong { length: 50, max: 40 },
        GreetError::Unknown("Eve".into()),
        GreetError::Spent(1, 2),
        GreetError::Asleep,
    ]
}

#[test]
fn a_status_has_code_reason_message_and_details() {
    let status = GreetError::NameTooLong { length: 50, max: 40 }.into_status();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(status.message(), "50 letters are too many, 40 fit");
    assert_eq!(status.reason(), Some("GreetError.NameTooLong"));
    let details = status.details().expect("fields").clone().with_codec(Codec::JSON);
    assert_eq!(&details.bytes().expect("encodes")[..], br#"{"length":50,"max":40}"#);
    assert_eq!(GreetError::Asleep.into_status().details().map(|_| ()), None);
}

#[test]
fn fields_without_names_get_them() {
    let json = |error: GreetError| {
        let details = error.into_status().details().expect("fields").clone().with_codec(Codec::JSON);
        String::from_utf8(details.bytes().expect("encodes").to_vec()).expect("text")
    };
    assert_eq!(json(GreetError::Unknown("Eve".into())), r#"{"value":"Eve"}"#);
    assert_eq!(json(GreetError::Spent(1, 2)), r#"{"item1":1,"item2":2}"#);
}

#[test]
fn every_variant_survives_every_codec() {
    for codec in [Codec::PROTOBUF, Codec::JSON, Codec::MSGPACK] {
        for (error, same) in errors().into_iter().zip(errors()) {
            let mut status = error.into_status();
            if let Some(details) = status.details().cloned() {
                let bytes = details.with_codec(codec.clone()).bytes().expect("encodes");
                status = status.with_details(motet::Payload::encoded(bytes, codec.clone()));
            }
            assert_eq!(GreetError::from_status(status), same);
        }
    }
}

#[test]
fn what_cannot_be_read_is_the_other_variant() {
    let strange = [
        Status::not_found("no reason"),
        Status::not_found("of another type").with_reason("OtherError.Unknown"),
        Status::not_found("no details").with_reason("GreetError.Unknown"),
        Status::not_found("bad details")
            .with_reason("GreetError.Unknown")
            .with_details(motet::Payload::encoded("{", Codec::JSON)),
    ];
    for status in strange {
        assert_eq!(GreetError::from_status(status.clone()), GreetError::Other(status));
    }
}

#[test]
fn with_messages_the_enum_is_a_whole_error_type() {
    let error: Box<dyn std::error::Error> = Box::new(GreetError::from(Status::aborted("again")));
    assert!(error.source().is_some());
    assert_eq!(GreetError::Spent(1, 2).to_string(), "1 of 2 greetings are given");
    let asleep = Status::unavailable("asleep").with_reason("GreetError.Asleep");
    assert_eq!(GreetError::from(asleep), GreetError::Asleep, "`?` finds the variant again");
}

#[derive(Debug, thiserror::Error, motet::RpcError)]
enum Thiserror {
    #[error("no user {id}")]
    #[rpc(code = NotFound)]
    NoUser { id: u64 },
    #[error(transparent)]
    #[rpc(other)]
    Other(#[from] Status),
}

#[test]
fn without_messages_display_is_the_enum_s_own() {
    let status = Thiserror::NoUser { id: 7 }.into_status();
    assert_eq!((status.message(), status.reason()), ("no user 7", Some("Thiserror.NoUser")));
    assert!(matches!(Thiserror::from_status(status), Thiserror::NoUser { id: 7 }));
    assert!(matches!(Thiserror::from(Status::aborted("x")), Thiserror::Other(_)));
}

#[tokio::test]
async fn details_travel_in_the_call_s_codec() {
    let service = crate::greeter::GreeterServer::new(crate::greeter::Me).into_service().expect("good");
    for (codec, body, details) in [
        (Codec::JSON, &br#"{"name":"spent"}"#[..], &br#"{"item1":3,"item2":4}"#[..]),
        (Codec::PROTOBUF, b"\x0a\x05spent", b"\x08\x03\x10\x04"),
        (Codec::MSGPACK, b"\x81\xa4name\xa5spent", b"\x82\xa5item1\x03\xa5item2\x04"),
    ] {
        let status = handle(&service, "hello", codec.clone(), body).await.expect_err("spent");
        let sent = status.details().expect("fields");
        assert_eq!((sent.codec(), &sent.bytes().expect("encodes")[..]), (&codec, details));
    }
}

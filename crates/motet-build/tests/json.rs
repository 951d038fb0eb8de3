//! Generated messages speak proto3's JSON as another implementation does, and MessagePack.
#![expect(clippy::disallowed_types, reason = "maps of prost are those of std")]

use std::collections::HashMap;

use motet::proto::{prost::Message, prost_types};
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde_json::{Value, json};

include!("generated/shop.rs");

use acme::common::{Money, Tone};
use acme::shop::v1::{
    CartServer, Color, Everything,
    everything::{Choice, Inner, inner},
};

fn full() -> Everything {
    let inner = Inner {
        text: "in".into(),
        deep: inner::Deep::Deep.into(),
        nested: Some(inner::Nested { kind: Some(inner::nested::Kind::B("b".into())) }),
    };
    let field = |kind| prost_types::Value { kind: Some(kind) };
    let list = prost_types::ListValue {
        values: vec![
            field(prost_types::value::Kind::NullValue(0)),
            field(prost_types::value::Kind::NumberValue(1.5)),
            field(prost_types::value::Kind::BoolValue(true)),
        ],
    };
    let object = prost_types::Struct {
        fields: [("a".to_owned(), field(prost_types::value::Kind::ListValue(list.clone())))].into_iter().collect(),
    };
    Everything {
        int32_value: -1,
        int64_value: i64::MIN,
        uint32_value: u32::MAX,
        uint64_value: u64::MAX,
        sint32_value: -2,
        sint64_value: -3,
        fixed32_value: 4,
        fixed64_value: 5,
        sfixed32_value: -6,
        sfixed64_value: -7,
        float_value: f32::INFINITY,
        double_value: 1.5e300,
        bool_value: true,
        string_value: "ß\"".into(),
        bytes_value: vec![0, 255, 254],
        color: Color::Negative.into(),
        inner: Some(inner.clone()),
        maybe_number: Some(0),
        maybe_text: Some(String::new()),
        maybe_color: Some(Color::Red.into()),
        numbers: vec![1, -1],
        inners: vec![inner.clone(), Inner::default()],
        colors: vec![0, 1, 99],
        blobs: vec![vec![1], vec![]],
        by_name: HashMap::from([("a".to_owned(), 1)]),
        by_number: HashMap::from([(-5, inner)]),
        by_truth: HashMap::from([(true, 1)]),
        at: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 120_000_000 }),
        took: Some(prost_types::Duration { seconds: -1, nanos: -500_000_000 }),
        object: Some(object.clone()),
        value: Some(field(prost_types::value::Kind::StructValue(object))),
        list: Some(list),
        mask: Some(prost_types::FieldMask { paths: vec!["user.display_name".into(), "photo".into()] }),
        empty: Some(()),
        wrapped_bool: Some(false),
        wrapped_bytes: Some(vec![7]),
        wrapped_double: Some(0.25),
        wrapped_float: Some(0.5),
        wrapped_int32: Some(0),
        wrapped_int64: Some(i64::MAX),
        wrapped_string: Some("w".into()),
        wrapped_uint32: Some(3),
        wrapped_uint64: Some(4),
        again: Some(Box::new(Everything { int32_value: 7, ..Everything::default() })),
        price: Some(Money { currency: "EUR".into(), cents: 199 }),
        tone: Tone::Formal.into(),
        renamed: "r".into(),
        r#type: "t".into(),
        self_: true,
        http_header: "h".into(),
        deep: inner::Deep::Deep.into(),
        choice: Some(Choice::Id(9)),
        any: None,
    }
}

fn pool() -> DescriptorPool {
    let descriptor = CartServer::descriptor();
    DescriptorPool::decode(&descriptor.protobuf[..]).expect("the files behind the service")
}

/// The JSON of another implementation.
fn theirs(message: &Everything) -> Value {
    let described = pool().get_message_by_name("acme.shop.v1.Everything").expect("declared");
    let dynamic = DynamicMessage::decode(described, &message.encode_to_vec()[..]).expect("the same bytes");
    let options = SerializeOptions::new();
    dynamic.serialize_with_options(serde_json::value::Serializer, &options).expect("JSON")
}

fn ours(message: &Everything) -> Value {
    serde_json::to_value(message).expect("JSON")
}

/// Messages are compared as bytes, in which NaN is itself; their maps have one entry each.
#[track_caller]
fn same(a: &Everything, b: &Everything) {
    assert_eq!(a.encode_to_vec(), b.encode_to_vec(), "{a:?}\n{b:?}");
}

#[test]
fn json_is_that_of_another_implementation_and_read_by_it() {
    let choices = [
        None,
        Some(Choice::Name(String::new())),
        Some(Choice::Id(0)),
        Some(Choice::InnerChoice(Inner::default())),
        Some(Choice::ColorChoice(1)),
        Some(Choice::BlobChoice(vec![251, 255])),
        Some(Choice::NullChoice(0)),
        Some(Choice::MoneyChoice(Money { currency: "X".into(), cents: -1 })),
    ];
    for choice in choices {
        for message in [Everything { choice: choice.clone(), ..full() }, Everything { choice, ..Everything::default() }]
        {
            let json = ours(&message);
            assert_eq!(json, theirs(&message));
            same(&serde_json::from_value(json.clone()).expect("its own"), &message);
            let described = pool().get_message_by_name("acme.shop.v1.Everything").expect("declared");
            let read = DynamicMessage::deserialize(described, json).expect("what proto3 says");
            assert_eq!(
                read.transcode_to::<Everything>().expect("the same message").encode_to_vec(),
                message.encode_to_vec()
            );
        }
    }
}

#[test]
fn numbers_that_json_does_not_have_are_text() {
    let message =
        Everything { float_value: f32::NEG_INFINITY, wrapped_double: Some(f64::NAN), ..Everything::default() };
    let json = ours(&message);
    assert_eq!(json, json!({"floatValue": "-Infinity", "wrappedDouble": "NaN"}));
    same(&serde_json::from_value(json).expect("its own"), &message);
}

#[test]
fn messagepack_has_numbers_and_bytes_as_they_are() {
    let method = motet::core::MessageType::<Everything>::proto_with_serde();
    let mut out = Default::default();
    method.encode(&full(), &motet::Codec::MSGPACK, &mut out).expect("encodes");
    let bytes = out.freeze();
    same(&method.decode(&motet::Codec::MSGPACK, &bytes).expect("its own"), &full());
    assert!(bytes.windows(5).any(|at| at == [0xc4, 3, 0, 255, 254]), "bytes are bin");
}

fn read(json: Value) -> Result<Everything, String> {
    serde_json::from_value(json).map_err(|error| error.to_string())
}

#[test]
fn what_the_mapping_allows_is_read() {
    let expected = Everything {
        int32_value: 100,
        int64_value: 5,
        uint64_value: 7,
        double_value: f64::NEG_INFINITY,
        bytes_value: vec![251, 255],
        color: 1,
        colors: vec![1, -1],
        numbers: vec![1, 2],
        by_number: HashMap::from([(3, Inner::default())]),
        at: Some(prost_types::Timestamp { seconds: 0, nanos: 0 }),
        value: Some(prost_types::Value { kind: Some(prost_types::value::Kind::NullValue(0)) }),
        ..Everything::default()
    };
    let read = read(json!({
        "int32_value": 1e2, "int64Value": 5, "uint64Value": "7.0", "doubleValue": "-Infinity",
        "bytesValue": "-_8", "color": "COLOR_LIME", "colors": [1, "COLOR_NEGATIVE"], "numbers": ["1", 2],
        "byNumber": {"3": {}}, "at": "1970-01-01T01:00:00+01:00", "value": null, "inner": null, "stringValue": null,
        "choice": null, "unknown": {"is": "passed over"},
    }));
    same(&read.expect("proto3 JSON"), &expected);
}

#[test]
fn what_the_mapping_forbids_is_refused_without_being_quoted() {
    for (json, problem) in [
        (json!({"int32Value": 2147483648_i64}), "does not fit"),
        (json!({"int32Value": 1.5}), "no a 32-bit integer"),
        (json!({"int32Value": "MARKER"}), "text"),
        (json!({"int32Value": " 1"}), "text"),
        (json!({"uint32Value": -1}), "does not fit"),
        (json!({"floatValue": 1e39}), "too large"),
        (json!({"doubleValue": "inf"}), "no number"),
        (json!({"bytesValue": "MARKER!"}), "base64"),
        (json!({"color": "MARKER"}), "name"),
        (json!({"numbers": [null]}), "null"),
        (json!({"byName": {"MARKER": null}}), "null"),
        (json!({"byNumber": {"MARKER": {}}}), "key"),
        (json!({"name": "a", "id": "1"}), "oneof"),
        (json!({"at": "MARKER"}), "time"),
        (json!({"at": "2026-11-21"}), "time"),
        (json!({"at": "10000-01-01T00:00:00Z"}), "time"),
        (json!({"took": "1"}), "duration"),
        (json!({"took": "315576000001s"}), "duration"),
        (json!({"mask": "a_b"}), "lowerCamel"),
        (json!({"any": {"value": 1}}), "@type"),
        (json!({"inner": []}), "Inner"),
    ] {
        let error = read(json.clone()).expect_err(&json.to_string());
        assert!(error.contains(problem), "{json}: {error}");
        assert!(!error.contains("MARKER"), "{error}");
    }
    let early =
        Everything { at: Some(prost_types::Timestamp { seconds: -62_135_596_801, nanos: 0 }), ..Everything::default() };
    assert!(serde_json::to_string(&early).is_err(), "year 0 has no form");
}

#[test]
fn an_any_holds_protobuf_s_own_types_as_json_and_others_as_base64() {
    let any = |type_url: &str, value: Vec<u8>| Everything {
        any: Some(prost_types::Any { type_url: type_url.to_owned(), value }),
        ..Everything::default()
    };
    let duration = prost_types::Duration { seconds: 3, nanos: 0 };
    for (message, json) in [
        (any("type.googleapis.com/google.protobuf.Duration", duration.encode_to_vec()), json!("3s")),
        (any("type.googleapis.com/google.protobuf.Int64Value", 5_i64.encode_to_vec()), json!("5")),
        (any("type.googleapis.com/acme.common.Money", vec![8, 1]), json!("CAE=")),
    ] {
        let written = ours(&message);
        assert_eq!(written["any"]["value"], json);
        same(&read(written).expect("its own"), &message);
    }
}

#[test]
fn a_descriptor_names_the_file_s_names_routes_and_schemas() {
    let service = CartServer::descriptor();
    assert_eq!((&*service.name, &*service.proto_name), ("acme.shop.v1.Cart", "acme.shop.v1.Cart"));
    let names: Vec<_> = service.methods.iter().map(|method| (&*method.name, method.proto_path())).collect();
    assert_eq!(names[0], ("add_item", "acme.shop.v1.Cart/AddItem"));
    assert_eq!(names[7..], [("new", "acme.shop.v1.Cart/New"), ("match", "acme.shop.v1.Cart/Match")]);
    let routes: Vec<_> =
        service.methods[0].options.http.iter().map(|route| format!("{} {}", route.verb, route.path)).collect();
    assert_eq!(routes, ["POST /v1/carts/{name}/items", "PUT /v1/items"]);
    assert!(
        service.methods[1].options.safe
            && service.methods[3].options.deprecated
            && service.methods[5].options.idempotent
    );
    let schema = &service.methods[0].request;
    assert_eq!(schema["properties"]["int64Value"]["type"], json!(["string", "integer"]));
    assert_eq!(schema["properties"]["color"]["enum"][3], "COLOR_NEGATIVE");
    assert_eq!(schema["$defs"]["Inner"]["properties"]["text"]["type"], "string");
    assert_eq!(service.methods[6].request["properties"]["value"]["type"], "string");
    assert_eq!(service.methods[6].reply["properties"]["value"]["type"], "integer");
    service.check().expect("every body is an object");
    // The options of the file are there for those who know them.
    let pool = pool();
    let http = pool.get_extension_by_name("google.api.http").expect("imported");
    let method = pool.get_service_by_name("acme.shop.v1.Cart").expect("declared").methods().next().expect("a method");
    assert!(method.options().has_extension(&http));
}

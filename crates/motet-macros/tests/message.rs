//! What `#[motet::message]` makes of a type: bytes, schema, checks and `Debug`.

use std::collections::BTreeMap;

use bytes::BytesMut;
use motet_core::validate::{Report, Validate};
use motet_core::{__private::serde, Message};
use motet_macros::message;
use motet_protobuf::{Card, Describe, Error, FieldType, Leaf, MessageDesc, MessageKind, Scalar, Shape};

/// Who lives where.
#[message(crate = "motet_core")]
#[derive(Clone, PartialEq, Debug, Default)]
struct Person {
    /// The full name.
    ///
    /// As in the passport.
    #[garde(length(min = 1, max = 10))]
    name: String,
    #[garde(range(min = 0, max = 150))]
    age: u8,
    #[motet(zigzag)]
    height: i32,
    #[motet(fixed)]
    id: u64,
    address: Option<Address>,
    friends: Vec<Person>,
    photo: Vec<u8>,
    thumbnail: Option<Vec<u8>>,
    key: [u8; 4],
    #[motet(tag = 20)]
    labels: BTreeMap<String, Address>,
    color: Color,
}

#[message(crate = "motet_core")]
#[derive(Clone, PartialEq, Debug, Default)]
#[serde(rename_all = "camelCase")]
struct Address {
    #[garde(length(min = 3))]
    street_name: String,
    #[serde(skip)]
    cached: Option<std::thread::ThreadId>,
    #[serde(rename = "zip")]
    #[garde(pattern("^[0-9]{5}$"))]
    postal_code: Option<String>,
}

/// A color.
#[message(crate = "motet_core")]
#[derive(Clone, Copy, PartialEq, Debug, Default)]
enum Color {
    #[default]
    Red,
    /// Like grass.
    Green,
    Blue = 7,
    #[motet(other)]
    Unknown,
}

#[message(crate = "motet_core")]
#[derive(Clone, PartialEq, Debug)]
enum Event {
    Named {
        name: String,
        times: u32,
    },
    Person(Person),
    Pair(String, i64),
    #[motet(tag = 9)]
    Count(#[motet(fixed)] u32),
    Bytes(Vec<u8>),
    Nothing,
}

#[message(crate = "motet_core")]
#[derive(Clone, PartialEq, Debug)]
struct Page<T> {
    items: Vec<T>,
    next: Option<T>,
}

#[message(crate = "motet_core")]
#[derive(Clone, Copy, PartialEq, Debug)]
struct UserId(#[motet(fixed)] u64);

#[message(crate = "motet_core")]
#[derive(Clone, PartialEq, Debug)]
struct Names(Vec<String>);

#[message(crate = "motet_core")]
#[derive(Clone, PartialEq)]
struct Login {
    user: String,
    #[motet(sensitive)]
    #[garde(length(min = 8))]
    password: String,
    pin: Pin,
}

#[message(crate = "motet_core")]
#[derive(Clone, PartialEq)]
struct Pin(#[motet(sensitive)] u32);

#[message(crate = "motet_core")]
#[derive(Clone, PartialEq, Debug)]
struct Mixed {
    user: UserId,
    users: Vec<UserId>,
    names: Names,
    pair: (String, u32),
    nothing: (),
    #[motet(shape = "u64")]
    #[serde(with = "seconds")]
    timeout: std::time::Duration,
    #[serde(skip_serializing)]
    old: u32,
    last: u32,
}

mod seconds {
    use std::time::Duration;

    use super::serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(value.as_secs())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_secs)
    }
}

#[message(crate = "motet_core")]
#[derive(Default)]
struct Rules {
    #[garde(ascii, length(max = 5))]
    ascii: String,
    #[garde(alphanumeric)]
    alphanumeric: Option<String>,
    #[garde(email)]
    email: Option<String>,
    #[garde(url)]
    url: Option<String>,
    #[garde(ipv4)]
    ip: Option<String>,
    #[garde(contains("@"))]
    contains: Option<String>,
    #[garde(prefix("a.b"))]
    prefix: Option<String>,
    #[garde(suffix("z"))]
    suffix: Option<String>,
    #[garde(required)]
    required: Option<u32>,
    #[garde(inner(length(min = 2)), length(max = 3))]
    inner: Vec<String>,
    #[garde(skip)]
    skipped: Address,
    #[garde(range(min = 0.5))]
    ratio: Option<f64>,
}

#[message(crate = "motet_core")]
#[derive(Clone, PartialEq, Debug)]
enum Command {
    Go(u32),
    #[motet(other)]
    Unknown,
}

#[message(crate = "motet_core")]
#[derive(Clone, PartialEq)]
enum Secret<T> {
    Token(#[motet(sensitive)] T),
    Plain { name: T },
}

#[message(crate = "motet_core")]
#[derive(Clone, PartialEq, Debug)]
struct Ping;

#[message(crate = "motet_core")]
#[derive(Clone, PartialEq, Debug)]
struct Raw {
    r#type: String,
    ping: Ping,
    wrapped: Wrapped,
    third: Third,
}

#[message(crate = "motet_core")]
#[derive(Clone, PartialEq, Debug)]
#[serde(transparent)]
struct Wrapped {
    value: Vec<Ping>,
}

#[message(crate = "motet_core")]
#[derive(Clone, PartialEq, Debug)]
struct Third(u32, #[serde(skip)] (), String);

fn encode<T: serde::Serialize + Shape>(value: &T) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    motet_protobuf::encode(value, &mut bytes).expect("the macro's descriptor fits");
    bytes.to_vec()
}

#[track_caller]
fn round<T: serde::Serialize + serde::de::DeserializeOwned + Shape + PartialEq + std::fmt::Debug>(value: &T) {
    let bytes = encode(value);
    assert_eq!(&motet_protobuf::decode::<T>(&bytes).expect("what was written"), value);
    let json = serde_json::to_string(value).expect("JSON");
    assert_eq!(&serde_json::from_str::<T>(&json).expect("what was written"), value);
}

fn violations(value: &impl Validate) -> Vec<(String, String)> {
    let mut report = Report::default();
    value.validate(&mut report);
    report.violations().iter().map(|violation| (violation.field.clone(), violation.rule.clone())).collect()
}

fn person() -> Person {
    Person {
        name: "Ada".into(),
        age: 36,
        height: -5,
        id: 7,
        address: Some(Address { street_name: "Main".into(), ..Address::default() }),
        friends: vec![Person { name: "Bob".into(), ..Person::default() }],
        photo: vec![0, 255, 3],
        thumbnail: Some(Vec::new()),
        key: [1, 2, 3, 4],
        labels: BTreeMap::from([("home".into(), Address { street_name: "Side".into(), ..Address::default() })]),
        color: Color::Blue,
    }
}

#[test]
fn every_kind_of_type_survives_protobuf_and_json() {
    round(&person());
    round(&Person::default());
    for event in [
        Event::Named { name: "x".into(), times: 0 },
        Event::Person(person()),
        Event::Pair(String::new(), -1),
        Event::Count(0),
        Event::Bytes(vec![1, 2]),
        Event::Nothing,
    ] {
        round(&event);
        round(&Page { items: vec![event.clone(), event.clone()], next: Some(event) });
    }
    round(&Page { items: vec![1_u32, 0, 300], next: None });
    round(&Newer { user: UserId(0), last: 4 });
}

#[message(crate = "motet_core")]
#[derive(Clone, PartialEq, Debug)]
struct Newer {
    user: UserId,
    #[motet(tag = 8)]
    last: u32,
}

#[test]
fn structs_of_every_form_survive_protobuf_and_json() {
    let wrapped = Wrapped { value: vec![Ping, Ping] };
    round(&Raw { r#type: "x".into(), ping: Ping, wrapped, third: Third(1, (), "y".into()) });
    assert_eq!(<Raw as Describe>::FIELDS[0].name(), "type");
    assert_eq!(<Third as Describe>::FIELDS.len(), 2);
}

#[test]
fn a_oneof_with_a_catch_all_takes_in_what_is_absent_or_unknown() {
    for bytes in [&b""[..], b"\x78\x01"] {
        assert_eq!(motet_protobuf::decode::<Command>(bytes).expect("valid"), Command::Unknown);
    }
    round(&Command::Unknown);
    round(&Command::Go(0));
}

#[test]
fn sensitive_values_of_a_generic_enum_are_not_shown() {
    assert_eq!(format!("{:?}", Secret::Token("hunter2".to_owned())), "Token(<sensitive>)");
    assert_eq!(format!("{:?}", Secret::Plain { name: 1 }), "Plain { name: 1 }");
}

#[test]
fn fields_are_numbered_in_the_order_of_declaration() {
    let numbers: Vec<_> = Person::MESSAGE.fields().iter().map(|field| (field.name(), field.number())).collect();
    assert_eq!(numbers[..3], [("name", 1), ("age", 2), ("height", 3)]);
    assert_eq!(numbers[9..], [("labels", 20), ("color", 21)]);
}

#[test]
fn a_skipped_field_has_no_number_and_names_are_serdes() {
    let names: Vec<_> =
        Address::MESSAGE.fields().iter().map(|field| (field.name(), field.json_name(), field.number())).collect();
    assert_eq!(names, [("street_name", "streetName", 1), ("postal_code", "zip", 2)]);
}

#[test]
fn a_field_that_is_not_written_is_still_read() {
    let mixed = Mixed {
        user: UserId(1),
        users: vec![UserId(2)],
        names: Names(vec!["a".into()]),
        pair: ("p".into(), 9),
        nothing: (),
        timeout: std::time::Duration::from_secs(3),
        old: 5,
        last: 4,
    };
    let mut bytes = encode(&mixed);
    let read: Mixed = motet_protobuf::decode(&bytes).expect("valid");
    assert_eq!(read, Mixed { old: 0, ..mixed.clone() });
    bytes.extend([7 << 3, 6]);
    let read: Mixed = motet_protobuf::decode(&bytes).expect("valid");
    assert_eq!(read, Mixed { old: 6, ..mixed });
}

#[test]
fn encodings_and_bytes_reach_the_wire() {
    let bytes = encode(&Newer { user: UserId(1), last: 2 });
    assert_eq!(bytes, [1 << 3 | 1, 1, 0, 0, 0, 0, 0, 0, 0, 8 << 3, 2]);
    let person = Person { height: -1, photo: vec![9], key: [0; 4], ..Person::default() };
    assert_eq!(
        encode(&person),
        [3 << 3, 1, 4 << 3 | 1, 0, 0, 0, 0, 0, 0, 0, 0]
            .iter()
            .copied()
            .take(2)
            .chain([7 << 3 | 2, 1, 9, 9 << 3 | 2, 4, 0, 0, 0, 0])
            .collect::<Vec<_>>()
    );
    assert_eq!(encode(&Event::Count(1)), [9 << 3 | 5, 1, 0, 0, 0]);
}

#[test]
fn documentation_reaches_the_descriptor() {
    assert_eq!(Person::MESSAGE.doc(), "Who lives where.");
    assert_eq!(Person::MESSAGE.fields()[0].doc(), "The full name.\n\nAs in the passport.");
    let Leaf::Enum(color) = <Color as Shape>::TYPE.leaf() else { panic!("an enum") };
    assert_eq!((color().name(), color().doc()), ("Color", "A color."));
    assert_eq!(color().variants()[1].doc(), "Like grass.");
    assert_eq!(Person::MESSAGE.module(), module_path!());
}

#[test]
fn discriminants_number_an_enum_and_the_rest_counts_on() {
    let Leaf::Enum(color) = <Color as Shape>::TYPE.leaf() else { panic!("an enum") };
    let numbers: Vec<_> = color().variants().iter().map(|variant| variant.number()).collect();
    assert_eq!(numbers, [0, 1, 7, 8]);
    assert_eq!(color().other().map(|variant| variant.name()), Some("Unknown"));
}

#[test]
fn an_unknown_variant_reads_as_the_catch_all_in_every_codec() {
    let read: Person = motet_protobuf::decode(&[21 << 3 & 0x7f | 0x80, 1, 99]).expect("valid");
    assert_eq!(read.color, Color::Unknown);
    assert_eq!(serde_json::from_str::<Color>("\"Mauve\"").expect("valid"), Color::Unknown);
}

fn event() -> &'static MessageDesc {
    <Event as Describe>::MESSAGE
}

#[test]
fn an_enum_with_data_is_a_message_holding_a_oneof() {
    assert_eq!(event().kind(), MessageKind::Oneof);
    let numbers: Vec<_> = event().fields().iter().map(|field| field.number()).collect();
    assert_eq!(numbers, [1, 2, 3, 9, 10, 11]);
    let Leaf::Message(named) = event().fields()[0].ty().leaf() else { panic!("a message") };
    assert_eq!((named().name(), named().fields().len()), ("EventNamed", 2));
}

#[test]
fn generic_arguments_stand_in_the_descriptor() {
    let [argument] = <Page<u32> as Describe>::MESSAGE.arguments() else { panic!("one argument") };
    assert!(matches!(argument.leaf(), Leaf::Scalar(Scalar::Uint32)));
    assert_eq!(<Page<u32> as Describe>::MESSAGE.fields()[0].ty().card(), Card::List);
}

#[test]
fn structs_with_fields_are_bodies_by_themselves() {
    fn is_message<T: Message>() {}
    is_message::<Person>();
    is_message::<Page<u32>>();
    let ty: FieldType = <Person as Shape>::TYPE;
    assert!(ty.is_message());
}

#[test]
fn sensitive_values_are_not_shown() {
    let login = Login { user: "ada".into(), password: "hunter2".into(), pin: Pin(1234) };
    assert_eq!(format!("{login:?}"), r#"Login { user: "ada", password: <sensitive>, pin: Pin(<sensitive>) }"#);
    assert!(Login::MESSAGE.fields()[1].is_sensitive());
    assert!(Login::MESSAGE.fields()[2].is_sensitive(), "a sensitive type makes its fields sensitive");
    assert!(!Login::MESSAGE.fields()[0].is_sensitive());
}

#[test]
fn sensitive_values_are_marked_in_the_schema() {
    let schema = schema::<Login>();
    let password = &schema["properties"]["password"];
    assert_eq!((&password["x-sensitive"], &password["writeOnly"]), (&true.into(), &true.into()));
    assert_eq!(schema["$defs"]["Pin"]["x-sensitive"], true);
    assert_eq!(schema["properties"]["user"].get("x-sensitive"), None);
}

fn schema<T: motet_core::__private::schemars::JsonSchema>() -> serde_json::Value {
    motet_core::__private::schemars::SchemaGenerator::default().into_root_schema_for::<T>().to_value()
}

#[test]
fn a_value_that_keeps_its_rules_has_no_violations() {
    assert_eq!(violations(&person()), []);
}

#[test]
fn violations_name_the_path_and_the_rule() {
    let mut person = person();
    person.name = String::new();
    person.age = 200;
    person.address = Some(Address { street_name: "M".into(), postal_code: Some("x".into()), cached: None });
    person.friends[0].friends = vec![Person { name: "far too long a name".into(), ..Person::default() }];
    let expected = [
        ("name", "length"),
        ("age", "range"),
        ("address.streetName", "length"),
        ("address.zip", "pattern"),
        ("friends[0].friends[0].name", "length"),
    ];
    let found = violations(&person);
    assert_eq!(found, expected.map(|(field, rule)| (field.to_owned(), rule.to_owned())));
    let page = Page { items: vec![Event::Person(person)], next: None };
    assert_eq!(violations(&page)[0].0, "items[0].Person.name");
}

#[test]
fn every_rule_is_checked() {
    let broken = Rules {
        ascii: "äääääää".into(),
        alphanumeric: Some("-".into()),
        email: Some("a".into()),
        url: Some("a".into()),
        ip: Some("::1".into()),
        contains: Some("a".into()),
        prefix: Some("axb".into()),
        suffix: Some("a".into()),
        required: None,
        inner: vec!["ab".into(), "a".into()],
        skipped: Address::default(),
        ratio: Some(0.1),
    };
    let found: Vec<_> = violations(&broken).into_iter().map(|(field, rule)| format!("{field} {rule}")).collect();
    let expected = [
        "ascii ascii",
        "ascii length",
        "alphanumeric alphanumeric",
        "email email",
        "url url",
        "ip ipv4",
        "contains contains",
        "prefix prefix",
        "suffix suffix",
        "required required",
        "inner[1] length",
        "ratio range",
    ];
    assert_eq!(found, expected);
    assert_eq!(violations(&Rules { required: Some(0), ..Rules::default() }), []);
}

#[test]
fn every_rule_stands_in_the_schema() {
    let schema = schema::<Rules>();
    let property = |name: &str| &schema["properties"][name];
    assert_eq!(property("ascii")["pattern"], r"^[\x00-\x7F]*$");
    assert_eq!(property("ascii")["maxLength"], 5);
    assert_eq!(property("alphanumeric")["pattern"], r"^[\p{Alphabetic}\p{N}]*$");
    assert_eq!(property("email")["format"], "email");
    assert_eq!(property("url")["format"], "uri");
    assert_eq!(property("ip")["format"], "ipv4");
    assert_eq!(property("contains")["pattern"], "@");
    assert_eq!(property("prefix")["pattern"], r"^a\.b");
    assert_eq!(property("suffix")["pattern"], "z$");
    assert!(schema["required"].as_array().expect("a list").contains(&"required".into()));
    assert_eq!(property("inner")["maxItems"], 3);
    assert_eq!(property("inner")["items"]["minLength"], 2);
    assert_eq!(property("ratio")["minimum"], 0.5);
}

#[test]
fn decode_errors_name_the_path_and_not_the_input() {
    let error: Error = motet_protobuf::decode::<Person>(b"\x2a\x09\x0a\x07hunter\xff").expect_err("not UTF-8");
    assert_eq!(error.to_string(), "address.streetName: expected a string in UTF-8");
}

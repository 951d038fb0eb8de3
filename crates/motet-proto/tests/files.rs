//! Files of services: what reflection asks of them.

use std::{collections::BTreeMap, sync::Arc};

use motet::prelude::*;
use motet::{Plain, Router, ServiceDescriptor};
use motet_proto::{Files, file_descriptor_set};
use prost_reflect::{DescriptorPool, Kind};

mod other {
    /// A pet of another shop.
    #[motet::message]
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Pet {
        Fish,
    }
}

/// Somebody.
#[motet::message]
#[derive(Clone)]
struct Person {
    /// The full name.
    name: String,
    age: Option<u8>,
    #[motet(sensitive)]
    password: Option<String>,
    pets: Vec<Pet>,
    friends: Vec<Person>,
    by_name: BTreeMap<String, Pet>,
    fish: other::Pet,
    place: (f64, f64),
}

#[motet::message]
#[derive(Clone, Debug)]
enum Pet {
    Cat,
    Dog { name: String },
    Horse(Color),
}

#[motet::message]
#[derive(Clone, Copy, Debug)]
enum Color {
    #[motet(tag = 3)]
    DarkRed,
    #[motet(tag = 0)]
    Green,
}

#[motet::message]
struct Page<T> {
    items: Vec<T>,
}

/// Greets people.
#[motet::service(name = "greeter", version = "1.2.0")]
trait Greeter {
    /// Says hello.
    ///
    /// To everybody.
    #[method(idempotent)]
    async fn hello(&self, cx: &Context, req: Person) -> Result<Person>;
    async fn several(&self, cx: &Context, name: String, times: Option<u32>) -> Result<Vec<String>>;
    #[method(safe)]
    async fn ticks(&self, cx: &Context, count: u64) -> Result<Streaming<u64>>;
    async fn upload(&self, cx: &Context, parts: Streaming<Person>) -> Result<u64>;
    async fn chat(&self, cx: &Context, lines: Streaming<String>) -> Result<Streaming<String>>;
    async fn nothing(&self, cx: &Context) -> Result<()>;
    async fn pages(&self, cx: &Context, people: Page<Person>) -> Result<Page<Color>>;
    async fn plain(&self, cx: &Context, any: Plain<serde_json::Value>) -> Result<()>;
}

fn greeter() -> Arc<ServiceDescriptor> {
    Arc::new(GreeterServer::descriptor())
}

#[test]
fn a_trait_is_a_protobuf_service() {
    let files = Files::of(&[greeter()]).expect("one service");
    assert_eq!(files.services().collect::<Vec<_>>(), ["greeter.Greeter"]);
    assert_eq!(
        files.names().collect::<Vec<_>>(),
        ["google/protobuf/empty.proto", "google/protobuf/struct.proto", "greeter.proto"],
        "imports first"
    );
    let pool = DescriptorPool::decode(files.set()).expect("what protobuf allows");
    let service = pool.get_service_by_name("greeter.Greeter").expect("there");
    let methods: Vec<_> = service
        .methods()
        .map(|method| {
            let arrow = match (method.is_client_streaming(), method.is_server_streaming()) {
                (false, false) => "->",
                (true, false) => "*->",
                (false, true) => "->*",
                (true, true) => "*->*",
            };
            let (input, output) = (method.input(), method.output());
            format!("{} {} {arrow} {}", method.name(), input.full_name(), output.full_name())
        })
        .collect();
    assert_eq!(
        methods,
        [
            "Hello greeter.Person -> greeter.Person",
            "Several greeter.SeveralRequest -> greeter.ValueListString",
            "Ticks greeter.TicksRequest ->* greeter.ValueUint64",
            "Upload greeter.Person *-> greeter.ValueUint64",
            "Chat greeter.ValueString *->* greeter.ValueString",
            "Nothing google.protobuf.Empty -> google.protobuf.Empty",
            "Pages greeter.PagePerson -> greeter.PageColor",
            "Plain google.protobuf.Struct -> google.protobuf.Empty",
        ]
    );
}

#[test]
fn messages_have_the_fields_of_their_types() {
    let pool = DescriptorPool::decode(file_descriptor_set(&[greeter()]).expect("valid")).expect("valid");
    let fields = |name: &str| {
        let message = pool.get_message_by_name(name).expect(name);
        let described = message.fields().map(|field| {
            let kind = match field.kind() {
                Kind::Message(message) => message.full_name().to_owned(),
                Kind::Enum(item) => item.full_name().to_owned(),
                scalar => format!("{scalar:?}"),
            };
            let card = match (field.is_map(), field.is_list(), field.supports_presence()) {
                (true, ..) => "map ",
                (_, true, _) => "list ",
                (.., true) => "optional ",
                _ => "",
            };
            format!("{} {} {card}{kind}", field.number(), field.name())
        });
        described.collect::<Vec<_>>()
    };
    assert_eq!(
        fields("greeter.Person"),
        [
            "1 name string",
            "2 age optional uint32",
            "3 password optional string",
            "4 pets list greeter.Pet",
            "5 friends list greeter.Person",
            "6 by_name map greeter.Person.ByNameEntry",
            "7 fish greeter.OtherPet",
            "8 place optional greeter.TupleDoubleDouble",
        ]
    );
    assert_eq!(
        fields("greeter.Pet"),
        ["1 cat optional google.protobuf.Empty", "2 dog optional greeter.PetDog", "3 horse optional greeter.Color"]
    );
    let oneofs = pool.get_message_by_name("greeter.Pet").expect("there");
    assert_eq!(oneofs.oneofs().map(|oneof| oneof.name().to_owned()).collect::<Vec<_>>(), ["kind"]);
    let color = pool.get_enum_by_name("greeter.Color").expect("there");
    let values: Vec<_> = color.values().map(|value| (value.name().to_owned(), value.number())).collect();
    assert_eq!(values, [("COLOR_GREEN".to_owned(), 0), ("COLOR_DARK_RED".to_owned(), 3)], "zero comes first");
}

#[test]
fn a_descriptor_that_was_fetched_gives_the_same_files() {
    let json = serde_json::to_string(&*greeter()).expect("plain data");
    let fetched: ServiceDescriptor = serde_json::from_str(&json).expect("what was written");
    assert_eq!(fetched, *greeter());
    assert_eq!(file_descriptor_set(&[Arc::new(fetched)]), file_descriptor_set(&[greeter()]));
    let broken = json.replace("\"protobuf\":\"", "\"protobuf\":\"*");
    assert!(serde_json::from_str::<ServiceDescriptor>(&broken).expect_err("no base64").to_string().contains("base64"));
}

#[test]
fn symbols_and_imports_are_found() {
    let files = Files::of(&[greeter()]).expect("one service");
    for symbol in [
        "greeter.Greeter",
        "greeter.Greeter.Hello",
        "greeter.Person",
        ".greeter.Person.name",
        "greeter.Person.ByNameEntry",
        "greeter.Pet.kind",
        "greeter.COLOR_GREEN",
    ] {
        assert_eq!(files.file_with_symbol(symbol), Some("greeter.proto"), "{symbol}");
    }
    assert_eq!(files.file_with_symbol("google.protobuf.Value"), Some("google/protobuf/struct.proto"));
    assert_eq!(files.file_with_symbol("greeter.Nobody"), None);
    assert!(files.file("nobody.proto").is_none() && files.with_imports("nobody.proto").is_none());
    let all = files.with_imports("greeter.proto").expect("there");
    assert_eq!((all.len(), Some(&all[0])), (3, files.file("greeter.proto")));
    assert_eq!(files.extension_numbers("greeter.Person"), Some(Vec::new()));
    assert_eq!(files.extension_numbers("greeter.Nobody"), None);
}

#[test]
fn what_cannot_be_one_set_is_refused_by_name() {
    let mut other = (*greeter()).clone();
    other.protobuf = other.protobuf.slice(..other.protobuf.len() - 3);
    let error = Files::of(&[Arc::new(other)]).expect_err("cut off");
    assert!(error.message().contains("service greeter"), "{error}");
    let mut renamed = (*greeter()).clone();
    renamed.proto_name = "greeter.Gone".to_owned();
    let error = Files::of(&[Arc::new(renamed)]).expect_err("not in its file");
    assert!(error.message().contains("greeter.Gone"), "{error}");

    #[motet::service(name = "greeter-two", version = "1.0.0")]
    trait Greeter {
        async fn bye(&self, cx: &Context, person: Person) -> Result<()>;
    }
    let mut second = GreeterServer::descriptor();
    assert_eq!(Files::of(&[greeter(), Arc::new(second.clone())]).expect("two packages").services().len(), 2);
    let mut files = Files::of(&[greeter()]).expect("valid");
    second.protobuf =
        String::from_utf8_lossy(&second.protobuf).replace("greeter_two", "greeter_tw\u{7f}").into_bytes().into();
    assert!(files.add(&second).is_err());
    assert_eq!(files.services().len(), 1, "an error adds nothing");
}

#[test]
fn a_service_without_a_protobuf_name_is_passed_over() {
    let router = Router::new().method("/say/hi", |_: Context, name: String| async move { Ok(name) });
    let service = router.into_service_or("say", "1.0.0").expect("valid");
    let files = Files::of([service.descriptor()]).expect("nothing");
    assert_eq!((files.services().len(), files.names().len()), (0, 0));
    assert!(files.set().is_empty());
}

//! Every value of the table in `docs/protocol.md` is read and written by another implementation of
//! protobuf, from the exported `.proto` alone.

#[path = "../../motet-rpc/tests/page/mod.rs"]
mod page;

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use motet::prelude::*;
use motet::{
    Codec,
    core::{MessageType, Portable, Value},
};
use motet_proto::{ProtoFile, file_descriptor_set, proto_files};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, prost::Message as _};

#[motet::message]
#[derive(Clone, Debug, PartialEq)]
struct Point {
    x: i32,
    label: Option<String>,
}

#[motet::message]
#[derive(Clone, Debug, PartialEq)]
enum Color {
    Red,
    Green,
}

#[motet::message]
#[derive(Clone, Debug, PartialEq)]
enum Shape {
    Nothing,
    Circle(u32),
    Line(u32, u32),
    Rect { wide: u32, high: u32 },
}

#[motet::message]
#[derive(Clone, Debug, PartialEq)]
struct Id(u64);

#[motet::message]
#[derive(Clone, Debug, PartialEq)]
struct Photo {
    bytes: Vec<u8>,
}

#[motet::message]
#[derive(Clone, Debug, PartialEq)]
struct Numbers {
    #[motet(zigzag)]
    difference: i32,
    #[motet(fixed)]
    hash: u64,
    #[motet(tag = 9)]
    late: bool,
}

#[motet::message]
#[derive(Clone, Debug, PartialEq)]
struct Row {
    cells: Vec<u32>,
}

/// A method for every row, in the order of the page.
#[motet::service(name = "mapping", version = "1.0.0")]
trait Mapping {
    async fn point(&self, cx: &Context) -> Result<Point>;
    async fn point_of_zero(&self, cx: &Context) -> Result<Point>;
    async fn unit(&self, cx: &Context) -> Result<()>;
    async fn boolean(&self, cx: &Context) -> Result<bool>;
    async fn uint32(&self, cx: &Context) -> Result<u32>;
    async fn int32(&self, cx: &Context) -> Result<i32>;
    async fn uint64(&self, cx: &Context) -> Result<u64>;
    async fn int64(&self, cx: &Context) -> Result<i64>;
    async fn double(&self, cx: &Context) -> Result<f64>;
    async fn float(&self, cx: &Context) -> Result<f32>;
    async fn character(&self, cx: &Context) -> Result<char>;
    async fn text(&self, cx: &Context) -> Result<String>;
    async fn bytes(&self, cx: &Context) -> Result<Vec<u8>>;
    async fn photo(&self, cx: &Context) -> Result<Photo>;
    async fn some(&self, cx: &Context) -> Result<Option<u32>>;
    async fn none(&self, cx: &Context) -> Result<Option<u32>>;
    async fn numbers(&self, cx: &Context) -> Result<Vec<u32>>;
    async fn texts(&self, cx: &Context) -> Result<Vec<String>>;
    async fn points(&self, cx: &Context) -> Result<Vec<Point>>;
    async fn rows(&self, cx: &Context) -> Result<Vec<Row>>;
    async fn array(&self, cx: &Context) -> Result<[u32; 2]>;
    async fn text_map(&self, cx: &Context) -> Result<BTreeMap<String, u32>>;
    async fn number_map(&self, cx: &Context) -> Result<BTreeMap<u32, String>>;
    async fn tuple(&self, cx: &Context) -> Result<(u32, String)>;
    async fn newtype(&self, cx: &Context) -> Result<Id>;
    async fn red(&self, cx: &Context) -> Result<Color>;
    async fn green(&self, cx: &Context) -> Result<Color>;
    async fn nothing(&self, cx: &Context) -> Result<Shape>;
    async fn circle(&self, cx: &Context) -> Result<Shape>;
    async fn line(&self, cx: &Context) -> Result<Shape>;
    async fn rect(&self, cx: &Context) -> Result<Shape>;
    async fn address(&self, cx: &Context) -> Result<IpAddr>;
    async fn encodings(&self, cx: &Context) -> Result<Numbers>;
}

fn text() -> String {
    let files = proto_files(&[Arc::new(MappingServer::descriptor())]).expect("one service");
    let [ProtoFile { name, text, .. }] = &files[..] else { panic!("one file, not {files:?}") };
    assert_eq!(name, "mapping.proto");
    text.clone()
}

/// What another program knows: the exported text.
fn compiled() -> DescriptorPool {
    compile("mapping.proto", &text())
}

fn compile(name: &str, text: &str) -> DescriptorPool {
    struct Exported(String, String);
    impl protox::file::FileResolver for Exported {
        fn open_file(&self, name: &str) -> std::result::Result<protox::file::File, protox::Error> {
            match name == self.0 {
                true => protox::file::File::from_source(name, &self.1),
                false => Err(protox::Error::file_not_found(name)),
            }
        }
    }
    let mut files = protox::file::ChainFileResolver::new();
    files.add(Exported(name.to_owned(), text.to_owned()));
    files.add(protox::file::GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(files);
    compiler.include_imports(true).open_file(name).unwrap_or_else(|error| panic!("{error:?}\n{text}"));
    compiler.descriptor_pool()
}

/// A row as the tests of protobuf need it: what the message's type is, and whether Motet reads bytes back as what it wrote.
type Check = Box<dyn Fn(&[u8]) -> Vec<u8>>;

fn body<T: Portable>() -> Check {
    Box::new(|bytes| {
        let message = MessageType::<T>::serde();
        let read = message.decode(&Codec::PROTOBUF, &motet::Bytes::copy_from_slice(bytes)).expect("what was encoded");
        let mut out = bytes::BytesMut::new();
        message.encode(&read, &Codec::PROTOBUF, &mut out).expect("encodes");
        out.to_vec()
    })
}

fn value<T: Portable>() -> Check {
    body::<Value<T>>()
}

fn checks() -> Vec<Check> {
    vec![
        body::<Point>(),
        body::<Point>(),
        body::<motet::Empty>(),
        value::<bool>(),
        value::<u32>(),
        value::<i32>(),
        value::<u64>(),
        value::<i64>(),
        value::<f64>(),
        value::<f32>(),
        value::<char>(),
        value::<String>(),
        value::<Vec<u8>>(),
        body::<Photo>(),
        value::<Option<u32>>(),
        value::<Option<u32>>(),
        value::<Vec<u32>>(),
        value::<Vec<String>>(),
        value::<Vec<Point>>(),
        value::<Vec<Row>>(),
        value::<[u32; 2]>(),
        value::<BTreeMap<String, u32>>(),
        value::<BTreeMap<u32, String>>(),
        value::<(u32, String)>(),
        value::<Id>(),
        value::<Color>(),
        value::<Color>(),
        value::<Shape>(),
        value::<Shape>(),
        value::<Shape>(),
        value::<Shape>(),
        value::<IpAddr>(),
        body::<Numbers>(),
    ]
}

/// What the other implementation understands, in protobuf's text format.
const UNDERSTOOD: [&str; 33] = [
    r#"x:7,label:"a""#,
    "",
    "",
    "value:true",
    "value:300",
    "value:-1",
    "value:18446744073709551615",
    "value:-9223372036854775808",
    "value:1.5",
    "value:1.5",
    "value:223",
    r#"value:"\303\237""#,
    r#"value:"\000\377""#,
    r#"bytes:"\000\377""#,
    "value:0",
    "",
    "value:[1,300]",
    r#"value:["a",""]"#,
    r#"value:[{x:7,label:"a"}]"#,
    "value:[{cells:[1,2]}]",
    "value:[1,0]",
    r#"value:[{key:"a",value:1}]"#,
    r#"value:[{key:1,value:"a"}]"#,
    r#"value{item1:1,item2:"a"}"#,
    "value:7",
    "",
    "value:COLOR_GREEN",
    "value{nothing{}}",
    "value{circle:7}",
    "value{line{item1:1,item2:2}}",
    "value{rect{wide:1}}",
    r#"value:"127.0.0.1""#,
    "difference:-1,hash:1,late:true",
];

fn reply(pool: &DescriptorPool, method: usize) -> MessageDescriptor {
    let service = pool.get_service_by_name("mapping.Mapping").expect("exported");
    service.methods().nth(method).expect("a method for every row").output()
}

#[test]
fn every_row_of_the_table_crosses_to_another_implementation_and_back() {
    let pool = compiled();
    let table = page::table(&page::read("protocol.md"), "### What values are");
    let checks = checks();
    assert_eq!((table.len(), checks.len()), (UNDERSTOOD.len(), UNDERSTOOD.len()), "every row of the page is tested");
    for (at, (row, understood)) in table.iter().zip(UNDERSTOOD).enumerate() {
        let bytes = if row[1] == "empty" { Vec::new() } else { page::bytes(&row[1]).expect("hexadecimal") };
        let read = DynamicMessage::decode(reply(&pool, at), &bytes[..]).unwrap_or_else(|e| panic!("{}: {e}", row[0]));
        assert_eq!(read.unknown_fields().count(), 0, "{}", row[0]);
        assert_eq!(read.to_string(), understood, "{}", row[0]);
        let written = read.encode_to_vec();
        assert_eq!(checks[at](&written), bytes, "{}: what the other wrote is the same to Motet", row[0]);
    }
}

#[test]
fn exported_text_compiles_to_the_descriptor_that_reflection_gives() {
    let described =
        DescriptorPool::decode(file_descriptor_set(&[Arc::new(MappingServer::descriptor())]).expect("valid"));
    let described =
        described.expect("valid").get_file_by_name("mapping.proto").expect("there").file_descriptor_proto().clone();
    let compiled = compiled().get_file_by_name("mapping.proto").expect("there").file_descriptor_proto().clone();
    assert_eq!(without_comments(compiled), without_comments(described));
}

fn without_comments(mut file: prost_types::FileDescriptorProto) -> prost_types::FileDescriptorProto {
    file.source_code_info = None;
    file
}

#[track_caller]
fn is_golden(name: &str, text: &str) {
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::fs::read_to_string(golden).unwrap_or_default() != text {
        let found = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&found, text).expect("a folder of the tests' own");
        panic!("tests/golden/{name} differs from what is exported now: {}", found.display());
    }
}

#[test]
fn a_type_called_like_a_method_is_named_in_full() {
    // protoc 35: "Point" is not a message type, where a method of the service is called Point.
    assert!(text().contains("rpc Point(google.protobuf.Empty) returns (.mapping.Point);"), "{}", text());
}

#[test]
fn the_table_s_types_are_exported_as_ever() {
    is_golden("mapping.proto", &text());
}

/// Somebody.
#[motet::message]
#[derive(Clone)]
struct Person {
    /// The full name.
    ///
    /// As in the passport.
    #[garde(length(min = 1, max = 40), pattern(r"^\w"))]
    name: String,
    #[garde(range(min = 18))]
    age: Option<u8>,
    #[motet(sensitive)]
    #[garde(email)]
    mail: Option<String>,
    #[garde(length(max = 3), inner(length(min = 2)))]
    #[serde(rename = "nick\"names")]
    nicknames: Vec<String>,
    initial: char,
    favourite: Color,
    pet: Pet,
    by_age: BTreeMap<u32, Pet>,
    string: bool,
}

/// What lives with people.
#[motet::message]
#[derive(Clone, Debug)]
enum Pet {
    /// It lives with nobody.
    Cat,
    Dog {
        #[garde(length(min = 1))]
        name: String,
    },
}

/// Greets people.
#[motet::service(name = "say.hello-v1", version = "1.2.0")]
trait Greeter {
    /// Says hello.
    #[method(safe, http = "GET /hello/{name}")]
    async fn hello(&self, cx: &Context, req: Person) -> Result<Person>;
    #[deprecated]
    #[method(idempotent)]
    async fn several(&self, cx: &Context, #[motet(sensitive)] name: String, r#type: Option<u32>) -> Result<()>;
    async fn chat(&self, cx: &Context, lines: Streaming<String>) -> Result<Streaming<Person>>;
}

#[test]
fn docs_constraints_and_routes_are_comments() {
    let files = proto_files(&[Arc::new(GreeterServer::descriptor())]).expect("one service");
    is_golden("say.hello-v1.proto", &files[0].text);
    compile(&files[0].name, &files[0].text);
}

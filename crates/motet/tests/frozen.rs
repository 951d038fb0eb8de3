//! Formats that other versions and other programs read: the files in `frozen/v1` hold them as version
//! 1 of each wrote them. motet/1 itself and payloads are in `docs/protocol.md`, which `golden.rs` reads
//! here and in `motet-rpc`.

#[path = "../../motet-rpc/tests/page/mod.rs"]
mod page;

use std::time::Duration;

use bytes::BytesMut;
use motet::{
    Code, Codec, Context, Executed, FileConfig, FileRegistry, Kind, Metadata, Node, Registry, Result, RpcError,
    ServiceDescriptor, Status, Streaming,
    core::{BodyShape, Endpoint, Family, Fault, MethodDescriptor, NodeState},
};
use motet_rpc::native::wire;

/// Compares with a file of the corpus.
#[track_caller]
fn is_frozen(name: &str, written: &str) {
    let frozen = read(name);
    if frozen != written {
        let found = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&found, written).expect("a folder of the tests' own");
        panic!(
            "tests/frozen/v1/{name} is a frozen format: programs that are running read it. What is written now \
             differs, and is in {}. Add a field that older readers pass over, or a new version beside this one.",
            found.display()
        );
    }
}

fn read(name: &str) -> String {
    let path = format!("{}/tests/frozen/v1/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_default()
}

/// Somebody.
#[motet::message]
#[derive(Clone, PartialEq)]
struct Person {
    /// The full name.
    #[garde(length(min = 1, max = 40))]
    name: String,
    age: Option<u8>,
    #[motet(sensitive)]
    password: Option<String>,
    pets: Vec<Pet>,
}

#[motet::message]
#[derive(Clone, Debug, PartialEq)]
enum Pet {
    Cat,
    Dog { name: String },
}

#[derive(Debug, motet::RpcError)]
enum GreetError {
    #[rpc(code = InvalidArgument, message = "{length} letters are too many, {max} fit")]
    NameTooLong { length: u32, max: u32 },
    #[rpc(other)]
    Other(Status),
}

/// Greets people.
#[motet::service(name = "greeter", version = "1.2.0")]
trait Greeter {
    /// Says hello.
    #[method(idempotent, timeout = "5s", http = "POST /hello")]
    async fn hello(&self, cx: &Context, req: Person) -> Result<Person, GreetError>;
    async fn several(&self, cx: &Context, name: String, times: Option<u32>) -> Result<Vec<String>>;
    async fn secret(&self, cx: &Context, #[motet(sensitive)] password: String) -> Result<()>;
    #[method(safe)]
    async fn ticks(&self, cx: &Context, count: u64) -> Result<Streaming<u64>>;
    async fn upload(&self, cx: &Context, parts: Streaming<Person>) -> Result<u64>;
    async fn chat(&self, cx: &Context, lines: Streaming<String>) -> Result<Streaming<String>>;
}

struct Nobody;

impl Greeter for Nobody {
    async fn hello(&self, _: &Context, req: Person) -> Result<Person, GreetError> {
        Ok(req)
    }
    async fn several(&self, _: &Context, name: String, _: Option<u32>) -> Result<Vec<String>> {
        Ok(vec![name])
    }
    async fn secret(&self, _: &Context, _: String) -> Result<()> {
        Ok(())
    }
    async fn ticks(&self, _: &Context, _: u64) -> Result<Streaming<u64>> {
        Ok(Streaming::from_iter([]))
    }
    async fn upload(&self, _: &Context, _: Streaming<Person>) -> Result<u64> {
        Ok(0)
    }
    async fn chat(&self, _: &Context, lines: Streaming<String>) -> Result<Streaming<String>> {
        Ok(lines)
    }
}

fn pretty(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).expect("plain data") + "\n"
}

#[test]
fn a_trait_s_descriptor_is_frozen() {
    let service = GreeterServer::new(Nobody).into_service().expect("valid");
    let descriptor = service.descriptor();
    // `protobuf` came later: what version 1 wrote has none, and is read and hashed as ever.
    let mut first = (**descriptor).clone();
    first.protobuf.clear();
    is_frozen("descriptor.json", &pretty(&first));
    is_frozen("descriptor.hash", &(first.hash() + "\n"));
    let read: ServiceDescriptor = serde_json::from_str(&read("descriptor.json")).expect("version 1");
    assert_eq!(read, first);
    assert_eq!(read.hash(), first.hash());
}

#[test]
fn a_trait_s_protobuf_file_is_frozen() {
    let descriptor = GreeterServer::descriptor();
    let written = serde_json::to_value(&descriptor).expect("plain data");
    is_frozen("descriptor.protobuf", &(written["protobuf"].as_str().expect("base64").to_owned() + "\n"));
    assert_eq!(serde_json::from_value::<ServiceDescriptor>(written).expect("what was written"), descriptor);
}

#[test]
fn a_descriptor_of_another_version_is_read() {
    let least = r#"{"name":"s","version":"1","methods":[{"name":"m","path":"s/m","kind":"bidi","new":{}}],"new":[1]}"#;
    let service: ServiceDescriptor =
        serde_json::from_str(least).expect("what version 1 requires, and what it does not know");
    let method: &MethodDescriptor = &service.methods[0];
    assert_eq!((method.kind, method.family, method.request_shape), (Kind::Bidi, Family::Serde, BodyShape::Message));
}

fn node() -> Node {
    let mut tls = Endpoint::new("tcp", "10.0.0.7:4000");
    tls.tls = true;
    let mut node = Node::new("greeter", "a1").version("1.2.0").label("owner", "Zoë").endpoint(tls);
    node = node.endpoint(Endpoint::new("unix", "/run/greeter.sock"));
    node.zone = "eu-1".to_owned();
    node.weight = 50;
    node.state = NodeState::Draining;
    node.descriptor_hash = "3f9a".to_owned();
    node.methods = vec!["hello".to_owned(), "several".to_owned()];
    node
}

#[cfg(unix)]
#[tokio::test]
async fn a_registry_record_is_frozen() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).expect("ours");
    let registry = FileRegistry::open(FileConfig::at(folder.path())).expect("opens");
    let _registration = registry.register(node(), Duration::from_secs(10)).await.expect("registers");
    let record = std::fs::read_to_string(folder.path().join("greeter~a1.node")).expect("the file's name is frozen too");
    let record = record.replace(&format!("\"pid\":{}", std::process::id()), "\"pid\":0");
    is_frozen("registry-record.json", &(record.trim_end().to_owned() + "\n"));
}

#[test]
fn a_registry_record_of_version_1_is_read() {
    let record: serde_json::Value = serde_json::from_str(&read("registry-record.json")).expect("version 1");
    let read: Node = serde_json::from_value(record["node"].clone()).expect("a node");
    assert_eq!((read, &record["version"]), (node(), &1.into()));
    let least: Node =
        serde_json::from_str(r#"{"service":"s","id":"i","endpoints":[{"address":"a"}],"new":1}"#).expect("least");
    assert_eq!((least.state, least.endpoints[0].tls), (NodeState::Active, false));
}

/// A status as it travels, and what is read of it.
fn sent(status: &Status) -> String {
    let mut out = BytesMut::new();
    wire::put_end(&mut out, 1, Some(status), &Metadata::new());
    let mut cursor = wire::Cursor::new(&out[1..]);
    let read = wire::read_end(&mut cursor).expect("written here").status.expect("an error");
    assert_eq!((read.code, read.message.as_str(), read.executed), (status.code(), status.message(), status.executed()));
    assert_eq!(read.reason.as_deref(), status.reason());
    page::hex(&out)
}

#[test]
fn error_objects_are_frozen() {
    let mut all = String::new();
    let mut line = |name: &str, status: &Status| all.push_str(&format!("{name}: {}\n", sent(status)));
    for code in Code::ALL {
        line(code.name(), &Status::new(code, "text"));
    }
    for executed in [Executed::Yes, Executed::No, Executed::Unknown] {
        line(&format!("executed {executed:?}"), &Status::internal("text").with_executed(executed));
    }
    line("retry-after", &Status::unavailable("text").with_retry_after(Duration::from_millis(1500)));
    line("typed", &GreetError::NameTooLong { length: 50, max: 40 }.into_status());
    line("other", &GreetError::Other(Status::aborted("text").with_reason("SomebodyElses.Error")).into_status());
    let person = Person { name: String::new(), age: None, password: None, pets: Vec::new() };
    let broken = motet::core::validate::check(&person).expect_err("too short");
    line("constraint", &broken);
    let details = broken.details().expect("what is broken").clone().with_codec(Codec::JSON);
    all.push_str(&format!("constraint in JSON: {}\n", String::from_utf8_lossy(&details.bytes().expect("written"))));
    is_frozen("errors.txt", &all);
}

#[test]
fn typed_errors_of_version_1_are_found_again() {
    let errors = read("errors.txt");
    let line = errors.lines().find_map(|line| line.strip_prefix("typed: ")).expect("a line");
    let bytes = page::bytes(line).expect("hexadecimal");
    let wire = wire::read_end(&mut wire::Cursor::new(&bytes[1..])).expect("version 1").status.expect("an error");
    let mut status = Status::new(wire.code, wire.message).with_reason(wire.reason.expect("a reason"));
    let (codec, details) = wire.details.expect("details");
    let codec = codec.find(&motet::Codecs::default()).expect("known");
    status = status.with_details(motet::Payload::encoded(details, codec));
    assert!(matches!(GreetError::from_status(status), GreetError::NameTooLong { length: 50, max: 40 }));
}

#[test]
fn the_page_of_errors_is_what_the_code_does() {
    let rows = page::table(&page::read("errors.md"), "## Codes");
    assert_eq!(rows.len(), Code::ALL.len());
    for (row, code) in rows.iter().zip(Code::ALL) {
        let status = Status::new(code, "");
        let fault = match status.fault() {
            Fault::Caller => "caller",
            Fault::Service => "service",
            Fault::Circumstances => "circumstances",
        };
        let again = if status.may_retry() { "yes" } else { "no" };
        let number = code.number().to_string();
        assert_eq!(row[..2], [number, code.name().to_owned()]);
        assert_eq!((row[3].as_str(), row[4].as_str()), (fault, again), "{code}");
        assert_eq!(serde_json::to_value(code).expect("text"), row[1]);
    }
    let fields: Vec<_> =
        page::table(&page::read("errors.md"), "## The error object").into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(fields, ["code", "message", "reason", "details", "executed", "retry_after", "metadata"]);
}

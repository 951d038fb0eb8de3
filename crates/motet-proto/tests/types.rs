//! JSON and messages by their files alone.

use motet::Kind;
use motet_proto::Types;
use prost::{Message as _, bytes::Bytes};

const SOURCE: &str = r#"
syntax = "proto3";
package a.b;
import "google/protobuf/duration.proto";
// Keeps trees.
service Trees {
  // Plants one.
  rpc Plant(Tree) returns (Tree);
  rpc Walk(stream Tree) returns (stream Tree);
}
message Tree {
  string first_name = 1;
  sint64 age = 2;
  repeated Tree branches = 3;
  oneof kind { bool oak = 4; Color leaf = 5; }
  google.protobuf.Duration grows = 6;
  map<int32, bytes> rings = 7;
  enum Color { NONE = 0; GREEN = 1; }
}
"#;

fn types() -> Types {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("trees.proto"), SOURCE).expect("written");
    let set = protox::compile(["trees.proto"], [folder.path()]).expect("compiles");
    Types::read(&set.encode_to_vec().into()).expect("files")
}

#[test]
fn a_message_goes_to_bytes_and_back_as_protobuf_maps_it() {
    let method = types().method("a.b.Trees/Plant").expect("declared");
    let json = r#"{"firstName":"Ash","age":"-3","branches":[{"leaf":"GREEN"}],"oak":true,"grows":"1.500s","rings":{"1":"AQI="}}"#;
    let bytes = method.request(json).expect("a tree");
    assert_eq!(&bytes[..8], b"\x0a\x03Ash\x10\x05\x1a");
    assert_eq!(method.reply(&bytes).expect("a tree"), json);
    assert_eq!(
        method.request(r#"{"first_name":"Ash","age":-3}"#).expect("other spellings"),
        &b"\x0a\x03Ash\x10\x05"[..]
    );
    for empty in ["{}", "null"] {
        assert!(method.request(empty).expect("nothing is set").is_empty());
    }
    assert_eq!(method.reply(&Bytes::new()).expect("nothing is set"), "{}");
}

#[test]
fn what_is_no_message_is_refused_with_its_place() {
    let method = types().method("a.b.Trees/Plant").expect("declared");
    for wrong in [r#"{"name":1}"#, r#"{"age":"x"}"#, r#"{"oak":true,"leaf":"GREEN"}"#, "[]", "{}{}", "{"] {
        let error = method.request(wrong).expect_err(wrong);
        assert!(error.message().starts_with("a.b.Tree: ") && error.message().contains("line 1"), "{wrong}: {error}");
    }
    assert!(method.reply(&Bytes::from_static(b"\xff")).expect_err("no tree").message().contains("no a.b.Tree"));
    assert!(types().method("a.b.Trees/Fell").is_none() && types().method("a.b.Shrubs/Plant").is_none());
}

#[test]
fn services_are_described_by_their_files() {
    let services = types().services();
    let [trees] = &services[..] else { panic!("{services:?}") };
    assert_eq!((&*trees.name, &*trees.proto_name, &*trees.docs), ("a.b.Trees", "a.b.Trees", "Keeps trees."));
    let [plant, walk] = &trees.methods[..] else { panic!("{trees:?}") };
    assert_eq!((plant.proto_path(), plant.kind, walk.kind), ("a.b.Trees/Plant", Kind::Unary, Kind::Bidi));
    assert_eq!(plant.docs, "Plants one.");
    let fields = &plant.request["properties"];
    assert_eq!(fields["age"]["format"], "int64");
    assert_eq!(fields["branches"]["items"]["$ref"], "#/$defs/a.b.Tree");
    assert_eq!(fields["leaf"]["enum"], serde_json::json!(["NONE", "GREEN"]));
    assert_eq!(fields["rings"]["additionalProperties"]["format"], "byte");
    assert!(plant.request["$defs"]["a.b.Tree"]["properties"].is_object());
    assert!(motet_proto::Files::of([&std::sync::Arc::new(trees.clone())]).is_ok(), "its own files are enough");
}

#[test]
fn files_that_are_broken_are_refused() {
    assert!(Types::read(&Bytes::from_static(b"\xff")).is_err());
    let alone = Types::read_files(vec![Bytes::from_static(b"\x0a\x01a\x1a\x01b")]);
    assert!(alone.expect_err("b is not there").message().contains("cannot be used"));
}

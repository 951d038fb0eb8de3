//! `proto export`, `describe --proto`, `describe --json-schema`, `check`.

use serde_json::Value;

use crate::lab::Lab;

#[tokio::test]
async fn a_service_that_runs_is_exported_as_a_proto_file_and_its_numbers_are_locked() {
    let (lab, _app, _hear) = Lab::serving().await;
    let printed = lab.run(&["proto", "export", "greeter"]).await.done();
    assert!(printed.starts_with("syntax = \"proto3\";\n\npackage greeter;\n"), "{printed}");
    for part in [
        "  // Says hello.\n  //\n  // The greeting is in English.\n  rpc Hello(HelloRequest) returns (HelloReply) {\n",
        "  rpc Double(stream Number) returns (stream Number);\n",
        "  // The name.\n  // Length: 1 to 40.\n  string name = 1;\n",
    ] {
        assert!(printed.contains(part), "{part}\nis not in\n{printed}");
    }
    assert_eq!(lab.run(&["describe", "greeter", "--proto"]).await.done(), printed);

    let out = lab.path().join("protos");
    let export = ["proto", "export", "greeter", "--out", out.to_str().expect("text")];
    let told = lab.run(&export).await.done();
    assert_eq!(told.trim_end(), out.join("greeter.proto").display().to_string());
    assert_eq!(std::fs::read_to_string(out.join("greeter.proto")).expect("written"), printed);
    let lock = out.join("motet-proto.lock");
    let locked = std::fs::read_to_string(&lock).expect("written");
    assert!(locked.contains("greeter.HelloRequest name = 1\n"), "{locked}");
    lab.run(&export).await.done();
    assert_eq!(std::fs::read_to_string(&lock).expect("written"), locked, "the same again");

    std::fs::write(&lock, locked.replace("greeter.HelloRequest name = 1", "greeter.HelloRequest name = 7"))
        .expect("written");
    std::fs::remove_file(out.join("greeter.proto")).expect("there");
    let problem = lab.run(&export).await.failed(1);
    let number = "greeter.HelloRequest.name had number 7 and would get 1";
    assert!(problem.contains(number) && problem.contains("#[motet(tag = 7)]"), "{problem}");
    assert!(!out.join("greeter.proto").exists(), "nothing is written");
}

#[tokio::test]
async fn services_without_a_protobuf_name_are_left_out_and_named() {
    let (lab, _app, _hear) = Lab::serving().await;
    let all = lab.run(&["proto", "export", "--json"]).await.json();
    assert_eq!(all["files"][0]["name"], "greeter.proto");
    assert_eq!(all["left_out"], serde_json::json!(["tools"]));
    let problem = lab.run(&["proto", "export", "tools"]).await.failed(2);
    assert!(problem.contains("no protobuf name: tools"), "{problem}");
    let problem = lab.run(&["proto", "export", "greter"]).await.failed(3);
    assert!(problem.contains("did you mean `greeter`?"), "{problem}");
}

#[tokio::test]
async fn json_schemas_are_printed_for_a_service_and_for_a_method() {
    let (lab, _app, _hear) = Lab::serving().await;
    let all = lab.run(&["describe", "greeter", "--json-schema"]).await.json();
    assert_eq!(all["greeter/add"]["request"]["properties"]["a"]["type"], "integer");
    let one = lab.run(&["describe", "greeter", "add", "--json-schema"]).await.json();
    assert_eq!(one, all["greeter/add"]);
}

#[tokio::test]
async fn check_says_what_would_break_callers_and_exits_1() {
    let (lab, _app, _hear) = Lab::serving().await;
    let before = lab.path().join("before.json");
    let file = before.to_str().expect("text");
    let descriptor = lab.run(&["describe", "greeter", "--json"]).await.done();
    std::fs::write(&before, &descriptor).expect("written");
    let good = lab.run(&["check", "--against", file]).await.done();
    assert_eq!(good, "greeter: no caller would break\n");

    let mut old: Value = serde_json::from_str(&descriptor).expect("JSON");
    let methods = old["methods"].as_array_mut().expect("a list");
    let hello = methods.iter_mut().find(|method| method["name"] == "hello").expect("there");
    hello["request"]["properties"]["name"]["maxLength"] = 80.into();
    let mut gone = hello.clone();
    gone["name"] = "bye".into();
    gone["path"] = "greeter/bye".into();
    methods.push(gone);
    std::fs::write(&before, old.to_string()).expect("written");
    let ended = lab.run(&["check", "--against", file]).await;
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert_eq!(
        ended.out,
        "greeter/bye: the method is gone\n\
         greeter/hello request.name: the greatest length was 80 and is 40\n\
         greeter: 2 changes would break callers\n"
    );
    let json = lab.run(&["check", "--against", file, "--json"]).await;
    let report: Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!((json.code, &report["compatible"]), (1, &Value::Bool(false)));
    assert_eq!(report["breaking"][1]["field"], "request.name");
    // The other way around, without anything that runs.
    let now = lab.path().join("now.json");
    std::fs::write(&now, &descriptor).expect("written");
    lab.run(&["check", "--against", now.to_str().expect("text"), "--from", file]).await.done();
    let problem = lab.run(&["check", "--against", "gone.json"]).await.failed(2);
    assert!(problem.contains("there is no file gone.json") && problem.contains("motet describe"), "{problem}");
}

#[tokio::test]
async fn rust_is_made_of_proto_files() {
    let lab = Lab::new();
    let file = lab.path().join("sum.proto");
    let text = "syntax = \"proto3\";\nmessage req {}\nservice sum { rpc add(req) returns (req); }\n";
    std::fs::write(&file, text).expect("written");
    let file = file.to_str().expect("text");
    let code = lab.run(&["gen", file, "--name", "sum=adder"]).await.done();
    assert!(code.contains("pub trait Sum {") && code.contains("name = \"adder\""), "{code}");
    let out = lab.path().join("sum.rs");
    let out = out.to_str().expect("text");
    assert_eq!(lab.run(&["gen", file, "--name", "sum=adder", "--out", out]).await.done(), format!("{out}\n"));
    assert_eq!(std::fs::read_to_string(out).expect("written"), code);
    std::fs::write(file, "syntax = \"proto3\";\nmessage A { Gone gone = 1; }\n").expect("written");
    let problem = lab.run(&["gen", file]).await.failed(2);
    assert!(problem.contains("sum.proto:2:13: ") && problem.contains("Gone"), "{problem}");
}

#[tokio::test]
async fn two_processes_are_compared_by_their_addresses() {
    let (lab, _app, _hear) = Lab::serving().await;
    let nodes = lab.run(&["nodes", "greeter", "--json"]).await.json();
    let address = nodes["nodes"][0]["endpoints"][0]["address"].as_str().expect("an address").to_owned();
    assert!(lab.run(&["check", "greeter", "--against", &address]).await.done().starts_with("greeter: no caller"));
}

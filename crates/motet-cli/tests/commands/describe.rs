//! `describe`.

use serde_json::Value;

use crate::lab::{Lab, finish};

#[tokio::test]
async fn a_service_is_described_with_its_methods_types_and_rules() {
    let (lab, _app, _hear) = Lab::serving().await;
    let page = lab.run(&["describe", "greeter"]).await.done();
    for part in [
        "greeter 1.2.0\n  Greets people.\n",
        "  hello(HelloRequest) -> HelloReply\n    Says hello.\n\n    The greeting is in English.\n    idempotent\n",
        "  find(name: string) -> u64?\n",
        "  add(a: i64, b: i64) -> i64\n",
        "  forget() -> ()\n",
        "  hang() -> ()\n    Never answers.\n    timeout 30s\n",
        "  count(to: u64, pause_ms: u64, fail_at: u64) -> stream Number\n",
        "  sum(stream Number) -> Number\n",
        "  double(stream Number) -> stream Number\n",
        "  whoami() -> string\n",
        "  HelloRequest  Whom to greet.\n    name       string     1 to 40 characters          The name.\n",
        "    password   string     optional, sensitive         The caller's secret.\n",
        "    others     [Person]   optional, at most 3 items   Whom else to greet.\n",
        "    times      u32?       at most 9                   How often, at most 9 times.\n",
        "    tone       Tone?                                  How polite to be.\n",
        "  Tone  How polite to be.\n    \"Plain\"    As among friends.\n    \"Formal\"   As at court.\n",
        "  Number  A number in a stream.\n    n   u64   The number.\n",
    ] {
        assert!(page.contains(part), "{part}\nis not in\n{page}");
    }
    assert_eq!(page.matches("  Person").count(), 1, "a type is shown once\n{page}");
}

#[tokio::test]
async fn a_method_is_described_with_a_line_to_paste_that_works() {
    let (lab, _app, _hear) = Lab::serving().await;
    for method in ["hello", "add", "sum"] {
        let page = lab.run(&["describe", "greeter", method]).await.done();
        let (_, line) = page.split_once("Try it:\n").expect("a line to paste");
        let mut shell = tokio::process::Command::new("sh");
        shell.arg("-c").arg(line.trim()).current_dir(std::env::current_dir().expect("a folder"));
        let output = shell.kill_on_drop(true).output();
        let output = tokio::time::timeout(std::time::Duration::from_secs(20), output).await.expect("in time");
        let output = output.expect("runs");
        assert!(output.status.success(), "{line}{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[tokio::test]
async fn every_spelling_and_all_services_are_described() {
    let (lab, _app, _hear) = Lab::serving().await;
    let one = lab.run(&["describe", "greeter", "find"]).await.done();
    for spelled in [&["describe", "greeter/find"][..], &["describe", "Greeter.Find"], &["describe", "Greeter", "Find"]]
    {
        assert_eq!(lab.run(spelled).await.done(), one, "{spelled:?}");
    }
    let all = lab.run(&["describe"]).await.done();
    assert!(all.contains("greeter 1.2.0\n") && all.contains("tools 0.3.0\n  Odds and ends.\n"), "{all}");
    assert!(all.contains("  /say/hi(name: string) -> string\n"), "{all}");
}

#[tokio::test]
async fn json_is_the_descriptor() {
    let (lab, _app, _hear) = Lab::serving().await;
    let service = lab.run(&["describe", "greeter", "--json"]).await.json();
    let service: motet::ServiceDescriptor = serde_json::from_value(service).expect("a descriptor");
    assert_eq!((&*service.name, service.methods.len()), ("greeter", 9));
    let method = lab.run(&["describe", "greeter", "count", "--json"]).await.json();
    assert_eq!((&method["path"], &method["kind"]), (&"greeter/count".into(), &"server_stream".into()));
    let all = lab.run(&["describe", "--json"]).await.json();
    assert_eq!(all["services"].as_array().map(Vec::len), Some(2));
}

/// A secret.
#[motet::message]
pub(crate) struct Login {
    /// The secret.
    #[motet(sensitive)]
    #[serde(default)]
    pub(crate) password: String,
}

#[tokio::test]
async fn values_of_sensitive_fields_are_not_shown() {
    let lab = Lab::new();
    let open = |_cx: motet::Context, _login: Login| async { Ok(()) };
    let router = motet::Router::new().named("vault", "1.0.0").method("open", open).configure(|method| {
        method.request["properties"]["password"]["default"] = "MARKER".into();
        method.request["examples"] = serde_json::json!([{"password": "MARKER"}]);
    });
    let app = motet::App::builder().registry(lab.url()).service(router).start().await.expect("starts");
    assert_eq!(app.nodes().len(), 1);
    for arguments in [
        &["describe"][..],
        &["describe", "vault"],
        &["describe", "vault", "open"],
        &["describe", "vault", "--json"],
        &["describe", "vault", "open", "--json"],
        &["describe", "--json"],
    ] {
        let out = lab.run(arguments).await.done();
        assert!(!out.contains("MARKER"), "{arguments:?}: {out}");
    }
}

#[tokio::test]
async fn a_service_that_does_not_describe_itself_is_called_all_the_same() {
    // A server without an App has no motet.meta.
    let greeter =
        motet::core::Service::clone(&motet::IntoService::into_service(crate::fixture::tools()).expect("valid"));
    let server = motet::Server::builder()
        .protocol(std::sync::Arc::new(motet::NativeServer::new(motet::NativeConfig::default())))
        .transport(std::sync::Arc::new(motet::TcpTransport::new()))
        .service(greeter)
        .build()
        .expect("valid");
    let endpoint = server.listen("tcp://127.0.0.1:0").await.expect("free");
    let (lab, registry) = (Lab::new(), format!("static:tools={}", endpoint.address));
    let run = |arguments: &[&str]| {
        let command = lab.command(&[arguments, &["--registry", &registry]].concat()).spawn().expect("runs");
        finish(command)
    };
    let text = run(&["describe", "tools"]).await.failed(1);
    assert!(text.contains("`tools` does not say what it has"), "{text}");
    let request = r#"{"name":"Ada"}"#;
    assert_eq!(run(&["call", "tools", "/say/hi", request]).await.done(), "{\"value\": \"hi Ada\"}\n");
    let text = run(&["stream", "tools", "/say/hi", request]).await.failed(2);
    assert!(text.contains("--kind unary"), "{text}");
    let out = run(&["stream", "tools", "/say/hi", request, "--kind", "unary", "--json"]).await.done();
    assert_eq!(serde_json::from_str::<Value>(&out).expect("JSON")["value"], "hi Ada");
}

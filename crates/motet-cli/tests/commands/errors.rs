//! What is said when something is wrong, and the exit code.

use std::time::Duration;

use serde_json::Value;

use crate::{lab::Lab, views::free_port};

#[tokio::test]
async fn a_service_that_is_not_there_is_answered_with_those_that_are() {
    let (lab, _app, _hear) = Lab::serving().await;
    let expected = format!(
        "error: no node of `greter` is registered in {}; running services: greeter, tools; did you mean `greeter`?\n",
        lab.url()
    );
    for arguments in [
        &["call", "greter", "hello"][..],
        &["stream", "greter", "count"],
        &["describe", "greter"],
        &["nodes", "greter"],
        &["stats", "greter"],
        &["health", "greter"],
    ] {
        assert_eq!(lab.run(arguments).await.failed(3), expected, "{arguments:?}");
    }
    let empty = Lab::new();
    let text = empty.run(&["call", "greeter", "hello"]).await.failed(3);
    assert!(text.contains("no service is running") && text.contains("motet demo"), "{text}");
}

#[tokio::test]
async fn a_method_that_is_not_there_is_answered_with_those_that_are() {
    let (lab, _app, _hear) = Lab::serving().await;
    let expected = "error: `tools` has no method `miror`; its methods: /say/hi, mirror; did you mean `mirror`?\n  \
                    see them with `motet describe tools`\n";
    for command in ["call", "stream", "describe"] {
        assert_eq!(lab.run(&[command, "tools", "miror"]).await.failed(3), expected, "{command}");
    }
    let text = lab.run(&["call", "tools"]).await.failed(2);
    assert!(text.contains("which method of `tools`? its methods: /say/hi, mirror"), "{text}");
}

#[tokio::test]
async fn a_streaming_method_is_not_called() {
    let (lab, _app, _hear) = Lab::serving().await;
    let text = lab.run(&["call", "greeter", "double"]).await.failed(2);
    assert_eq!(text, "error: greeter/double is a bidirectional method\n  call it with `motet stream greeter double`\n");
}

#[tokio::test]
async fn wrong_json_is_shown_where_it_is_wrong_and_nobody_is_asked() {
    let lab = Lab::new();
    assert_eq!(
        lab.run(&["call", "greeter", "hello", r#"{"name": Ada}"#]).await.failed(2),
        "error: the JSON cannot be sent: line 1, column 10: expected value\n  {\"name\": Ada}\n           ^\n"
    );
    let text = lab.feed(&["call", "greeter", "hello", "-"], "{\n  \"name\": \"A\",\n}").await.failed(2);
    assert!(text.contains("the JSON on standard input cannot be sent: line 3, column 1: "), "{text}");
    let text = lab.run(&["call", "greeter", "hello", "@/nowhere/x.json"]).await.failed(2);
    assert!(text.contains("cannot read /nowhere/x.json"), "{text}");
    let text = lab.run(&["call", "greeter", "hello", "[1]"]).await.failed(2);
    assert!(text.contains("it is a list; a request is an object"), "{text}");
}

#[tokio::test]
async fn options_that_cannot_be_read_say_what_to_write() {
    let lab = Lab::new();
    for (arguments, says) in [
        (&["services", "--timeout", "5"][..], "5 has no unit; write 5s for seconds or 5ms for milliseconds"),
        (&["services", "--timeout", "soon"], "such as 500ms, 10s or 1h30m"),
        (&["services", "--meta", "who"], "--meta takes KEY=VALUE"),
        (&["services", "--meta", "motet-x=1"], "reserved"),
        (&["services", "--meta", "a b=1"], "metadata key"),
        (&["services", "--registry", "fle:"], "did you mean file:?"),
        (&["services", "--registry", "memory:"], "--registry file:"),
        (&["services", "--address", "nowhere"], "host:port"),
        (&["services", "--cert", "x"], "--cert needs --ca as well"),
        (&["services", "--ca", "/nowhere/ca.pem"], "--ca"),
        (&["nodes", "a/b"], "service name"),
        (&["call", "greeter", "hello", "{}", "more"], "more"),
        (&["cal", "greeter"], "call"),
    ] {
        let text = lab.run(arguments).await.failed(2);
        assert!(text.contains(says), "{arguments:?}: {text}");
    }
}

#[tokio::test]
async fn with_json_every_error_is_one_line_of_json() {
    let (lab, _app, _hear) = Lab::serving().await;
    for (arguments, code) in [
        (&["call", "greter", "hello", "--json"][..], 3),
        (&["call", "greeter", "hello", "{", "--json"], 2),
        (&["call", "greeter", "whoami", "--json"], 1),
        (&["services", "--timeout", "5", "--json"], 2),
        (&["call", "greeter", "hang", "--timeout", "200ms", "--json"], 4),
    ] {
        let text = lab.run(arguments).await.failed(code);
        assert_eq!(text.lines().count(), 1, "{text}");
        let error: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(error["error"]["exit_code"], code, "{arguments:?}");
        assert!(error["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{text}");
    }
}

#[tokio::test]
async fn nobody_at_the_address_is_said_once() {
    let lab = Lab::new();
    let address = format!("127.0.0.1:{}", free_port());
    for arguments in [
        &["call", "greeter", "hello"][..],
        &["stream", "greeter", "count"],
        &["describe"],
        &["services"],
        &["nodes"],
        &["stats"],
        &["health"],
    ] {
        let text = lab.run(&[arguments, &["--address", &address]].concat()).await.failed(3);
        assert_eq!(text.matches("cannot connect").count(), 1, "{arguments:?}: {text}");
        assert!(text.contains(&address), "{text}");
    }
}

#[tokio::test]
async fn nodes_that_are_registered_but_gone_are_named() {
    let lab = Lab::new();
    let registry = format!("static:greeter=127.0.0.1:{}", free_port());
    let text = lab.run(&["call", "greeter", "hello", "--registry", &registry]).await.failed(3);
    assert!(
        text.contains("the one node of `greeter` does not answer") && text.contains("motet nodes greeter"),
        "{text}"
    );
    let text = lab.run(&["stats", "--registry", &registry]).await.failed(3);
    assert!(text.contains("nobody answers"), "{text}");
}

#[tokio::test]
async fn a_handler_that_hangs_ends_at_the_time_limit() {
    let (lab, _app, mut hear) = Lab::serving().await;
    let text = lab.run(&["call", "greeter", "hang", "--timeout", "400ms"]).await.failed(4);
    assert!(text.contains("greeter/hang has not answered within the 400ms of --timeout"), "{text}");
    assert_eq!(crate::lab::told(&mut hear).await, "hangs");
    assert_eq!(crate::lab::told(&mut hear).await, "dropped");
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_ends_at_the_time_limit() {
    let lab = Lab::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("free");
    let address = listener.local_addr().expect("bound").to_string();
    let silent = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    for command in [&["call", "greeter", "hello"][..], &["services"], &["health"], &["stats"]] {
        let started = tokio::time::Instant::now();
        let arguments = [command, &["--address", &address, "--timeout", "500ms"]].concat();
        let text = lab.run(&arguments).await.failed(4);
        assert!(started.elapsed() < Duration::from_secs(4), "{command:?}");
        assert!(text.contains(&address) && text.contains("500ms"), "{command:?}: {text}");
    }
    silent.abort();
}

#[tokio::test]
async fn help_names_every_command_and_the_exit_codes() {
    let lab = Lab::new();
    let help = lab.run(&["--help"]).await.done();
    let words =
        ["services", "nodes", "describe", "call", "stream", "stats", "health", "bench", "doctor", "completions"];
    for word in words.into_iter().chain(["Exit codes:", "130"]) {
        assert!(help.contains(word), "{word}: {help}");
    }
    assert!(lab.run(&["--version"]).await.done().starts_with("motet "));
}

#[tokio::test]
async fn the_manual_names_every_command_option_and_exit_code() {
    let lab = Lab::new();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    let manual = std::fs::read_to_string(path).expect("the manual");
    let help = lab.run(&["--help"]).await.done();
    let (_, commands) = help.split_once("Commands:\n").expect("commands");
    let (commands, _) = commands.split_once("\n\n").expect("an end");
    let names: Vec<_> = commands.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.contains(&"bench") && names.contains(&"help"), "{names:?}");
    for name in names.iter().filter(|name| **name != "help") {
        assert!(manual.contains(&format!("motet {name}")), "{name} is not in docs/cli.md");
    }
    for command in ["bench", "doctor"] {
        let help = lab.run(&[command, "-h"]).await.done();
        let (own, _) = help.split_once("Options of every command:").expect("its own come first");
        let options = own.split([' ', ',']).filter(|word| word.starts_with("--") && !word.starts_with("--help"));
        for option in options.filter(|option| *option != "--version") {
            assert!(manual.contains(option.trim_end()), "{option} of {command} is not in docs/cli.md");
        }
    }
    let (_, codes) = help.split_once("Exit codes:\n").expect("codes");
    for code in codes.lines().filter_map(|line| line.split_whitespace().next()?.parse::<u8>().ok()) {
        assert!(manual.contains(&format!("| {code} |")), "exit code {code} is not in docs/cli.md");
    }
}

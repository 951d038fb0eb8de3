//! `completions`, and what a shell is told when it asks.

use tokio::process::Command;

use crate::lab::{Lab, finish};

#[tokio::test]
async fn every_shell_gets_a_script_that_asks_this_program() {
    let lab = Lab::new();
    for (shell, part) in [
        ("bash", "complete "),
        ("zsh", "compdef"),
        ("fish", "complete --"),
        ("elvish", "edit:completion:arg-completer"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let script = lab.run(&["completions", shell]).await.done();
        assert!(script.contains(part) && script.contains("MOTET_COMPLETE"), "{shell}: {script}");
        assert!(script.contains(env!("CARGO_BIN_EXE_motet")), "{shell}: {script}");
    }
    let text = lab.run(&["completions", "tcsh"]).await.failed(2);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(text.contains(shell), "{text}");
    }
}

/// What fish would offer behind these words, the last of which is being written.
async fn offered(lab: &Lab, words: &[&str]) -> Vec<String> {
    let mut command: Command = lab.command(&[&["--", "motet"], words].concat());
    command.env("MOTET_COMPLETE", "fish");
    let out = finish(command.spawn().expect("runs")).await.done();
    out.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn services_and_methods_are_offered_as_they_are_registered() {
    let (lab, _app, _hear) = Lab::serving().await;
    for command in ["call", "stream", "bench", "describe", "nodes", "stats", "health"] {
        assert_eq!(offered(&lab, &[command, "g"]).await, ["greeter"], "{command}");
        assert_eq!(offered(&lab, &[command, "x"]).await, [""; 0], "{command}");
    }
    for command in ["call", "stream", "bench", "describe"] {
        assert_eq!(offered(&lab, &[command, "greeter", "h"]).await, ["hang", "hello"], "{command}");
        assert_eq!(offered(&lab, &[command, "--timeout", "5s", "tools", "m"]).await, ["mirror"], "{command}");
    }
    let elsewhere = format!("static:other={}", "127.0.0.1:1");
    assert_eq!(offered(&lab, &["call", "--registry", &elsewhere, "o"]).await, ["other"]);
}

#[tokio::test]
async fn commands_options_and_their_values_are_offered() {
    let lab = Lab::new();
    assert_eq!(offered(&lab, &["be"]).await, ["bench"]);
    assert_eq!(offered(&lab, &["bench", "--conc"]).await, ["--concurrency"]);
    assert_eq!(offered(&lab, &["completions", "b"]).await, ["bash"]);
    assert_eq!(offered(&lab, &["call", "--codec", "m"]).await, ["msgpack"]);
}

#[tokio::test]
async fn a_registry_that_cannot_be_read_offers_nothing_and_says_nothing() {
    let lab = Lab::new();
    std::fs::write(lab.path().join("registry"), "a file").expect("written");
    assert_eq!(offered(&lab, &["call", "g"]).await, [""; 0]);
    assert_eq!(offered(&lab, &["call", "--registry", "nonsense", "g"]).await, [""; 0]);
}

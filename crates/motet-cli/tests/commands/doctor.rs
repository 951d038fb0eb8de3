//! `doctor`: situations that were broken on purpose.

use std::{fs, os::unix::fs::PermissionsExt, process::Stdio, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Child,
};

use crate::{
    lab::{Ended, Lab, finish},
    views::free_port,
};

/// The program as nothing but the test says: no configuration of the tester's counts.
async fn doctor(lab: &Lab, arguments: &[&str]) -> Ended {
    finish(command(lab, arguments).spawn().expect("runs")).await
}

fn command(lab: &Lab, arguments: &[&str]) -> tokio::process::Command {
    let mut command = lab.command(&[&["doctor"], arguments].concat());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MOTET_") {
            command.env_remove(name);
        }
    }
    if !arguments.contains(&"--timeout") {
        // Enough for a compiler to say its version on a busy machine.
        command.args(["--timeout", "15s"]);
    }
    command.env("MOTET_REGISTRY", lab.url()).current_dir(lab.path());
    command
}

/// What was found in an area, each with its state; and the exit code.
async fn found(lab: &Lab, arguments: &[&str], area: &str) -> (Vec<(String, String)>, i32) {
    let ended = doctor(lab, &[arguments, &["--json"]].concat()).await;
    let result: Value = serde_json::from_str(&ended.out).expect("JSON");
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let all = result["findings"].as_array().expect("a list");
    for finding in all {
        assert_eq!(finding["state"] == "ok", finding["fix"].is_null(), "what to do is said: {finding}");
    }
    let count = |state: &str| all.iter().filter(|finding| finding["state"] == state).count() as u64;
    assert_eq!(result["problems"].as_u64(), Some(count("problem")), "{result}");
    assert_eq!(result["warnings"].as_u64(), Some(count("warning")), "{result}");
    assert_eq!(result["healthy"], ended.code == 0, "{result}");
    assert_eq!(ended.code, if count("problem") == 0 { 0 } else { 6 }, "{result}");
    let own = all.iter().filter(|finding| finding["area"] == area);
    (own.map(|finding| (text(finding, "state"), text(finding, "what"))).collect(), ended.code)
}

#[track_caller]
fn assert_one(found: &[(String, String)], state: &str, says: &[&str]) {
    let is = |(found, what): &&(String, String)| found == state && says.iter().all(|says| what.contains(says));
    assert_eq!(found.iter().filter(is).count(), 1, "{state} {says:?} in {found:#?}");
}

/// `motet demo` as a process of its own.
async fn demo(lab: &Lab) -> (Child, u32) {
    let mut child = lab.command(&["demo"]).stderr(Stdio::null()).spawn().expect("runs");
    let id = child.id().expect("it runs");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let serves = async {
        while let Some(line) = lines.next_line().await.expect("read") {
            if line.contains("Ctrl-C stops") {
                return;
            }
        }
        panic!("it ended");
    };
    tokio::time::timeout(Duration::from_secs(20), serves).await.expect("in time");
    (child, id)
}

fn signal(name: &str, id: u32) {
    assert!(std::process::Command::new("kill").args([name, &id.to_string()]).status().expect("kill").success());
}

#[tokio::test]
async fn where_all_is_well_it_says_so_with_what_it_looked_at() {
    let (lab, app, _hear) = Lab::serving().await;
    let address = app.endpoints()[0].to_string();
    let ended = doctor(&lab, &[]).await;
    assert_eq!((ended.code, &*ended.err), (0, ""), "{}", ended.out);
    for text in [
        "STATE",
        "program",
        "limits",
        "toolchain",
        "clock",
        "config",
        "registry",
        "2 nodes in it",
        "ports",
        "rustc 1.",
        &format!("{address} (greeter, tools) answers in "),
    ] {
        assert!(ended.out.contains(text), "{text}: {}", ended.out);
    }
    assert!(!ended.out.contains("problem "), "{}", ended.out);
    let result: Value = serde_json::from_str(&doctor(&lab, &["--json"]).await.out).expect("JSON");
    assert_eq!((&result["healthy"], &result["place"]), (&true.into(), &lab.url().into()));
    let (nodes, code) = found(&lab, &["--address", &app.endpoints()[0].address], "nodes").await;
    assert_eq!(code, 0);
    assert_one(&nodes, "ok", &[&app.endpoints()[0].address, "answers in", "with motet "]);
}

#[tokio::test]
async fn it_changes_nothing() {
    let lab = Lab::new();
    assert_eq!(doctor(&lab, &[]).await.code, 0, "an absent registry is made by the first service");
    assert!(!lab.path().join("registry").exists());
    let (_app, _hear) = lab.serve().await;
    let files = || {
        let all = fs::read_dir(lab.path().join("registry")).expect("listed");
        let mut names: Vec<_> = all.map(|file| file.expect("a file").file_name()).collect();
        names.sort();
        names
    };
    let before = files();
    assert_eq!(doctor(&lab, &[]).await.code, 0);
    assert_eq!(files(), before);
}

#[tokio::test]
async fn what_a_killed_process_left_is_a_warning() {
    let lab = Lab::new();
    let (mut child, id) = demo(&lab).await;
    assert_eq!(found(&lab, &[], "nodes").await.1, 0);
    child.kill().await.expect("killed");
    let (registry, code) = found(&lab, &[], "registry").await;
    assert_eq!(code, 0, "{registry:?}");
    let ended = format!("process {id} has ended and left 6 records behind: bank~");
    assert_one(&registry, "warning", &[&ended, "greeter~"]);
    let (nodes, _) = found(&lab, &[], "nodes").await;
    assert_one(&nodes, "ok", &["no service is registered"]);
}

#[tokio::test]
async fn a_process_that_is_stopped_is_a_problem_with_the_command_that_lets_it_go_on() {
    let lab = Lab::new();
    let (_child, id) = demo(&lab).await;
    signal("-STOP", id);
    let ended = doctor(&lab, &["--timeout", "2s"]).await;
    signal("-CONT", id);
    assert_eq!(ended.code, 6, "{}", ended.out);
    assert!(ended.out.contains("has not answered within") && ended.out.contains("→ "), "{}", ended.out);
    if cfg!(target_os = "linux") {
        assert!(ended.out.contains(&format!("kill -CONT {id}")), "{}", ended.out);
    }
}

#[tokio::test]
async fn a_node_that_is_registered_where_nobody_listens_is_a_problem() {
    let lab = Lab::new();
    let (gone, registry) = (free_port(), |port: u16| format!("static:greeter=127.0.0.1:{port}"));
    let (nodes, code) = found(&lab, &["--registry", &registry(gone)], "nodes").await;
    assert_eq!(code, 6);
    assert_one(&nodes, "problem", &[&gone.to_string(), "greeter", "refused"]);
    let address = format!("127.0.0.1:{gone}");
    let (nodes, code) = found(&lab, &["--address", &address], "nodes").await;
    assert_eq!(code, 6);
    assert_one(&nodes, "problem", &[&address, "cannot be reached"]);
}

#[tokio::test]
async fn a_node_at_whose_address_another_program_answers_is_a_problem() {
    let (lab, app, _hear) = Lab::serving().await;
    let registry = format!("static:orders={}", app.endpoints()[0].address);
    let (nodes, code) = found(&lab, &["--registry", &registry], "nodes").await;
    assert_eq!(code, 6);
    assert_one(&nodes, "problem", &["`orders` is registered at", "another program answers there"]);
}

#[tokio::test]
async fn an_address_that_says_nothing_ends_at_the_time_limit() {
    let lab = Lab::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("free");
    let address = listener.local_addr().expect("bound");
    let registry = format!("static:a={address},b={address}");
    let started = tokio::time::Instant::now();
    let (nodes, code) = found(&lab, &["--registry", &registry, "--timeout", "1s"], "nodes").await;
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(code, 6);
    assert_one(&nodes, "problem", &[&address.to_string(), "(a, b)", "has not answered within"]);
}

#[tokio::test]
async fn a_module_that_is_not_ready_is_a_warning() {
    let lab = Lab::new();
    let app = motet::App::builder().registry(lab.url()).service(crate::fixture::tools()).module(crate::views::Cold);
    let _app = app.start().await.expect("starts");
    let (nodes, code) = found(&lab, &[], "nodes").await;
    assert_eq!(code, 0);
    assert_one(&nodes, "warning", &["is not ready: cold: the cache is cold"]);
}

#[tokio::test]
async fn a_registry_that_is_not_safe_is_a_problem() {
    let lab = Lab::new();
    let folder = lab.path().join("registry");
    fs::create_dir(&folder).expect("made");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("opened");
    let (registry, code) = found(&lab, &[], "registry").await;
    assert_eq!(code, 6);
    assert_one(&registry, "problem", &["mode 0755", "chmod 700"]);
    fs::remove_dir(&folder).expect("removed");
    fs::write(&folder, "a file").expect("written");
    assert_one(&found(&lab, &[], "registry").await.0, "problem", &["is not a folder"]);
    for (url, says) in [("fle:", "did you mean file:?"), ("file://host/x", "file:///"), ("memory:", "seen only by")] {
        let (registry, code) = found(&lab, &["--registry", url], "registry").await;
        assert_eq!(code, 6, "{url}");
        assert_one(&registry, "problem", &[says]);
    }
}

#[tokio::test]
async fn records_that_cannot_be_read_or_come_from_the_future_are_warnings() {
    let (lab, app, _hear) = Lab::serving().await;
    let name = format!("greeter~{}.node", app.nodes().iter().find(|n| n.service == "greeter").expect("one").id);
    let file = fs::File::options().write(true).open(lab.path().join("registry").join(&name)).expect("opens");
    file.set_modified(std::time::SystemTime::now() + Duration::from_secs(7200)).expect("set");
    let odd = lab.path().join("registry").join("odd~1.node");
    let odd = fs::File::create(odd).expect("made");
    odd.lock().expect("locked");
    std::io::Write::write_all(&mut &odd, b"{\"version\":9}").expect("written");
    let (clock, code) = found(&lab, &[], "clock").await;
    assert_eq!(code, 0);
    assert_one(&clock, "warning", &[&name, "in the future"]);
    assert_one(&found(&lab, &[], "registry").await.0, "warning", &["odd~1.node", "cannot be read", "version 9"]);
}

#[tokio::test]
async fn a_configuration_that_a_service_would_refuse_is_a_problem() {
    let lab = Lab::new();
    let usual = lab.path().join("motet.toml");
    fs::write(&usual, "[server]\nlisen = 'tcp://127.0.0.1:0'\n").expect("written");
    let (config, code) = found(&lab, &[], "config").await;
    assert_eq!(code, 6);
    assert_one(&config, "problem", &["motet.toml", "server.lisen", "did you mean \"listen\"?"]);
    fs::write(&usual, "[server]\nlisten = 'tcp://127.0.0.1:0'\n[sever]\n").expect("written");
    let (config, code) = found(&lab, &[], "config").await;
    assert_eq!(code, 0);
    assert_one(&config, "ok", &["motet.toml is valid"]);
    assert_one(&config, "warning", &["\"sever\"; did you mean \"server\"?"]);
    let other = lab.path().join("other.toml");
    fs::write(&other, "[server").expect("written");
    let (config, code) = found(&lab, &["--config", &other.display().to_string()], "config").await;
    assert_eq!(code, 6);
    assert_one(&config, "problem", &["other.toml", "line 1"]);
    let (config, _) = found(&lab, &["--config", "/nowhere/x.toml"], "config").await;
    assert_one(&config, "problem", &["/nowhere/x.toml"]);
}

#[tokio::test]
async fn the_environment_counts_as_it_does_for_a_service() {
    let lab = Lab::new();
    let mut command = command(&lab, &["--json"]);
    command.env("MOTET_SERVER__HEAD_TIMEOUT", "soon");
    let ended = finish(command.spawn().expect("runs")).await;
    assert_eq!(ended.code, 6, "{}", ended.out);
    assert!(ended.out.contains("environment variable MOTET_SERVER__HEAD_TIMEOUT"), "{}", ended.out);
}

#[tokio::test]
async fn a_port_that_another_program_has_is_a_problem_that_names_it() {
    let lab = Lab::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("free");
    let address = listener.local_addr().expect("bound");
    let config = |text: String| fs::write(lab.path().join("motet.toml"), text).expect("written");
    config(format!("[server]\nlisten = 'tcp://{address}'\n"));
    let (ports, code) = found(&lab, &[], "ports").await;
    assert_eq!(code, 6);
    let who = format!("(process {})", std::process::id());
    let who = if cfg!(target_os = "linux") { &who } else { "another program" };
    assert_one(&ports, "problem", &[&address.to_string(), "is used by", who]);
    drop(listener);
    assert_one(&found(&lab, &[], "ports").await.0, "ok", &[&address.to_string(), "is free"]);
    let (app, _hear) = lab.serve().await;
    config(format!("[server]\nlisten = 'tcp://{}'\n", app.endpoints()[0].address));
    let (ports, code) = found(&lab, &[], "ports").await;
    assert_eq!(code, 0);
    assert_one(&ports, "ok", &["is used by a service that is registered"]);
}

#[tokio::test]
async fn without_a_compiler_only_what_needs_one_is_in_doubt() {
    let lab = Lab::new();
    let mut command = command(&lab, &[]);
    command.env("PATH", lab.path()).env_remove("CARGO");
    let ended = finish(command.spawn().expect("runs")).await;
    assert_eq!(ended.code, 0, "{}", ended.out);
    assert!(ended.out.contains("there is no cargo that works") && ended.out.contains("rustup.rs"), "{}", ended.out);
    assert!(ended.out.contains("there is no rustc that works") && ended.out.contains("No problem, "), "{}", ended.out);
}

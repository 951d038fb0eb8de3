//! `motet run`: builds, serves, sees changes, and leaves nothing behind.
#![cfg(target_os = "linux")]

mod run_support;

use std::{process::Command, time::Duration};

use run_support::{Beside, COLD, Place, SOON, WARM, output, runs, signal, wait_until};

/// The line to paste, as it was printed.
fn pasted(place: &Place, run: &mut Beside, patience: Duration) -> Command {
    run.expect("call from another terminal:", patience);
    let line = run.expect(" call ", SOON);
    let mut shell = place.command("sh", ".");
    shell.args(["-c", line.trim()]);
    shell
}

fn answer(place: &Place, line: &str) -> String {
    let mut shell = place.command("sh", ".");
    shell.args(["-c", line]);
    output(shell).1
}

/// The processes of a program.
fn processes(program: &str) -> Vec<u32> {
    let target = run_support::target().join("debug").join(program);
    let all = std::fs::read_dir("/proc").expect("Linux").flatten();
    let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is = |id: &u32| {
        let program = std::fs::read_link(format!("/proc/{id}/exe")).unwrap_or_default();
        // A program that was built anew is gone from where a process has it from.
        program.to_string_lossy().trim_end_matches(" (deleted)") == target.to_string_lossy()
    };
    ids.filter(is).collect()
}

#[test]
fn an_edit_changes_the_answer_and_a_mistake_does_not() {
    let place = Place::new();
    place.project("edited");
    let mut run = Beside::start(place.motet("edited", &["run"]));
    let mut call = pasted(&place, &mut run, COLD);
    let address = run.text().lines().find_map(|line| line.trim().strip_prefix("edited 0.1.0  at ").map(str::to_owned));
    let address = address.expect("where it is").split_once("  by").expect("by whom").0.to_owned();
    let mut ask = || String::from_utf8(call.output().expect("runs").stdout).expect("text");
    assert_eq!(ask().trim(), r#"{"text": "Hello, world!"}"#);

    place.edit("edited/src/lib.rs", "Hello, ", "Good day, ");
    let line = run.expect("serves again at", WARM);
    assert!(line.contains(&address), "the port is kept: {line}, {address}");
    assert_eq!(ask().trim(), r#"{"text": "Good day, world!"}"#);

    place.edit("edited/src/lib.rs", "Ok(GreetReply { text })", "Ok(GreetReply { txt })");
    run.expect("has no field named `txt`", WARM);
    run.expect("what was built before goes on", SOON);
    assert_eq!(ask().trim(), r#"{"text": "Good day, world!"}"#);

    place.edit("edited/src/lib.rs", "Ok(GreetReply { txt })", "Ok(GreetReply { text: text + \"!\" })");
    run.expect("serves again at", WARM);
    assert_eq!(ask().trim(), r#"{"text": "Good day, world!!"}"#);

    // A service finds the folder again, and the pasted line the service.
    std::fs::remove_dir_all(place.path("registry")).expect("removed");
    wait_until("it registers again", SOON, || ask().contains("Good day"));

    run.signal("-INT");
    assert_eq!(run.end(SOON), Some(0), "{}", run.text());
    assert!(processes("edited").is_empty());
}

/// A workspace of three services and a library, of which one fails when it is asked to.
fn shop() -> Place {
    let place = Place::new();
    place.write(
        "Cargo.toml",
        "[workspace]\nresolver = \"3\"\nmembers = [\"orders\", \"stock\", \"brief\", \"words\"]\n",
    );
    let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock");
    std::fs::copy(lock, place.path("Cargo.lock")).expect("copied");
    let motet = concat!(env!("CARGO_MANIFEST_DIR"), "/../motet");
    let package = |name: &str, dependencies: &str| {
        format!(
            "[package]\nname = \"shop-{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[dependencies]\n{dependencies}\n"
        )
    };
    let uses = format!("motet = {{ path = {motet:?} }}\nshop-words = {{ path = \"../words\" }}");
    place.write("words/Cargo.toml", &package("words", ""));
    place.write("words/src/lib.rs", "pub const WORD: &str = include_str!(\"../word.txt\");\n");
    place.write("words/word.txt", "first");
    for name in ["orders", "stock"] {
        place.write(&format!("{name}/Cargo.toml"), &package(name, &uses));
        let main = r#"
            use motet::{Context, Router};
            #[motet::main]
            async fn main() -> motet::Result<()> {
                println!("this is NAME");
                let router = Router::new()
                    .args("say", ["text"], |_: Context, text: String| async move { Ok(format!("{}: {text}", shop_words::WORD)) })
                    .args("crash", [], |_: Context| async move { if true { std::process::exit(7) } Ok(()) })
                    .args("hang", [], |_: Context| async move { std::future::pending::<motet::Result<()>>().await });
                motet::Service::new("shop-NAME").serve(router).run().await
            }"#;
        place.write(&format!("{name}/src/main.rs"), &main.replace("NAME", name));
    }
    place.write("brief/Cargo.toml", &package("brief", &uses));
    place.write("brief/src/main.rs", "fn main() { println!(\"{}\", shop_words::WORD); std::process::exit(3) }\n");
    place
}

#[test]
fn the_services_of_a_workspace_run_together_and_come_back() {
    let place = shop();
    let mut run = Beside::start(place.motet(".", &["run", "shop-orders", "shop-stock"]));
    run.expect("call from another terminal:", COLD);
    let text = run.text();
    for expected in
        ["shop-orders | this is orders", "shop-stock  | this is stock", "shop-orders 0.0.0", "shop-stock 0.0.0"]
    {
        assert!(text.contains(expected), "{expected:?} in:\n{text}");
    }
    let say = format!(r#"{} call shop-stock say '{{"text":"hi"}}'"#, env!("CARGO_BIN_EXE_motet"));
    run.expect(r#" call shop-stock say '{"text":"hello"}'"#, SOON);
    assert!(answer(&place, &say).contains("first: hi"));

    // A file that only cargo knows of, of a package that both depend on.
    place.write("words/word.txt", "second");
    run.expect("words/word.txt has changed", SOON);
    run.expect("serves again", WARM);
    run.expect("serves again", SOON);
    assert!(answer(&place, &say).contains("second: hi"));

    let crash = format!("{} call shop-stock crash --timeout 2s", env!("CARGO_BIN_EXE_motet"));
    answer(&place, &crash);
    run.expect("shop-stock ended by itself (exit status: 7); starts again in 1 s", SOON);
    run.expect("shop-stock serves again", SOON);
    assert!(answer(&place, &say).contains("second: hi"));

    run.signal("-TERM");
    assert_eq!(run.end(SOON), Some(0), "{}", run.text());
    assert!(processes("shop-orders").is_empty() && processes("shop-stock").is_empty());
}

#[test]
fn what_fails_is_reported_and_started_again_by_a_change() {
    let place = shop();
    let mut once = Beside::start(place.motet(".", &["run", "shop-brief", "--once"]));
    // The program's own line and those about it come by two pipes, in any order.
    assert_eq!(once.end(COLD), Some(5));
    for line in ["shop-brief | first", "shop-brief ended by itself (exit status: 3)", "a program ended with an error"] {
        wait_until(line, SOON, || once.text().contains(line));
    }

    let mut run = Beside::start(place.motet(".", &["run", "shop-brief"]));
    run.expect("starts again in 1 s", WARM);
    run.expect("starts again in 2 s", SOON);
    place.write("brief/src/main.rs", "fn main() { println!(\"done\") }\n");
    run.expect("shop-brief | done", WARM);
    run.expect("shop-brief has finished; starts again when a source file changes", SOON);
    place.write("brief/src/main.rs", "fn main() { println!(\"more\") }\n");
    run.expect("shop-brief | more", WARM);
}

#[test]
fn nothing_is_left_when_motet_run_is_killed() {
    let place = Place::new();
    place.project("orphan");
    let mut run = Beside::start(place.motet("orphan", &["run"]));
    pasted(&place, &mut run, COLD);
    let services = processes("orphan");
    assert_eq!(services.len(), 1);
    signal("-KILL", run.id());
    wait_until("the service ends", SOON, || services.iter().all(|id| !runs(*id)));
}

#[test]
fn what_a_service_has_started_ends_with_it() {
    let place = Place::new();
    let word = format!("deaf-{}", std::process::id());
    place.project("stubborn");
    place.write(
        "stubborn/src/main.rs",
        &r#"fn main() {
            std::process::Command::new("sh").args(["-c", "trap '' TERM; echo WORD; while :; do sleep 1; done"])
                .status().expect("a shell");
        }"#
        .replace("WORD", &word),
    );
    // The program itself ends when it is asked to, the shell that it has started does not.
    let mut run = Beside::start(place.motet("stubborn", &["run"]));
    run.expect(&format!("stubborn | {word}"), COLD);
    assert_eq!(shells(&word), 1);
    run.signal("-INT");
    assert_eq!(run.end(SOON), Some(0), "{}", run.text());
    wait_until("the shell ends with it", SOON, || shells(&word) == 0);
}

#[test]
fn a_second_signal_ends_at_once_what_does_not_stop() {
    let place = shop();
    let mut run = Beside::start(place.motet(".", &["run", "shop-orders", "--stop-timeout", "600"]));
    run.expect("call from another terminal:", COLD);
    let _hangs = Beside::start(place.motet(".", &["call", "shop-orders", "hang", "--timeout", "10m"]));
    let inside = format!("{} stats shop-orders", env!("CARGO_BIN_EXE_motet"));
    wait_until("the call is there", SOON, || answer(&place, &inside).contains("hang"));
    run.signal("-INT");
    run.expect("stopping", SOON);
    std::thread::sleep(Duration::from_millis(500));
    assert!(runs(run.id()));
    run.signal("-INT");
    assert_eq!(run.end(SOON), Some(5), "{}", run.text());
    assert!(processes("shop-orders").is_empty());
}

/// How many shells run a script that has this word.
fn shells(word: &str) -> usize {
    let all = std::fs::read_dir("/proc").expect("Linux").flatten();
    let lines = all.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| line.starts_with(b"sh\0-c\0trap") && String::from_utf8_lossy(line).contains(word)).count()
}

#[test]
fn a_mistake_says_what_to_do_next() {
    let place = Place::new();
    place.write("plain/Cargo.toml", "[package]\nname = \"plain\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
    place.write("plain/src/main.rs", "fn main() {}\n");
    place.write("broken/Cargo.toml", "[package\n");
    std::fs::create_dir(place.path("none")).expect("made");
    for (folder, arguments, code, expected) in [
        ("none", &["run"][..], 2, "motet new hello"),
        ("plain", &["run"], 2, "no package in"),
        ("plain", &["run", "other"], 2, "`other` is not in this workspace"),
        ("broken", &["run"], 5, "cargo cannot read the project"),
        ("none", &["run", "--watch"], 2, "--watch"),
    ] {
        let mut command = place.motet(folder, arguments);
        assert_eq!(command.status().expect("runs").code(), Some(code), "{folder} {arguments:?}");
        let (_, said) = output(command);
        assert!(said.contains(expected), "{said}");
    }
    let mut command = place.motet("plain", &["run"]);
    command.env("CARGO", "/nowhere/cargo");
    let (good, said) = output(command);
    assert!(!good && said.contains("cargo cannot be run") && said.contains("rustup.rs"), "{said}");
}

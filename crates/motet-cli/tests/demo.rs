//! `motet demo`: every line that it prints can be pasted.
#![cfg(unix)]

mod run_support;

use run_support::{Beside, Place, SOON, output};

/// What each line answers, in the order of the lines: whether it goes well, and parts of what it
/// prints.
const ANSWERS: [(bool, &str, &[&str]); 11] = [
    (true, "services", &["bank", "chat", "clock", "greeter", "totals", "words"]),
    (true, "describe bank", &["withdraw", "amount"]),
    (true, "call greeter hello", &["Hello, world!"]),
    (false, "call greeter hello", &["name", "length"]),
    (false, "call bank withdraw", &["BankError.NotEnough", "100", "500"]),
    (true, "call words reverse", &["desserts"]),
    (true, "stream clock ticks", &["\"number\": 1", "\"number\": 3"]),
    (true, "stream totals sum", &["\"count\": 3", "\"sum\": 6"]),
    (true, "stream chat talk", &["you said \\\"hello\\\"", "you said \\\"bye\\\""]),
    (true, "stats", &["hello", "withdraw"]),
    (true, "health", &["greeter"]),
];

fn start(place: &Place) -> (Beside, Vec<String>) {
    let mut demo = Beside::start(place.motet(".", &["demo"]));
    demo.expect("try in another terminal:", SOON);
    demo.expect("Ctrl-C stops.", SOON);
    let text = demo.text();
    let lines = text.lines().skip_while(|line| !line.starts_with("try in")).skip(1);
    let lines =
        lines.filter(|line| line.starts_with("  ") && !line.starts_with("  #")).map(|line| line.trim().to_owned());
    let lines = lines.collect();
    (demo, lines)
}

#[test]
fn every_line_that_is_printed_works_as_printed() {
    let place = Place::new();
    let (mut demo, lines) = start(&place);
    let (curl, lines) = lines.split_last().expect("lines");
    assert_eq!(lines.len(), ANSWERS.len(), "{lines:#?}");
    assert!(run_support::curl(curl).ends_with(r#"{"text":"Hello, world!"}"#), "{curl}");
    for (line, (well, shown, parts)) in lines.iter().zip(ANSWERS) {
        assert!(line.contains(shown), "{line}");
        let mut shell = place.command("sh", ".");
        // As in a terminal where nothing was set.
        shell.args(["-c", line]).env_remove("MOTET_REGISTRY");
        let (good, said) = output(shell);
        assert_eq!(good, well, "{line}\n{said}");
        for part in parts {
            assert!(said.contains(part), "{part:?} in what this prints:\n{line}\n{said}");
        }
    }
    demo.signal("-INT");
    assert_eq!(demo.end(SOON), Some(0), "{}", demo.text());
}

#[test]
fn a_second_demo_is_a_second_node() {
    let place = Place::new();
    let (first, _) = start(&place);
    let (mut second, lines) = start(&place);
    let (good, said) = output(place.motet(".", &["nodes", "greeter", "--json"]));
    assert!(good && said.matches("127.0.0.1:").count() == 2, "{said}");
    second.signal("-TERM");
    assert_eq!(second.end(SOON), Some(0));
    let mut shell = place.command("sh", ".");
    shell.args(["-c", &lines[2]]);
    assert!(output(shell).1.contains("Hello, world!"), "{}", first.text());
}

#[test]
fn a_stream_without_end_does_not_hold_up_the_stop() {
    let place = Place::new();
    let (mut demo, _) = start(&place);
    let mut ticks = Beside::start(place.motet(".", &["stream", "clock", "ticks", r#"{"every_ms":50}"#]));
    ticks.expect("\"number\": 2", SOON);
    demo.signal("-INT");
    assert_eq!(demo.end(SOON), Some(0), "{}", demo.text());
}

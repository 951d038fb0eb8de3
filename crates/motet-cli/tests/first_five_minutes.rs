//! docs/first-five-minutes.md, followed word for word.
#![cfg(unix)]

mod run_support;

use std::{path::Path, process::Command, time::Duration};

use run_support::{Beside, COLD, Place, SOON, WARM, output, wait_until};
use tokio::time::Instant;

/// The page's blocks of code: the language and the text of each.
fn blocks(page: &str) -> Vec<(&str, &str)> {
    let mut blocks = Vec::new();
    let mut rest = page;
    while let Some((_, begun)) = rest.split_once("\n```") {
        let (language, begun) = begun.split_once('\n').expect("a line");
        let (text, after) = begun.split_once("\n```").expect("an end");
        blocks.push((language, text));
        rest = after;
    }
    blocks
}

/// A reader, who has a folder, a terminal or two, and the command once it is installed.
struct Reader {
    place: Place,
    target: tempfile::TempDir,
}

impl Reader {
    fn command(&self, program: &str, folder: &str) -> Command {
        let mut command = self.place.command(program, folder);
        let path = std::env::var("PATH").expect("a path");
        command.env("PATH", format!("{}:{path}", self.place.path("root/bin").display()));
        // The registry of this machine, as for a reader, but in a folder for temporary files of one's own.
        command.env_remove("MOTET_REGISTRY").env("TMPDIR", self.place.path("."));
        command.env("CARGO_INSTALL_ROOT", self.place.path("root")).env("CARGO_TARGET_DIR", self.target.path());
        command
    }

    fn types(&self, line: &str, folder: &str) -> (bool, String) {
        let mut shell = self.command("sh", folder);
        shell.args(["-c", line]);
        output(shell)
    }
}

#[test]
fn the_page_is_true() {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(checkout.join("docs/first-five-minutes.md")).expect("the page");
    let blocks = blocks(&page);
    let [install, make, banner, call, first, old, new, again, same, second, ..] = blocks[..] else {
        panic!("the page has other blocks: {blocks:#?}");
    };
    let languages = [install, make, banner, call, first, old, new, again, same, second].map(|block| block.0);
    assert_eq!(languages, ["sh", "sh", "text", "sh", "json", "rust", "rust", "text", "sh", "json"]);

    // An empty folder to build the project in: the first build is as cold as a reader's.
    let reader = Reader { place: Place::new(), target: tempfile::tempdir().expect("a folder") };
    let mut cargo = reader.command("sh", ".");
    cargo.args(["-c", install.1]).current_dir(&checkout);
    // The command itself is built where it was before, and quickly: the page is about what it does.
    cargo.env("CARGO_TARGET_DIR", run_support::target()).env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0");
    let (good, said) = output(cargo);
    assert!(good, "{said}");

    let steps: Vec<_> = make.1.lines().collect();
    assert_eq!(steps, ["motet new hello", "cd hello", "motet run"]);
    let (good, said) = reader.types(steps[0], ".");
    assert!(good && said.contains("cd hello") && said.contains("motet run"), "{said}");

    let begun = Instant::now();
    let mut run = reader.command("motet", "hello");
    run.arg("run");
    let mut run = Beside::start(run);
    let printed: Vec<_> = banner.1.lines().collect();
    run.expect("serving after", COLD);
    let serving = run.expect("hello 0.1.0  at tcp://127.0.0.1:", SOON);
    run.expect(printed[3], SOON);
    let line = run.expect("motet ", SOON);
    assert_eq!(line.trim(), call.1);
    assert!(line.trim() == printed[4].trim() && serving.ends_with("by hello"), "{serving}\n{line}");
    let answered = reader.types(call.1, ".");
    let cold = begun.elapsed();
    assert!(run_support::curl(&run.expect("curl http://", SOON)).ends_with(r#"{"text":"Hello, world!"}"#));
    assert_eq!((answered.0, answered.1.trim()), (true, first.1));

    let mut warm = Duration::ZERO;
    let address = serving.trim().split("  ").nth(1).expect("an address").to_owned();
    for (from, to, expected) in [(old.1, new.1, second.1), (new.1, old.1, first.1), (old.1, new.1, second.1)] {
        let begun = Instant::now();
        reader.place.edit("hello/src/lib.rs", from, to);
        wait_until("the new answer", WARM, || reader.types(same.1, ".").1.trim() == expected);
        warm = warm.max(begun.elapsed());
        let line = run.expect("motet: hello serves again", SOON);
        assert!(line.contains(&address) && again.1.contains("hello serves again at tcp://127.0.0.1:"), "{line}");
    }
    println!(
        "first answer {:.1} s after motet run; at most {:.1} s after an edit",
        cold.as_secs_f64(),
        warm.as_secs_f64()
    );
    assert!(cold < COLD && warm < Duration::from_secs(30), "{cold:?} {warm:?}");

    run.signal("-INT");
    assert_eq!(run.end(SOON), Some(0), "{}", run.text());
    assert!(run.text().contains("hello |"));
}

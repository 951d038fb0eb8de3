//! The binary as it is used: processes started, rows written, tables printed.
#![cfg(target_os = "linux")]

use std::process::{Command, Output};

use serde_json::Value;

fn motet_bench(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_motet-bench")).args(arguments).output().expect("the binary runs")
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).expect("text")
}

#[test]
fn a_short_run_writes_a_row_for_every_system_and_reports_it_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rows.json");
    let file = file.to_str().expect("a path of text");
    let run = motet_bench(&[
        "--rounds",
        "1",
        "--messages",
        "small",
        "--shapes",
        "2:10",
        "--warm-up",
        "0.02",
        "--seconds",
        "0.1",
        "--json",
        file,
    ]);
    let printed = text(&run);
    let rows: Vec<Value> = std::fs::read_to_string(file)
        .expect("the file of rows")
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect();
    let systems: Vec<_> = rows.iter().filter_map(|row| row["system"].as_str()).collect();
    for known in ["floor-raw", "floor-codec", "tonic", "tarpc"] {
        assert!(systems.contains(&known), "{systems:?}");
        assert!(printed.contains(known), "{printed}");
    }
    for row in &rows {
        assert_eq!(row["connections"], 2, "{row}");
        assert_eq!(row["in_flight"], 10, "{row}");
        for number in ["rps", "p50_us", "p99_us", "server_cpu_us", "client_cpu_us", "rss_kb"] {
            assert!(row[number].as_f64().is_some_and(|value| value > 0.0), "{number} of {row}");
        }
    }
    let report = text(&motet_bench(&["report", file]));
    assert!(printed.ends_with(&report), "{printed}\n---\n{report}");
}

#[test]
fn an_unknown_system_is_named_and_fails_the_run() {
    let output = motet_bench(&["--only", "cobra"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("cobra"));
}

#[test]
fn allocations_say_how_to_be_counted() {
    if cfg!(feature = "count-allocations") {
        return;
    }
    let output = motet_bench(&["allocations"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("count-allocations"));
}

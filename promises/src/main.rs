//! `./test --promises [--write] [P1 P3 …]`: measures promises in their long form, one after the
//! other, prints what came out, and fails if one does not hold. `--write` then puts the figures of
//! all results in `target/promises/` that hold into `docs/promises.md`.
//!
//! The tests run in cargo's debug profile, as in `./test`: what is promised are counts, bounds and
//! ratios within one run. What is measured is written to `target/promises/P1.json`.

use std::{
    error::Error,
    fs,
    process::{Command, ExitCode},
};

use motet_promises::{LIST, Promise, Record, Test, folder, page};

const USAGE: &str = "usage: ./test --promises [--write] [P1 P3 …]";

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Says whether all promises hold.
fn run(arguments: impl Iterator<Item = String>) -> Result<bool, Box<dyn Error>> {
    let (mut write, mut chosen) = (false, Vec::new());
    for argument in arguments {
        match argument.as_str() {
            "--write" => write = true,
            "--help" | "-h" => {
                println!("{USAGE}");
                return Ok(true);
            }
            id => chosen.push(Promise::named(id).ok_or_else(|| unknown(id))?),
        }
    }
    if chosen.is_empty() {
        chosen.extend(LIST);
    }
    build(&chosen)?;
    let mut results = Vec::new();
    for promise in chosen {
        results.push((promise, measure(promise)?));
    }
    print(&results);
    if write {
        let measured = LIST.iter().filter_map(|promise| Record::read(&file(promise)).ok());
        let holding: Vec<Record> = measured.filter(|record| record.pass).collect();
        fs::write(page::path(), page::with(&fs::read_to_string(page::path())?, &holding))?;
        let ids: Vec<_> = holding.iter().map(|record| record.promise.as_str()).collect();
        println!("\ndocs/promises.md has the figures of {}", ids.join(", "));
    }
    Ok(results.iter().all(|(_, record)| record.as_ref().is_some_and(|record| record.pass)))
}

/// The result of a promise.
fn file(promise: &Promise) -> String {
    format!("{}.json", promise.id)
}

fn unknown(argument: &str) -> String {
    let ids: Vec<_> = LIST.iter().map(|promise| promise.id).collect();
    format!("there is no promise {argument:?}; there are {}\n{USAGE}", ids.join(", "))
}

/// Cargo on the target of a test. One at a time: features may differ where packages are built together.
fn cargo_test(test: &Test) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["test", "--package", test.package, "--test", test.target]);
    if test.package == "motet" {
        // Promises are made of all protocols.
        command.args(["--features", "full"]);
    }
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    command
}

/// Builds all targets beforehand: a compiler at work would be measured, too.
fn build(chosen: &[&Promise]) -> Result<(), Box<dyn Error>> {
    let mut built: Vec<(&str, &str)> = Vec::new();
    for test in chosen.iter().flat_map(|promise| promise.tests) {
        if built.contains(&(test.package, test.target)) {
            continue;
        }
        built.push((test.package, test.target));
        if !cargo_test(test).arg("--no-run").status()?.success() {
            return Err(format!("{} {} does not build", test.package, test.target).into());
        }
    }
    Ok(())
}

/// Runs all tests of a promise as often as it asks for; `None` if one wrote nothing down.
fn measure(promise: &Promise) -> Result<Option<Record>, Box<dyn Error>> {
    let (mut records, mut complete, mut passed) = (Vec::new(), true, true);
    // What an earlier run has left must not be taken for this one's.
    let _ = fs::remove_file(folder().join(file(promise)));
    for run in 1..=promise.runs {
        for (index, test) in promise.tests.iter().enumerate() {
            println!("\n== {} {} ({run} of {})", promise.id, test.name, promise.runs);
            let name = format!("long/{}-{index}.json", promise.id);
            let _ = fs::remove_file(folder().join(&name));
            passed &= run_test(promise, test)?;
            match Record::read(&name) {
                Ok(record) => records.push(record),
                Err(_) => complete = false,
            }
        }
    }
    let Some(mut together) = Record::together(&records).filter(|_| complete) else { return Ok(None) };
    together.pass &= passed;
    together.write(&file(promise))?;
    Ok(Some(together))
}

/// Runs a test in its long form, and says whether it passed.
fn run_test(promise: &Promise, test: &Test) -> Result<bool, Box<dyn Error>> {
    let mut command = cargo_test(test);
    command.args(["--quiet", test.name, "--", "--exact", "--nocapture"]);
    let unset = promise.environment.iter().filter(|(name, _)| std::env::var_os(name).is_none());
    command.env("MOTET_PROMISES", "long").envs(unset.copied());
    Ok(command.status()?.success())
}

fn print(results: &[(&Promise, Option<Record>)]) {
    println!("\n{:<8} {:<6} {:>7}  measured", "promise", "holds", "seconds");
    for (promise, record) in results {
        match record {
            Some(record) => {
                let holds = if record.pass { "yes" } else { "NO" };
                println!("{:<8} {holds:<6} {:>7.0}  {}", promise.id, record.seconds, record.line());
                for figure in record.figures.iter().filter(|figure| !figure.passes()) {
                    println!("{:<24} {figure}: {}", "", figure.limit());
                }
            }
            None => println!("{:<8} {:<6} {:>7}  a test of it ended without a result; see above", promise.id, "NO", ""),
        }
    }
}

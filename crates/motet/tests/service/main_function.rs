//! `#[motet::main]`, on functions of other names.

use std::{
    fmt,
    process::{Command, ExitCode, Output, Termination},
};

use motet::{Code, Result, Status};
use tokio::runtime::{Handle, RuntimeFlavor};

#[motet::main]
async fn plain() {
    tokio::task::yield_now().await;
}

/// Docs and errors stay.
#[motet::main(workers = 2)]
async fn fails() -> Result<u32> {
    assert_eq!(Handle::current().runtime_flavor(), RuntimeFlavor::MultiThread);
    Err(Status::aborted("as told"))?;
    Ok(1)
}

#[motet::main(workers = 1)]
async fn alone() -> RuntimeFlavor {
    Handle::current().runtime_flavor()
}

#[test]
fn main_runs_on_a_runtime_and_returns_what_it_returns() {
    plain();
    assert_eq!(fails().expect_err("it fails").code(), Code::Aborted);
    assert!(matches!(alone(), RuntimeFlavor::CurrentThread | RuntimeFlavor::MultiThread));
}

/// An error whose `Debug` is not for people.
#[derive(Debug)]
struct Refused {
    _why: u32,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the disk is full")
    }
}

mod with_text {
    #[motet::main]
    pub(super) async fn main() -> Result<(), super::Refused> {
        Err(super::Refused { _why: 1 })
    }
}

mod without_text {
    #[motet::main]
    pub(super) async fn main() -> Result<(), Vec<u8>> {
        Err(vec![7])
    }
}

mod exit_code {
    #[motet::main]
    pub(super) async fn main() -> std::process::ExitCode {
        7.into()
    }
}

mod succeeds {
    #[motet::main]
    pub(super) async fn main() -> motet::Result<()> {
        Ok(())
    }
}

#[test]
#[ignore = "the next test runs it in a process of its own"]
fn main_that_fails_with_text() {
    let _ = with_text::main();
}

#[test]
fn an_error_of_main_is_printed_as_people_read_it() {
    let this = std::env::current_exe().expect("a test");
    let test = ["--ignored", "--nocapture", "--exact", "main_function::main_that_fails_with_text"];
    let Output { status, stderr, .. } = Command::new(this).args(test).output().expect("runs");
    let stderr = String::from_utf8(stderr).expect("text");
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert_eq!(stderr, "error: the disk is full\n");
}

#[test]
fn all_else_ends_as_that_of_an_ordinary_main() {
    assert_eq!(without_text::main(), Err(vec![7]));
    assert_eq!(format!("{:?}", exit_code::main().report()), format!("{:?}", ExitCode::from(7)));
    assert_eq!(succeeds::main(), Ok(()));
}

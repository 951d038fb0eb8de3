//! `#[motet::main]`, on functions of other names.

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

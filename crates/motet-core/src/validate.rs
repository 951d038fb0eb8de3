//! Constraints declared on a type, checked before a handler sees a value of it.

use crate::{Result, Status};

/// A type whose values can be checked. `#[motet::message]` implements it from `#[garde(…)]`.
pub trait Validate {
    /// Adds what is wrong with the value to the report.
    fn validate(&self, report: &mut Report) {
        let _ = report;
    }
}

/// What is wrong with a value.
#[derive(Debug, Default)]
pub struct Report {
    violations: Vec<String>,
}

/// Checks a value.
///
/// # Errors
/// InvalidArgument listing field and rule.
pub fn check<T: Validate + ?Sized>(value: &T) -> Result<()> {
    let mut report = Report::default();
    value.validate(&mut report);
    match report.violations.is_empty() {
        true => Ok(()),
        false => Err(Status::invalid_argument(report.violations.join("; "))),
    }
}

//! `motet-bench`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    motet_bench::run()
}

//! `motet-bench-motet`: the processes of the systems that are Motet alone.

use std::process::ExitCode;

fn main() -> ExitCode {
    motet_bench::run_motet()
}

//! Motet and Go's own net/rpc and net/rpc/jsonrpc, in all four pairings.
//!
//! `motet-interop-netrpc GO [--write PAGE]` takes the program built from `interop/go/netrpc`, runs every
//! case of every pairing, prints a table and writes it into a page between the marks that name it.
//! `… serve` and `… call FLAVOUR ADDRESS CASE` are the Motet side as processes of their own.

mod cases;
mod drive;
mod world;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        ["serve"] => world::serve_until_input_ends().await,
        ["call", flavour, address, case] => cases::call(flavour, address, case).await,
        [go] => drive::all(go, None).await,
        [go, "--write", page] => drive::all(go, Some(page)).await,
        _ => Err("usage: motet-interop-netrpc GO [--write PAGE]".to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

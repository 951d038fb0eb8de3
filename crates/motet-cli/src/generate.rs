//! `motet gen`: Rust from `.proto` files, as a build script makes it.

use std::path::PathBuf;

use motet_build::Builder;

use crate::{
    failure::{Failure, Outcome},
    global::Global,
    output::Output,
};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "A build script does the same at every build: motet_build::compile(&[\"shop.proto\"], &[\"proto\"])"
)]
pub(crate) struct Args {
    /// The .proto files.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// A folder in which imports are looked up; may be given several times. The folders of the files if
    /// absent.
    #[arg(long, short = 'I', value_name = "FOLDER")]
    include: Vec<PathBuf>,
    /// Write the code into this file; without it, it is printed.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Register a service under another name than its full one: `acme.v1.Cart=cart`; may be repeated.
    #[arg(long, value_name = "FULL.NAME=NAME")]
    name: Vec<String>,
    /// Have methods that must be implemented, all of them.
    #[arg(long)]
    require_all: bool,
}

/// Runs the command.
pub(crate) async fn run(args: Args, global: &Global) -> Outcome {
    let mut builder = Builder::new().without_cargo();
    for pair in &args.name {
        let Some((full, name)) = pair.split_once('=') else {
            return Err(Failure::usage(format!("--name {pair}: write acme.v1.Cart=cart")));
        };
        builder = builder.service_name(full, name);
    }
    if args.require_all {
        builder = builder.require_all_methods();
    }
    let code = builder.generate(&args.files, &args.include).map_err(|error| Failure::usage(error.to_string()))?;
    let output = Output::new(global.json);
    match (&args.out, global.json) {
        (Some(file), json) => {
            let wrong = |error| Failure::usage(format!("cannot write {}: {error}", file.display()));
            std::fs::write(file, code).map_err(wrong)?;
            match json {
                true => output.json(&serde_json::json!({ "file": file })),
                false => output.line(file.display().to_string()),
            }
        }
        (None, true) => output.json(&serde_json::json!({ "code": code })),
        (None, false) => output.write(code),
    }
}

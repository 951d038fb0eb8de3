//! `motet proto export`: services as `.proto` files, and a lock file that keeps their numbers.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use motet::ServiceDescriptor;
use motet_proto::{Files, Lock, ProtoFile, proto_files};
use serde::Serialize;

use crate::{
    call::interruptible,
    descriptors,
    failure::{Failure, Outcome, exit},
    global::Global,
    output::{Output, plural},
    session::Session,
};

/// The lock file, beside the `.proto` files.
const LOCK: &str = "motet-proto.lock";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Write services as .proto files, for other languages to compile.
    ///
    /// The numbers of all fields and enum values are kept in a lock file. A field that would get another
    /// number than it had is refused: callers that know the old one would misread it.
    Export(Export),
}

#[derive(Debug, clap::Args)]
struct Export {
    /// The services; all that run if absent.
    #[arg(value_name = "SERVICE", add = crate::completions::services())]
    services: Vec<String>,
    /// Write the files into this folder; without it they are printed.
    #[arg(long, short, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// The lock file; `motet-proto.lock` in the folder of --out unless told otherwise.
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
    /// Take the services from a file that `motet describe --json` has written.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
}

/// What was exported, as `--json` prints it.
#[derive(Serialize)]
struct Exported {
    files: Vec<One>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lock: Option<PathBuf>,
    /// Services that have no protobuf name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<String>,
}

#[derive(Serialize)]
struct One {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// Runs the command.
pub(crate) async fn run(args: Args, global: &Global) -> Outcome {
    let Command::Export(args) = args.command;
    let output = Output::new(global.json);
    let services = match &args.from {
        Some(file) => descriptors::only(descriptors::read(file)?, &args.services)?,
        None => {
            let session = Session::open(global).await?;
            interruptible(descriptors::running(&session, &args.services)).await?
        }
    };
    let (files, left_out) = exported(&services)?;
    if files.is_empty() {
        return Err(Failure::usage(format!("no protobuf name: {}", left_out.join(", ")))
            .hint("services of closures have none; a trait with #[motet::service] has"));
    }
    let lock = args.lock.clone().or_else(|| args.out.as_ref().map(|folder| folder.join(LOCK)));
    let locked = lock.as_deref().map(|file| locked(file, &services)).transpose()?;
    let mut written = Exported { files: Vec::new(), lock: None, left_out };
    for ProtoFile { name, text, .. } in files {
        let path = args.out.as_ref().map(|folder| folder.join(&name));
        if let Some(path) = &path {
            write(path, &text)?;
        }
        let text = path.is_none().then_some(text);
        written.files.push(One { name, path, text });
    }
    if let (Some(file), Some(text)) = (lock, locked) {
        write(&file, &text)?;
        written.lock = Some(file);
    }
    tell(&output, &written)
}

/// The `.proto` text of services, and the names of those that have none.
///
/// # Errors
/// When their files do not fit together.
pub(crate) fn exported(services: &[Arc<ServiceDescriptor>]) -> Outcome<(Vec<ProtoFile>, Vec<String>)> {
    let without = services.iter().filter(|service| service.protobuf.is_empty());
    let left_out = without.map(|service| service.name.clone()).collect();
    let files = proto_files(services).map_err(|status| Failure::new(exit::STATUS, status.message()))?;
    Ok((files, left_out))
}

/// The text of the lock file with these services in it.
fn locked(file: &Path, services: &[Arc<ServiceDescriptor>]) -> Outcome<String> {
    let wrong = |problem: &dyn std::fmt::Display| Failure::usage(format!("{}: {problem}", file.display()));
    let mut lock = match std::fs::read_to_string(file) {
        Ok(text) => Lock::parse(&text).map_err(|status| wrong(&status.message()))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Lock::default(),
        Err(error) => return Err(wrong(&error)),
    };
    let files = Files::of(services).map_err(|status| Failure::new(exit::STATUS, status.message()))?;
    lock.update(&files).map_err(|all| {
        let lines: Vec<_> = all.iter().map(ToString::to_string).collect();
        let numbers = plural(all.len(), "number");
        Failure::new(exit::STATUS, format!("{}: {numbers} would change:\n  {}", file.display(), lines.join("\n  ")))
            .hint("nothing was written")
    })?;
    Ok(lock.to_string())
}

fn write(path: &Path, text: &str) -> Outcome {
    let wrong = |error: std::io::Error| Failure::usage(format!("cannot write {}: {error}", path.display()));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(wrong)?;
    }
    std::fs::write(path, text).map_err(wrong)
}

fn tell(output: &Output, written: &Exported) -> Outcome {
    if output.json {
        return output.json(written);
    }
    for name in &written.left_out {
        output.note(format!("{name} has no protobuf name and is left out: it is no trait"));
    }
    let several = written.files.len() > 1;
    for file in &written.files {
        if let Some(text) = &file.text {
            let head = if several { format!("// {}\n\n", file.name) } else { String::new() };
            output.write(format!("{head}{text}"))?;
        }
        if let Some(path) = &file.path {
            output.line(path.display().to_string())?;
        }
    }
    match (&written.lock, output.terminal) {
        (Some(lock), true) => {
            output.note(format!("{} keeps the numbers: put it under version control", lock.display()));
            Ok(())
        }
        _ => Ok(()),
    }
}

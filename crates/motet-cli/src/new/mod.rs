//! `motet new`: makes a project with a service, a client and tests.

mod name;
mod template;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use tokio::process::Command;

use crate::{
    failure::{Failure, Outcome},
    global::Global,
    run::paste,
};

use template::Project;

/// The arguments of `motet new`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The name of the project and of its service: lower-case letters, digits and `-`.
    name: String,
    /// Where to make it; a folder of the project's name, here, by default.
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
}

/// Runs the command.
pub(crate) async fn run(args: Args, _: &Global) -> Outcome {
    name::check(&args.name)?;
    let folder = args.path.unwrap_or_else(|| PathBuf::from(&args.name));
    let absolute = std::path::absolute(&folder).map_err(|error| failed("find", &folder, &error))?;
    let workspace = workspace_above(&absolute);
    let project = Project::new(&args.name, workspace.is_none())?;
    refuse_occupied(&folder)?;
    project.write(&folder)?;

    let mut said = format!("made {} in {}:\n", args.name, folder.display());
    for (file, about) in project.contents() {
        said += &format!("  {file:<18} {about}\n");
    }
    if let Some(manifest) = workspace
        && !is_member(&absolute).await
    {
        said += &format!("\nadd it to `members` of the workspace around it, in {}\n", manifest.display());
    }
    said += &format!("\nnext:\n  cd {}\n  {} run\n", paste::quoted(&folder.to_string_lossy()), paste::program());
    // The project is made, whether or not anybody reads about it.
    let _ = std::io::stdout().write_all(said.as_bytes());
    Ok(())
}

/// A folder that holds something stays as it is.
fn refuse_occupied(folder: &Path) -> Outcome {
    let occupied = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => true,
        Err(error) => return Err(failed("read", folder, &error)),
    };
    match occupied {
        true => Err(Failure::usage(format!("{} is there already and is not an empty folder", folder.display()))
            .hint("choose another name, or another place: --path DIR")),
        false => Ok(()),
    }
}

/// The manifest of a workspace that a new folder would lie in.
fn workspace_above(folder: &Path) -> Option<PathBuf> {
    let manifests = folder.ancestors().skip(1).map(|folder| folder.join("Cargo.toml"));
    let is_root = |manifest: &PathBuf| {
        let text = fs::read_to_string(manifest).unwrap_or_default();
        toml::from_str::<toml::Table>(&text).is_ok_and(|table| table.contains_key("workspace"))
    };
    manifests.into_iter().find(is_root)
}

/// Whether cargo takes the new package for a member of the workspace around it.
async fn is_member(folder: &Path) -> bool {
    let mut cargo = Command::new(paste::cargo());
    cargo.args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(folder);
    cargo.output().await.is_ok_and(|output| output.status.success())
}

fn failed(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("cannot {what} {}: {error}", path.display()))
}

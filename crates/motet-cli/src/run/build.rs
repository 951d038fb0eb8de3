//! Building the programs, by cargo.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::SystemTime,
};

use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use super::{
    paste,
    workspace::{Program, no_cargo},
};
use crate::failure::Outcome;

/// How to build.
#[derive(Debug)]
pub(super) struct Build {
    pub(super) programs: Vec<Program>,
    pub(super) release: bool,
    pub(super) features: Vec<String>,
}

/// A program that was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Executable {
    /// Where it is.
    pub(super) path: PathBuf,
    /// When it was made: another time is another program.
    pub(super) made: Option<SystemTime>,
}

impl Build {
    /// Builds all programs, in their order; `None` when cargo could not, after it has shown why on
    /// standard error. Dropping the future stops cargo.
    ///
    /// # Errors
    /// Cargo cannot be run.
    pub(super) async fn run(&self) -> Outcome<Option<Vec<Executable>>> {
        let mut cargo = Command::new(paste::cargo());
        cargo.args(["build", "--message-format=json-render-diagnostics"]);
        for program in &self.programs {
            cargo.args(["--package", &program.package, "--bin", &program.bin]);
        }
        if self.release {
            cargo.arg("--release");
        }
        for feature in &self.features {
            cargo.args(["--features", feature]);
        }
        cargo.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = cargo.spawn().map_err(|error| no_cargo(&error))?;
        let mut found = vec![None; self.programs.len()];
        if let Some(stdout) = child.stdout.take() {
            let mut lines = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                self.hear(&line, &mut found);
            }
        }
        let status = child.wait().await.map_err(|error| no_cargo(&error))?;
        Ok(found.into_iter().collect::<Option<Vec<_>>>().filter(|_| status.success()))
    }

    /// Reads one of cargo's messages.
    fn hear(&self, line: &str, found: &mut [Option<Executable>]) {
        let Ok(Artifact { manifest_path, target, executable: Some(path), .. }) = serde_json::from_str(line) else {
            return;
        };
        let is = |program: &Program| program.bin == target.name && program.manifest == manifest_path;
        if let Some(n) = self.programs.iter().position(is) {
            let made = std::fs::metadata(&path).and_then(|found| found.modified()).ok();
            found[n] = Some(Executable { path, made });
        }
    }
}

/// The message about something that was built.
#[derive(Deserialize)]
struct Artifact {
    manifest_path: PathBuf,
    target: Named,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

impl Executable {
    /// The files that it was made of, as cargo lists them beside it.
    pub(super) fn sources(&self) -> Vec<PathBuf> {
        let list = std::fs::read_to_string(self.path.with_extension("d")).unwrap_or_default();
        list.lines().next().and_then(|line| line.split_once(": ")).map_or_else(Vec::new, |(_, all)| unescaped(all))
    }
}

/// The paths of a line of make: parted by spaces, those inside written `\ `.
fn unescaped(line: &str) -> Vec<PathBuf> {
    let held = line.replace("\\ ", "\0");
    held.split(' ').filter(|path| !path.is_empty()).map(|path| Path::new(&path.replace('\0', " ")).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_spaces_are_told_apart() {
        let paths = unescaped(r"/a/src/lib.rs /my\ code/src/main.rs");
        assert_eq!(paths, [Path::new("/a/src/lib.rs"), Path::new("/my code/src/main.rs")]);
    }

    #[test]
    fn a_program_is_told_by_its_package_and_name() {
        let program = |package: &str| Program {
            package: package.to_owned(),
            manifest: format!("/{package}/Cargo.toml").into(),
            bin: "serve".to_owned(),
        };
        let build = Build { programs: vec![program("a"), program("b")], release: false, features: Vec::new() };
        let mut found = vec![None, None];
        for line in [
            r#"{"reason":"compiler-artifact","manifest_path":"/b/Cargo.toml","target":{"name":"serve"},"executable":"/t/serve","fresh":true}"#,
            r#"{"reason":"compiler-artifact","manifest_path":"/a/Cargo.toml","target":{"name":"serve"},"executable":null}"#,
            r#"{"reason":"build-finished","success":true}"#,
            "no JSON",
        ] {
            build.hear(line, &mut found);
        }
        assert_eq!(found, [None, Some(Executable { path: "/t/serve".into(), made: None })]);
    }
}

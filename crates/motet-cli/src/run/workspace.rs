//! The programs of a workspace that are services.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde::Deserialize;
use tokio::process::Command;

use super::paste;
use crate::failure::{Failure, Outcome, exit};

/// What a run is made of.
#[derive(Debug)]
pub(super) struct Workspace {
    /// The folder of the workspace.
    pub(super) root: PathBuf,
    /// The programs that were chosen.
    pub(super) programs: Vec<Program>,
    /// Files and folders whose change calls for a build.
    pub(super) sources: BTreeSet<PathBuf>,
    /// Packages that were passed over, and why.
    pub(super) notes: Vec<String>,
}

/// A program that serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Program {
    /// Its package.
    pub(super) package: String,
    /// Its package's manifest.
    pub(super) manifest: PathBuf,
    /// Its binary.
    pub(super) bin: String,
}

/// Which programs are wanted.
#[derive(Debug, Default)]
pub(super) struct Choice<'a> {
    /// Of these packages; where none is named, of the one that the folder belongs to or of all.
    pub(super) packages: &'a [String],
    /// These binaries.
    pub(super) bins: &'a [String],
    /// Of all packages of the workspace.
    pub(super) all: bool,
}

impl Workspace {
    /// Asks cargo what there is, and chooses.
    ///
    /// # Errors
    /// No cargo, no project, nothing that serves, or a choice that does not exist.
    pub(super) async fn find(choice: &Choice<'_>) -> Outcome<Workspace> {
        let metadata = Metadata::ask().await?;
        let manifest = match choice.all || !choice.packages.is_empty() || !choice.bins.is_empty() {
            true => None,
            false => nearest_manifest(),
        };
        metadata.choose(choice, manifest.as_deref())
    }
}

/// The part of `cargo metadata` that is read.
#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    #[serde(default)]
    workspace_default_members: Vec<String>,
    workspace_root: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    id: String,
    manifest_path: PathBuf,
    #[serde(default)]
    dependencies: Vec<Dependency>,
    targets: Vec<Target>,
    default_run: Option<String>,
    #[serde(default)]
    metadata: serde_json::Value,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
    path: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
    src_path: PathBuf,
}

impl Metadata {
    async fn ask() -> Outcome<Metadata> {
        let mut cargo = Command::new(paste::cargo());
        cargo.args(["metadata", "--no-deps", "--format-version", "1"]).stdin(Stdio::null()).kill_on_drop(true);
        let output = cargo.output().await.map_err(|error| no_cargo(&error))?;
        if !output.status.success() {
            return Err(refused(&String::from_utf8_lossy(&output.stderr)));
        }
        serde_json::from_slice(&output.stdout)
            .map_err(|error| Failure::new(exit::PROGRAM, format!("cargo metadata says what cannot be read: {error}")))
    }

    fn choose(&self, choice: &Choice<'_>, manifest: Option<&Path>) -> Outcome<Workspace> {
        self.check_packages(choice.packages)?;
        let here = self.packages.iter().find(|package| Some(package.manifest_path.as_path()) == manifest);
        let wanted = |package: &&Package| match (choice.packages, here) {
            ([], _) if choice.all || !choice.bins.is_empty() => true,
            ([], Some(here)) => package.id == here.id,
            ([], None) => {
                self.workspace_default_members.is_empty() || self.workspace_default_members.contains(&package.id)
            }
            (names, _) => names.contains(&package.name),
        };
        let (mut programs, mut notes) = (Vec::new(), Vec::new());
        for package in self.packages.iter().filter(wanted).filter(|package| package.depends_on_motet()) {
            // A package that asks to be passed over can still be named.
            if choice.packages.is_empty() && package.metadata["motet"]["run"] == false {
                continue;
            }
            match package.programs(choice.bins) {
                Ok(found) => programs.extend(found),
                Err(note) => notes.push(note),
            }
        }
        self.check_programs(choice, &programs, &notes)?;
        let sources = self.sources(&programs);
        Ok(Workspace { root: self.workspace_root.clone(), programs, sources, notes })
    }

    fn check_packages(&self, names: &[String]) -> Outcome {
        let known = || self.packages.iter().filter(|package| package.depends_on_motet());
        let Some(unknown) = names.iter().find(|name| known().all(|package| package.name != **name)) else {
            return Ok(());
        };
        let all: Vec<_> = known().map(|package| package.name.as_str()).collect();
        let there = match self.packages.iter().any(|package| package.name == *unknown) {
            true => "does not depend on motet",
            false => "is not in this workspace",
        };
        Err(Failure::usage(format!("package `{unknown}` {there}")).hint(match all.is_empty() {
            true => "no package here depends on motet; add one with: motet new NAME".to_owned(),
            false => format!("packages that do: {}", all.join(", ")),
        }))
    }

    fn check_programs(&self, choice: &Choice<'_>, programs: &[Program], notes: &[String]) -> Outcome {
        for bin in choice.bins {
            if programs.iter().all(|program| program.bin != *bin) {
                let known = self.packages.iter().filter(|package| package.depends_on_motet());
                let known: Vec<_> = known.flat_map(Package::bins).collect();
                return Err(Failure::usage(format!("there is no program `{bin}` among those that use motet"))
                    .hint(format!("there are: {}", known.join(", "))));
            }
        }
        if !programs.is_empty() {
            return Ok(());
        }
        let root = self.workspace_root.display();
        let users: Vec<_> = self.packages.iter().filter(|package| package.depends_on_motet()).collect();
        let failure = match users.as_slice() {
            [] => Failure::usage(format!("no package in {root} depends on motet"))
                .hint("make a service with: motet new NAME; or add motet to [dependencies] of a package"),
            _ if !notes.is_empty() => Failure::usage(notes.join("\n  ")),
            users => {
                Failure::usage("there is nothing to run here: no package with a program that uses motet").hint(format!(
                    "name one, or say --workspace; packages that use motet: {}",
                    users.iter().map(|package| package.name.as_str()).collect::<Vec<_>>().join(", ")
                ))
            }
        };
        Err(failure)
    }

    /// The sources of the programs and of the packages of this workspace that they depend on.
    /// Not the lock file: cargo itself writes it.
    fn sources(&self, programs: &[Program]) -> BTreeSet<PathBuf> {
        let mut found: BTreeSet<PathBuf> =
            ["Cargo.toml", ".cargo/config.toml"].map(|file| self.workspace_root.join(file)).into();
        let mut waiting: Vec<_> = self
            .packages
            .iter()
            .filter(|package| programs.iter().any(|program| program.package == package.name))
            .collect();
        let mut seen = BTreeSet::new();
        while let Some(package) = waiting.pop() {
            if !seen.insert(&package.id) {
                continue;
            }
            let folder = package.folder();
            found.extend([package.manifest_path.clone(), folder.join("src")]);
            let built = |target: &&Target| !target.is_one_of(&["test", "bench", "example"]);
            found.extend(package.targets.iter().filter(built).map(|target| target.src_path.clone()));
            let paths = package.dependencies.iter().filter_map(|dependency| dependency.path.as_deref());
            let paths: Vec<_> = paths.collect();
            waiting.extend(self.packages.iter().filter(|other| paths.contains(&other.folder())));
        }
        found
    }
}

impl Package {
    fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(Path::new("."))
    }

    fn depends_on_motet(&self) -> bool {
        self.dependencies.iter().any(|dependency| dependency.name == "motet" && dependency.kind.is_none())
    }

    fn bins(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().filter(|target| target.is_one_of(&["bin"])).map(|target| target.name.as_str())
    }

    /// The programs to run: those named, else the one that `cargo run` would run.
    fn programs(&self, named: &[String]) -> Result<Vec<Program>, String> {
        let program = |bin: &str| Program {
            package: self.name.clone(),
            manifest: self.manifest_path.clone(),
            bin: bin.to_owned(),
        };
        if !named.is_empty() {
            return Ok(self.bins().filter(|bin| named.iter().any(|name| name == bin)).map(program).collect());
        }
        let bins: Vec<_> = self.bins().collect();
        let own = bins.iter().find(|bin| **bin == self.name);
        match (&self.default_run, bins.as_slice(), own) {
            (Some(bin), _, _) => Ok(vec![program(bin)]),
            (None, [], _) => Ok(Vec::new()),
            (None, [bin], _) => Ok(vec![program(bin)]),
            (None, _, Some(bin)) => Ok(vec![program(bin)]),
            (None, bins, None) => Err(format!(
                "package `{}` has several programs: choose with --bin {}, or set default-run in its Cargo.toml",
                self.name,
                bins.join(" or --bin ")
            )),
        }
    }
}

impl Target {
    fn is_one_of(&self, kinds: &[&str]) -> bool {
        self.kind.iter().any(|kind| kinds.contains(&kind.as_str()))
    }
}

/// The manifest that cargo would use here.
fn nearest_manifest() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    here.ancestors().map(|folder| folder.join("Cargo.toml")).find(|manifest| manifest.is_file())
}

pub(super) fn no_cargo(error: &std::io::Error) -> Failure {
    Failure::new(exit::PROGRAM, format!("cargo cannot be run: {error}"))
        .hint("install Rust from https://rustup.rs, or set CARGO to the path of cargo")
}

fn refused(said: &str) -> Failure {
    let said = said.trim().trim_start_matches("error: ");
    match said.starts_with("could not find `Cargo.toml`") {
        true => Failure::usage(said).hint("go to the folder of a project, or make one: motet new hello"),
        false => Failure::new(exit::PROGRAM, format!("cargo cannot read the project: {said}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A package as cargo describes it: its name, what it depends on, its programs.
    fn package(name: &str, dependencies: &[&str], bins: &[&str]) -> serde_json::Value {
        let dependency = |on: &&str| {
            let own = on
                .starts_with('/')
                .then(|| serde_json::json!({"name": on[1..], "kind": null, "path": format!("/w{on}")}));
            own.unwrap_or_else(|| serde_json::json!({"name": on, "kind": null, "path": null}))
        };
        let target = |bin: &&str| serde_json::json!({"name": bin, "kind": ["bin"], "src_path": format!("/w/{name}/src/{bin}.rs")});
        serde_json::json!({
            "name": name, "id": name, "manifest_path": format!("/w/{name}/Cargo.toml"), "default_run": null, "metadata": null,
            "dependencies": dependencies.iter().map(dependency).collect::<Vec<_>>(),
            "targets": bins.iter().map(target).collect::<Vec<_>>(),
        })
    }

    fn workspace(mut packages: Vec<serde_json::Value>, change: impl FnOnce(&mut Vec<serde_json::Value>)) -> Metadata {
        change(&mut packages);
        let members: Vec<_> = packages.iter().map(|package| package["id"].clone()).collect();
        let metadata = serde_json::json!({
            "packages": packages, "workspace_default_members": members, "workspace_root": "/w"
        });
        serde_json::from_value(metadata).expect("as cargo writes it")
    }

    fn shop() -> Metadata {
        let packages = vec![
            package("orders", &["motet", "/model"], &["orders"]),
            package("stock", &["motet"], &["stock", "import"]),
            package("tools", &["motet"], &["a", "b"]),
            package("hidden", &["motet"], &["hidden"]),
            package("model", &["serde"], &[]),
            package("web", &["axum"], &["web"]),
        ];
        workspace(packages, |all| all[3]["metadata"] = serde_json::json!({"motet": {"run": false}}))
    }

    fn chosen(choice: Choice<'_>, manifest: Option<&str>) -> Outcome<Vec<String>> {
        let workspace = shop().choose(&choice, manifest.map(Path::new))?;
        Ok(workspace.programs.into_iter().map(|program| program.bin).collect())
    }

    #[test]
    fn without_a_choice_everything_that_serves_runs() {
        assert_eq!(chosen(Choice::default(), Some("/w/Cargo.toml")).expect("programs"), ["orders", "stock"]);
        let workspace = shop().choose(&Choice::default(), None).expect("programs");
        assert!(workspace.notes[0].contains("--bin a or --bin b"), "{:?}", workspace.notes);
    }

    #[test]
    fn in_the_folder_of_a_package_it_runs_alone() {
        assert_eq!(chosen(Choice::default(), Some("/w/stock/Cargo.toml")).expect("a program"), ["stock"]);
        let all = Choice { all: true, ..Choice::default() };
        assert_eq!(chosen(all, Some("/w/stock/Cargo.toml")).expect("programs"), ["orders", "stock"]);
    }

    #[test]
    fn packages_and_programs_can_be_named() {
        let (hidden, import) = (["hidden".to_owned()], ["import".to_owned()]);
        assert_eq!(chosen(Choice { packages: &hidden, ..Choice::default() }, None).expect("named"), ["hidden"]);
        assert_eq!(chosen(Choice { bins: &import, ..Choice::default() }, None).expect("named"), ["import"]);
    }

    #[test]
    fn a_choice_that_does_not_exist_names_those_that_do() {
        let (nobody, web, bin) = (["nobody".to_owned()], ["web".to_owned()], ["serve".to_owned()]);
        for (choice, manifest, expected) in [
            (Choice { packages: &nobody, ..Choice::default() }, None, "is not in this workspace"),
            (Choice { packages: &web, ..Choice::default() }, None, "does not depend on motet"),
            (Choice { bins: &bin, ..Choice::default() }, None, "there are: orders, stock, import"),
            (Choice::default(), Some("/w/web/Cargo.toml"), "packages that use motet: orders, stock"),
            (Choice::default(), Some("/w/tools/Cargo.toml"), "choose with --bin a or --bin b"),
        ] {
            let failure = chosen(choice, manifest).expect_err(expected).to_string();
            assert!(failure.contains(expected), "{failure}");
        }
        let none = workspace(vec![package("web", &["axum"], &["web"])], |_| {});
        let failure = none.choose(&Choice::default(), None).expect_err("nothing").to_string();
        assert!(failure.contains("no package in /w depends on motet") && failure.contains("motet new"), "{failure}");
    }

    #[test]
    fn the_sources_are_those_of_the_programs_and_of_what_they_depend_on() {
        let orders = ["orders".to_owned()];
        let workspace = shop().choose(&Choice { packages: &orders, ..Choice::default() }, None).expect("a program");
        let has = |path: &str| workspace.sources.contains(Path::new(path));
        assert!(has("/w/Cargo.toml") && has("/w/orders/src") && has("/w/model/src") && has("/w/model/Cargo.toml"));
        assert!(!has("/w/stock/src"));
    }
}

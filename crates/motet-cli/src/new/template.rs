//! The files of a new project.

use std::{fs, path::Path};

use crate::failure::{Failure, Outcome};

use super::failed;

/// The folder of this crate in the checkout that the command was built from.
const BUILT_FROM: &str = env!("CARGO_MANIFEST_DIR");

/// A file of the template: its place, what it is, its text.
type File = (&'static str, &'static str, &'static str);

const FILES: [File; 7] = [
    ("Cargo.toml", "the package", include_str!("../../templates/project/Cargo.toml.in")),
    (
        "src/lib.rs",
        "the service: trait, messages, implementation",
        include_str!("../../templates/project/src/lib.rs.in"),
    ),
    ("src/main.rs", "the program that serves it", include_str!("../../templates/project/src/main.rs.in")),
    ("tests/service.rs", "its tests", include_str!("../../templates/project/tests/service.rs.in")),
    ("README.md", "how to run and call it", include_str!("../../templates/project/README.md.in")),
    ("AGENTS.md", "notes for coding tools", include_str!("../../templates/project/AGENTS.md.in")),
    (".gitignore", "", include_str!("../../templates/project/gitignore.in")),
];

/// A project to be written.
pub(super) struct Project {
    name: String,
    motet: String,
    /// Whether no workspace is around it.
    alone: bool,
    /// The versions of dependencies that Motet itself is tested with.
    lock: Option<String>,
}

impl Project {
    /// A project of this name; one that stands alone has a profile and versions of its own.
    ///
    /// # Errors
    /// The checkout of Motet that it would depend on is gone.
    pub(super) fn new(name: &str, alone: bool) -> Outcome<Project> {
        let cli = Path::new(BUILT_FROM);
        let motet = cli.with_file_name("motet");
        let checkout = cli.ancestors().nth(2).unwrap_or(cli);
        if !motet.join("Cargo.toml").is_file() {
            return Err(Failure::usage(format!(
                "this motet was built from {}, which is gone: a new project depends on it until Motet is published",
                checkout.display()
            ))
            .hint("in a checkout of Motet: cargo install --path crates/motet-cli"));
        }
        // Without it the project takes the newest versions, which works as well as those.
        let lock = alone.then(|| fs::read_to_string(checkout.join("Cargo.lock")).ok()).flatten();
        Ok(Project { name: name.to_owned(), motet: motet.to_string_lossy().into_owned(), alone, lock })
    }

    /// The files that a reader should know of, and what they are.
    pub(super) fn contents(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        FILES.into_iter().map(|(path, about, _)| (path, about)).filter(|(_, about)| !about.is_empty())
    }

    /// Writes everything into a folder.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub(super) fn write(&self, folder: &Path) -> Outcome {
        for (path, _, text) in FILES {
            let text = match path {
                // In a workspace the profile is the root's.
                "Cargo.toml" if self.alone => {
                    self.filled(&[text, include_str!("../../templates/project/profile.toml.in")].concat())
                }
                _ => self.filled(text),
            };
            put(&folder.join(path), &text)?;
        }
        self.lock.as_ref().map_or(Ok(()), |lock| put(&folder.join("Cargo.lock"), lock))
    }

    fn filled(&self, text: &str) -> String {
        text.replace("__package__", &self.name)
            .replace("__crate__", &self.name.replace('-', "_"))
            .replace("__motet__", &toml::Value::from(self.motet.as_str()).to_string())
    }
}

fn put(path: &Path, text: &str) -> Outcome {
    let parent = path.parent().map_or(Ok(()), fs::create_dir_all);
    parent.and_then(|()| fs::write(path, text)).map_err(|error| failed("write", path, &error))
}

//! Sees that sources change, by looking.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// How often all files are looked at.
const EVERY: Duration = Duration::from_millis(200);

/// How long files must have stayed the same after a change: editors write in several steps.
const QUIET: Duration = Duration::from_millis(50);

/// The longest wait for that.
const RESTLESS: u32 = 40;

/// The most files that are looked at; others are not.
const MAX_FILES: usize = 10_000;

/// Files and folders that are looked at.
#[derive(Debug, Default)]
pub(super) struct Watch {
    places: BTreeSet<PathBuf>,
}

/// How the files were at some moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Snapshot(BTreeMap<PathBuf, (Option<SystemTime>, u64)>);

impl Watch {
    /// Looks at these too, and says which of them were not looked at before. A folder counts with all
    /// that is in it, but for hidden files, `target` and what editors leave.
    pub(super) fn add(&mut self, places: impl IntoIterator<Item = PathBuf>) -> Vec<PathBuf> {
        let known = |path: &Path| path.ancestors().any(|above| self.places.contains(above));
        let new: Vec<_> = places.into_iter().filter(|place| !known(place)).collect();
        self.places.extend(new.iter().cloned());
        new
    }

    /// How the files are now.
    pub(super) fn look(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        self.places.iter().for_each(|place| snapshot.visit(place));
        snapshot
    }

    /// Waits until a file differs from what it was, and all have come to rest. Cancel safe.
    pub(super) async fn changed(&self, since: &Snapshot) -> PathBuf {
        loop {
            tokio::time::sleep(EVERY).await;
            let mut now = self.look();
            let Some(first) = now.difference(since) else { continue };
            for _ in 0..RESTLESS {
                tokio::time::sleep(QUIET).await;
                let later = self.look();
                if later == now {
                    break;
                }
                now = later;
            }
            // What was changed and changed back needs no build.
            if now != *since {
                return first;
            }
        }
    }
}

impl Snapshot {
    /// Takes these as they are now.
    pub(super) fn take(&mut self, places: Vec<PathBuf>) {
        places.iter().for_each(|place| self.visit(place));
    }

    fn visit(&mut self, path: &Path) {
        if self.0.len() >= MAX_FILES {
            return;
        }
        let Ok(found) = std::fs::metadata(path) else { return };
        if !found.is_dir() {
            self.0.insert(path.to_owned(), (found.modified().ok(), found.len()));
            return;
        }
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| !is_ignored(&entry.file_name().to_string_lossy())) {
            // A link to a folder may lead in a circle.
            if entry.file_type().is_ok_and(|kind| !kind.is_symlink()) || entry.path().is_file() {
                self.visit(&entry.path());
            }
        }
    }

    fn difference(&self, before: &Snapshot) -> Option<PathBuf> {
        let new = self.0.iter().find(|(path, state)| before.0.get(*path) != Some(state));
        let gone = || before.0.iter().find(|(path, _)| !self.0.contains_key(*path));
        new.or_else(gone).map(|(path, _)| path.clone())
    }
}

/// Hidden files, what cargo builds, and what editors write beside a file.
fn is_ignored(name: &str) -> bool {
    name.starts_with(['.', '#']) || name.ends_with('~') || matches!(name, "target" | "node_modules" | "4913")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn watched() -> (tempfile::TempDir, Watch) {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(folder.path().join("src/deep")).expect("made");
        fs::create_dir_all(folder.path().join("src/target")).expect("made");
        fs::write(folder.path().join("src/deep/a.rs"), "a").expect("written");
        let mut watch = Watch::default();
        watch.add([folder.path().join("src"), folder.path().join("Cargo.toml")]);
        (folder, watch)
    }

    #[tokio::test(start_paused = true)]
    async fn files_that_change_come_and_go_are_seen() {
        let (folder, watch) = watched();
        for (file, text) in
            [("src/deep/a.rs", Some("ab")), ("src/b.rs", Some("b")), ("Cargo.toml", Some("")), ("src/b.rs", None)]
        {
            let (before, path) = (watch.look(), folder.path().join(file));
            match text {
                Some(text) => fs::write(&path, text).expect("written"),
                None => fs::remove_file(&path).expect("removed"),
            }
            let seen = tokio::time::timeout(Duration::from_secs(1), watch.changed(&before)).await;
            assert_eq!(seen.expect("seen"), path);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_built_hidden_or_left_by_editors_is_not_seen() {
        let (folder, watch) = watched();
        let before = watch.look();
        for file in ["src/target/x", "src/.a.rs.swp", "src/a.rs~", "src/#a.rs#", "README.md"] {
            fs::write(folder.path().join(file), "x").expect("written");
        }
        let seen = tokio::time::timeout(Duration::from_secs(5), watch.changed(&before)).await;
        assert!(seen.is_err(), "{seen:?}");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_leads_in_a_circle_is_not_followed() {
        let (folder, watch) = watched();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("src/circle")).expect("linked");
        assert_eq!(watch.look().0.len(), 1);
    }
}

//! Looking into a registry's folder without changing what is recorded: for tools that say what is
//! wrong.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use motet_core::{Entropy, Node, Result, Status};
use serde::Deserialize;

use crate::{
    FileConfig,
    folder::{Folder, failed},
    record::{MAX_RECORD, SUFFIX, TEMPORARY, decode},
    scan::{MAX_FILES, MAX_RECORDS},
};

/// What is in the folder of a registry, dead records included.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Inspection {
    /// The folder.
    pub folder: PathBuf,
    /// Whether it is there; if not, the first process that registers something makes it.
    pub exists: bool,
    /// The records, sorted by name.
    pub records: Vec<RecordFile>,
    /// Whether there are more records or files than a registry looks at.
    pub overflows: bool,
    /// The time that the file system gave to a file that was written, locked and deleted again, or
    /// why that cannot be done; `None` where there is no folder.
    pub written: Option<Result<SystemTime>>,
}

/// A file in the folder that a node has or had.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecordFile {
    /// Its name.
    pub name: String,
    /// When it was written.
    pub modified: Option<SystemTime>,
    /// Whether a process holds it. If not, its owner has ended, and whoever looks next through a
    /// registry deletes it.
    pub held: bool,
    /// The process that wrote it, where that is told.
    pub pid: Option<u32>,
    /// The node, or why the file cannot be read as one.
    pub node: Result<Node>,
}

/// Looks into the folder of a registry. It deletes nothing, not even records of the dead; it blocks
/// for the reads.
///
/// ```
/// # fn main() -> motet_core::Result<()> {
/// use motet_registry_file::{FileConfig, inspect};
///
/// # let temp = tempfile::tempdir().unwrap();
/// let found = inspect(&FileConfig::at(temp.path().join("registry")))?;
/// assert!(!found.exists && found.records.is_empty());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// InvalidArgument for a configuration out of range; FailedPrecondition for a folder that is not safe
/// to use; PermissionDenied or Unavailable when it cannot be read.
pub fn inspect(config: &FileConfig) -> Result<Inspection> {
    let folder = Folder::new(config.checked()?);
    let path = folder.path().to_owned();
    let mut found =
        Inspection { folder: path.clone(), exists: false, records: Vec::new(), overflows: false, written: None };
    if matches!(fs::symlink_metadata(&path), Err(error) if error.kind() == ErrorKind::NotFound) {
        return Ok(found);
    }
    folder.ensure()?;
    found.exists = true;
    let cannot = |error: io::Error| failed("list the registry's folder", &path, &error);
    for (number, file) in fs::read_dir(&path).map_err(cannot)?.enumerate() {
        let file = file.map_err(cannot)?;
        if number >= MAX_FILES || found.records.len() >= MAX_RECORDS {
            found.overflows = true;
            break;
        }
        let (Ok(name), Ok(true)) = (file.file_name().into_string(), file.file_type().map(|kind| kind.is_file())) else {
            continue;
        };
        if name.ends_with(SUFFIX) {
            // One that is deleted meanwhile is none.
            found.records.extend(look(&path.join(&name), name));
        }
    }
    found.records.sort_by(|a, b| a.name.cmp(&b.name));
    found.written = Some(write(&path));
    Ok(found)
}

/// One file; none if it is gone.
fn look(path: &Path, name: String) -> Option<RecordFile> {
    let unreadable = |error: &io::Error| Status::data_loss(format!("it cannot be read: {error}"));
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => {
            let node = Err(unreadable(&error));
            return Some(RecordFile { name, modified: None, held: true, pid: None, node });
        }
    };
    // Shared, so that two that look do not take each other for the owner.
    let held = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
    let modified = file.metadata().ok().and_then(|metadata| metadata.modified().ok());
    let mut bytes = Vec::new();
    let read = (&mut file).take(MAX_RECORD as u64 + 1).read_to_end(&mut bytes);
    let node = read.map_err(|error| unreadable(&error)).and_then(|_| decode(&name, &bytes));
    let pid = serde_json::from_slice(&bytes).ok().and_then(|Owner { pid }| pid);
    Some(RecordFile { name, modified, held, pid, node })
}

#[derive(Deserialize)]
struct Owner {
    pid: Option<u32>,
}

/// Writes, locks and deletes a file: what an owner of a record must be able to do.
fn write(folder: &Path) -> Result<SystemTime> {
    // A name that others take for a record that is being written, and delete if this process dies.
    let path = folder.join(format!("{TEMPORARY}{:016x}-look", Entropy::from_system().next_u64()));
    let written = || {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.try_lock()?;
        file.set_len(1)?;
        file.metadata()?.modified()
    };
    let time = written();
    // What was not made cannot be deleted.
    let _ = fs::remove_file(&path);
    time.map_err(|error| failed("write into the registry's folder", folder, &error))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use motet_core::{Code, Endpoint, Registry};

    use super::*;
    use crate::{
        FileRegistry,
        record::{encode, file_name},
    };

    fn node(id: &str) -> Node {
        Node::new("greeter", id).endpoint(Endpoint::new("tcp", "127.0.0.1:1"))
    }

    #[tokio::test]
    async fn records_of_the_living_and_of_the_dead_are_told_apart_and_left_alone() {
        let temp = tempfile::tempdir().expect("temp");
        let config = FileConfig::at(temp.path().join("registry"));
        let registry = FileRegistry::open(config.clone()).expect("opens");
        let _registration = registry.register(node("living"), Duration::ZERO).await.expect("registered");
        let folder = config.directory.clone().expect("set");
        let dead = encode(&node("dead")).expect("fits");
        fs::write(folder.join(file_name("greeter", "dead")), dead).expect("written");
        fs::write(folder.join("greeter~odd.node"), "{\"version\":9}").expect("written");
        for _ in 0..2 {
            let found = inspect(&config).expect("looked");
            let shown: Vec<_> =
                found.records.iter().map(|record| (&*record.name, record.held, record.node.is_ok())).collect();
            let expected = [
                ("greeter~dead.node", false, true),
                ("greeter~living.node", true, true),
                ("greeter~odd.node", false, false),
            ];
            assert_eq!(shown, expected);
            assert_eq!(found.records[1].pid, Some(std::process::id()));
            assert!(found.exists && !found.overflows && matches!(found.written, Some(Ok(_))));
            assert_eq!(fs::read_dir(&folder).expect("listed").count(), 3, "nothing is left or deleted");
        }
    }

    #[test]
    fn a_folder_that_is_not_there_stays_away() {
        let temp = tempfile::tempdir().expect("temp");
        let path = temp.path().join("registry");
        let found = inspect(&FileConfig::at(&path)).expect("looked");
        assert!(!found.exists && found.written.is_none() && !path.exists());
    }

    #[test]
    fn a_folder_that_is_not_safe_is_refused_as_a_registry_refuses_it() {
        let temp = tempfile::tempdir().expect("temp");
        let path = temp.path().join("registry");
        fs::write(&path, "a file").expect("written");
        assert_eq!(inspect(&FileConfig::at(path)).expect_err("a file").code(), Code::FailedPrecondition);
    }
}

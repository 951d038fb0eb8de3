//! Holding the name of a record by the lock on its file, and finding out who holds one.
//!
//! The rule that all of this rests on: what a name leads to is changed only by who holds the lock of
//! the file that it leads to. A lock says nothing about a name by itself (the file may have been
//! replaced or deleted while one waited), so everybody who locks compares the two afterwards.

use std::{
    fs::{self, File, Metadata, OpenOptions, TryLockError},
    io::{self, ErrorKind, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use motet_core::{Entropy, Result, Status};

use crate::{folder::failed, record::TEMPORARY};

/// How often a name is tried before it counts as taken: a reader that looks whether an owner lives
/// has the lock for some microseconds.
pub(crate) const PATIENT: u32 = 20;

const PAUSE: Duration = Duration::from_millis(5);

/// A record of this process. Dropping it deletes the file.
#[derive(Debug)]
pub(crate) struct Held {
    path: PathBuf,
    file: File,
}

/// Names for files that are being written, different in every process.
#[derive(Debug)]
pub(crate) struct TemporaryNames {
    token: u64,
    next: AtomicU64,
}

impl TemporaryNames {
    pub(crate) fn new() -> TemporaryNames {
        TemporaryNames { token: Entropy::from_system().next_u64(), next: AtomicU64::new(0) }
    }

    fn beside(&self, path: &Path) -> PathBuf {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        path.with_file_name(format!("{TEMPORARY}{:016x}-{number}", self.token))
    }
}

impl Held {
    /// Takes a name that is free, or whose owner is dead, and writes a record under it.
    ///
    /// AlreadyExists when somebody else holds the name at each of `tries` tries.
    pub(crate) fn claim(path: &Path, bytes: &[u8], names: &TemporaryNames, tries: u32) -> Result<Held> {
        let mut held = Held { path: path.into(), file: lock_name(path, tries)? };
        held.replace(bytes, names)?;
        Ok(held)
    }

    /// Whether the name still leads to this record.
    pub(crate) fn is_current(&self) -> bool {
        leads_to(&self.path, &self.file).unwrap_or(false)
    }

    /// Writes another record under the name, which must be current.
    pub(crate) fn replace(&mut self, bytes: &[u8], names: &TemporaryNames) -> Result<()> {
        let temporary = names.beside(&self.path);
        let written = write_locked(&temporary, bytes).and_then(|file| {
            fs::rename(&temporary, &self.path)?;
            Ok(file)
        });
        match written {
            Ok(file) => {
                // The lock of what was replaced goes only now, with its file.
                self.file = file;
                Ok(())
            }
            Err(error) => {
                let _ = fs::remove_file(&temporary);
                Err(failed("write a record", &self.path, &error))
            }
        }
    }

    /// Deletes the record.
    pub(crate) fn remove(self) -> Result<()> {
        self.unlink().map_err(|error| failed("delete a record", &self.path, &error))
    }

    fn unlink(&self) -> io::Result<()> {
        match leads_to(&self.path, &self.file)? {
            true => fs::remove_file(&self.path),
            false => Ok(()),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // A record that cannot be deleted is dead all the same once its lock is gone.
        let _ = self.unlink();
    }
}

/// A new file, locked before anybody can know it.
fn write_locked(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.try_lock()?;
    file.write_all(bytes)?;
    Ok(file)
}

/// The locked file that a name leads to, made if there is none.
fn lock_name(path: &Path, tries: u32) -> Result<File> {
    let cannot = |error: &io::Error| failed("take the name of a record", path, error);
    for _ in 0..tries {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        let file = file.map_err(|error| cannot(&error))?;
        match file.try_lock() {
            Ok(()) if leads_to(path, &file).map_err(|error| cannot(&error))? => return Ok(file),
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
            Err(TryLockError::Error(error)) => return Err(cannot(&error)),
        }
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Err(Status::already_exists(format!("a living process holds the record {name}: give the node another id")))
}

/// Whether a name leads to this very file. An open file keeps its number, so no other can have it.
fn leads_to(path: &Path, file: &File) -> io::Result<bool> {
    let opened = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (opened.dev(), opened.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Opens a record whose owner lives; deletes one whose owner is dead.
pub(crate) fn open_if_held(path: &Path) -> io::Result<Option<(File, Metadata)>> {
    // Each round but the last is lost to an owner that replaced its record in between.
    for _ in 0..10 {
        let file = match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let metadata = file.metadata()?;
                return Ok(Some((file, metadata)));
            }
            Err(TryLockError::Error(error)) => return Err(error),
            Ok(()) if leads_to(path, &file)? => {
                fs::remove_file(path)?;
                return Ok(None);
            }
            Ok(()) => {}
        }
    }
    Err(io::Error::new(ErrorKind::ResourceBusy, "the record changes all the time"))
}

/// Deletes what a process left that died while it wrote.
pub(crate) fn collect_temporary(path: &Path) -> io::Result<()> {
    /// Between creating and locking a file lies no more than a system call.
    const OLD: Duration = Duration::from_secs(10);
    let file = File::open(path)?;
    let old = file.metadata()?.modified()?.elapsed().is_ok_and(|age| age > OLD);
    if old && file.try_lock().is_ok() && leads_to(path, &file)? {
        fs::remove_file(path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use motet_core::Code;

    use super::*;

    impl Held {
        /// Ends as a killed process does: the lock goes, the file stays.
        fn die(mut self) {
            self.path.set_extension("nowhere");
        }
    }

    struct Bench {
        _temp: tempfile::TempDir,
        path: PathBuf,
        names: TemporaryNames,
    }

    impl Bench {
        fn new() -> Bench {
            let temp = tempfile::tempdir().expect("temp");
            Bench { path: temp.path().join("s~i.node"), _temp: temp, names: TemporaryNames::new() }
        }

        fn claim(&self, bytes: &str) -> Result<Held> {
            Held::claim(&self.path, bytes.as_bytes(), &self.names, 2)
        }

        fn content(&self) -> String {
            fs::read_to_string(&self.path).unwrap_or_default()
        }

        fn files(&self) -> usize {
            fs::read_dir(self.path.parent().expect("has one")).expect("listed").count()
        }
    }

    #[test]
    fn a_name_has_one_holder() {
        let bench = Bench::new();
        let first = bench.claim("first").expect("free");
        assert_eq!(bench.claim("second").expect_err("held").code(), Code::AlreadyExists);
        assert_eq!(bench.content(), "first");
        drop(first);
        assert_eq!(bench.files(), 0);
        let _second = bench.claim("second").expect("free again");
        assert_eq!(bench.content(), "second");
    }

    #[test]
    fn a_record_stays_held_while_it_is_replaced() {
        let bench = Bench::new();
        let mut held = bench.claim("0").expect("free");
        for number in 1..100 {
            held.replace(number.to_string().as_bytes(), &bench.names).expect("written");
            assert!(held.is_current());
            assert_eq!(bench.claim("other").expect_err("held").code(), Code::AlreadyExists);
            assert!(open_if_held(&bench.path).expect("opened").is_some());
        }
        assert_eq!((bench.content().as_str(), bench.files()), ("99", 1));
    }

    #[test]
    fn a_record_that_is_replaced_is_never_taken_for_dead() {
        let bench = Bench::new();
        let mut held = bench.claim("0").expect("free");
        let done = AtomicU64::new(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                let written = (0..1000).try_for_each(|_| held.replace(b"next", &bench.names));
                done.store(1, Ordering::SeqCst);
                written.expect("written");
            });
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut deaths = 0;
                    while done.load(Ordering::SeqCst) == 0 {
                        // A record that changes too fast to be opened is an error, not a death.
                        deaths += u32::from(matches!(open_if_held(&bench.path), Ok(None)));
                    }
                    assert_eq!(deaths, 0);
                });
            }
        });
    }

    #[test]
    fn the_record_of_a_dead_owner_is_deleted_or_taken_over() {
        let bench = Bench::new();
        fs::write(&bench.path, "left behind").expect("written");
        assert!(open_if_held(&bench.path).expect("looked").is_none());
        assert_eq!(bench.files(), 0);
        bench.claim("left behind").expect("free").die();
        assert_eq!(bench.content(), "left behind");
        let _held = bench.claim("mine").expect("taken over");
        assert_eq!(bench.content(), "mine");
    }

    #[test]
    fn a_holder_that_lost_its_file_deletes_nobody_elses() {
        let bench = Bench::new();
        let first = bench.claim("first").expect("free");
        fs::remove_file(&bench.path).expect("removed");
        let _second = bench.claim("second").expect("free");
        assert!(!first.is_current());
        drop(first);
        assert_eq!(bench.content(), "second");
    }

    #[test]
    fn a_name_is_never_held_twice_under_contention() {
        let bench = Bench::new();
        let (holders, won) = (AtomicU64::new(0), AtomicU64::new(0));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..300 {
                        let Ok(held) = Held::claim(&bench.path, b"mine", &bench.names, 1) else { continue };
                        assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0, "two holders at once");
                        assert!(held.is_current());
                        won.fetch_add(1, Ordering::SeqCst);
                        holders.fetch_sub(1, Ordering::SeqCst);
                        // Half of them die instead of cleaning up: the lock goes, the file stays.
                        if won.load(Ordering::SeqCst) % 2 == 0 {
                            held.die();
                        }
                    }
                });
            }
            scope.spawn(|| (0..2000).for_each(|_| drop(open_if_held(&bench.path))));
        });
        assert!(won.load(Ordering::SeqCst) > 0);
    }

    #[test]
    fn a_file_left_while_writing_is_deleted_once_it_is_old() {
        let bench = Bench::new();
        let path = bench.names.beside(&bench.path);
        let file = File::create(&path).expect("created");
        collect_temporary(&path).expect("looked");
        assert!(path.exists(), "it may be in use");
        file.set_modified(std::time::SystemTime::now() - Duration::from_secs(60)).expect("aged");
        file.lock().expect("locked");
        collect_temporary(&path).expect("looked");
        assert!(path.exists(), "its writer lives");
        drop(file);
        collect_temporary(&path).expect("looked");
        assert!(!path.exists());
    }
}

//! Reading the folder: which nodes are recorded by owners that live.

use std::{
    collections::BTreeMap,
    fs::{self, File, Metadata},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use motet_core::{Node, Result, Status};
use tokio::time::Instant;

use crate::{
    folder::{Folder, FolderId, failed},
    hold::{collect_temporary, open_if_held},
    record::{MAX_RECORD, SUFFIX, TEMPORARY, decode},
};

/// How many records of a folder are looked at.
pub(crate) const MAX_RECORDS: usize = 10_000;

/// How many files of a folder are looked at, records or not.
pub(crate) const MAX_FILES: usize = 4 * MAX_RECORDS;

/// How long owners have to write their records again after the folder was removed.
const REFILL: Duration = Duration::from_secs(1);

/// The living nodes by service, each service's sorted by id.
pub(crate) type Nodes = BTreeMap<String, Arc<[Node]>>;

/// What is known of the folder from the last time it was read. A file is read again only when it has
/// changed; whether its owner lives is asked every time.
#[derive(Debug)]
pub(crate) struct Scan {
    folder: Folder,
    id: Option<FolderId>,
    refill_until: Option<Instant>,
    files: BTreeMap<String, Known>,
    nodes: Arc<Nodes>,
    overflowed: bool,
    limit: usize,
    round: u64,
}

#[derive(Debug)]
struct Known {
    stamp: Stamp,
    /// Whether an equal stamp means equal content: not while a change might fall into the same tick
    /// of the file system's clock.
    settled: bool,
    node: Option<Node>,
    round: u64,
}

#[derive(Debug, PartialEq)]
struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Scan {
    pub(crate) fn new(folder: Folder) -> Scan {
        let (files, nodes) = (BTreeMap::new(), Arc::default());
        Scan { folder, id: None, refill_until: None, files, nodes, overflowed: false, limit: MAX_RECORDS, round: 0 }
    }

    /// Reads the folder, deletes what dead owners left, and gives the nodes of the living.
    ///
    /// After the folder was removed it gives Unavailable until its owners have filled it again.
    pub(crate) fn run(&mut self) -> Result<Arc<Nodes>> {
        let id = self.folder.ensure()?;
        if self.id.replace(id).is_some_and(|known| known != id) {
            self.refill_until = Some(Instant::now() + REFILL);
        }
        if self.read_folder()? {
            self.collect();
        }
        match self.refill_until {
            Some(until) if Instant::now() < until => Err(Status::unavailable(format!(
                "the registry's folder {} was removed: its nodes are known again within a second",
                self.folder.path().display()
            ))
            .with_retry_after(until - Instant::now())),
            _ => {
                self.refill_until = None;
                Ok(self.nodes.clone())
            }
        }
    }

    /// Reads every file once, and says whether any node changed.
    fn read_folder(&mut self) -> Result<bool> {
        let folder = self.folder.path().to_owned();
        let cannot = |error: &io::Error| failed("list the registry's folder", &folder, error);
        self.round += 1;
        let (mut records, mut changed) = (0, false);
        for file in fs::read_dir(&folder).map_err(|error| cannot(&error))?.take(MAX_FILES) {
            let file = file.map_err(|error| cannot(&error))?;
            // A name that is no text, or a folder, or a pipe that would block, is none of ours.
            let (Ok(name), Ok(true)) = (file.file_name().into_string(), file.file_type().map(|kind| kind.is_file()))
            else {
                continue;
            };
            if name.ends_with(SUFFIX) {
                records += 1;
                if records > self.limit {
                    break;
                }
                changed |= self.read_file(&folder.join(&name), name);
            } else if name.starts_with(TEMPORARY) {
                let _ = collect_temporary(&folder.join(name));
            }
        }
        self.tell_overflow(records > self.limit);
        // Some file systems leave a file out of a listing when it is replaced meanwhile, so each that
        // is missing is looked for by its name.
        if !self.overflowed {
            for name in self.missing() {
                changed |= self.read_file(&folder.join(&name), name);
            }
        }
        Ok(changed | self.forget_missing())
    }

    /// The files that are known and have not been seen in this round.
    fn missing(&self) -> Vec<String> {
        self.files.iter().filter(|(_, file)| file.round != self.round).map(|(name, _)| name.clone()).collect()
    }

    /// Says whether there were any.
    fn forget_missing(&mut self) -> bool {
        let (round, known) = (self.round, self.files.len());
        self.files.retain(|_, file| file.round == round);
        self.files.len() != known
    }

    /// Brings what is known of one file up to date, and says whether its node changed.
    fn read_file(&mut self, path: &Path, name: String) -> bool {
        let (mut file, metadata) = match open_if_held(path) {
            Ok(Some(held)) => held,
            Ok(None) => return false,
            Err(error) => return self.keep(&name, &error),
        };
        // Its owner has taken the name and not written yet.
        if metadata.len() == 0 {
            return false;
        }
        let stamp = Stamp::of(&metadata);
        let settled = metadata.modified().is_ok_and(is_settled);
        let known = self.files.get_mut(&name);
        if let Some(known) = known.filter(|known| known.settled && known.stamp == stamp) {
            known.round = self.round;
            return false;
        }
        let known = self.files.remove(&name);
        let node = match read(&mut file).and_then(|bytes| decode(&name, &bytes)) {
            Ok(node) => Some(node),
            Err(status) => {
                let told = known.as_ref().is_some_and(|known| known.node.is_none() && known.stamp == stamp);
                if !told {
                    tracing::warn!(record = %path.display(), problem = status.message(), "passed over a record");
                }
                None
            }
        };
        let changed = known.and_then(|known| known.node) != node;
        self.files.insert(name, Known { stamp, settled, node, round: self.round });
        changed
    }

    /// Keeps what was known of a file that cannot be opened now.
    fn keep(&mut self, name: &str, error: &io::Error) -> bool {
        tracing::debug!(record = name, %error, "a record could not be opened");
        if let Some(known) = self.files.get_mut(name) {
            known.round = self.round;
        }
        false
    }

    /// Puts the nodes together anew; services without a change keep their list.
    fn collect(&mut self) {
        let mut services = BTreeMap::<&str, Vec<&Node>>::new();
        for node in self.files.values().filter_map(|file| file.node.as_ref()) {
            services.entry(&node.service).or_default().push(node);
        }
        let fresh = services.into_iter().map(|(service, mut nodes)| {
            nodes.sort_by(|a, b| a.id.cmp(&b.id));
            let same = self.nodes.get(service).filter(|known| known.iter().eq(nodes.iter().copied()));
            let list = same.cloned().unwrap_or_else(|| nodes.into_iter().cloned().collect());
            (service.to_owned(), list)
        });
        self.nodes = Arc::new(fresh.collect());
    }

    fn tell_overflow(&mut self, overflows: bool) {
        if overflows && !self.overflowed {
            let folder = self.folder.path().display();
            tracing::warn!(%folder, limit = self.limit, "the registry holds more records than are looked at");
        }
        self.overflowed = overflows;
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Stamp {
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        Stamp { inode: metadata.ino(), size: metadata.len(), modified }
    }
}

/// Whether a change from now on would show in the time of modification.
fn is_settled(modified: SystemTime) -> bool {
    modified.elapsed().is_ok_and(|age| age > Duration::from_secs(1))
}

fn read(file: &mut File) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = file.take(MAX_RECORD as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| Status::data_loss("it cannot be read").with_source(error))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use motet_core::Endpoint;

    use super::*;
    use crate::{
        hold::{Held, TemporaryNames},
        record::{encode, file_name},
    };

    struct Bench {
        _temp: tempfile::TempDir,
        folder: Folder,
        scan: Scan,
        names: TemporaryNames,
    }

    impl Bench {
        fn new() -> Bench {
            let temp = tempfile::tempdir().expect("temp");
            let folder = Folder::new(temp.path().join("registry"));
            folder.ensure().expect("created");
            Bench { scan: Scan::new(folder.clone()), folder, names: TemporaryNames::new(), _temp: temp }
        }

        fn hold(&self, name: &str, bytes: &[u8]) -> Held {
            Held::claim(&self.folder.path().join(name), bytes, &self.names, 1).expect("free")
        }

        fn node(&self, node: &Node) -> Held {
            self.hold(&file_name(&node.service, &node.id), &encode(node).expect("fits"))
        }

        fn ids(&mut self) -> Vec<String> {
            let nodes = self.scan.run().expect("read");
            nodes.values().flat_map(|nodes| nodes.iter()).map(|node| format!("{}/{}", node.service, node.id)).collect()
        }
    }

    fn node(service: &str, id: &str) -> Node {
        Node::new(service, id).endpoint(Endpoint::new("tcp", "127.0.0.1:1"))
    }

    #[test]
    fn nodes_of_living_owners_are_found_and_dead_ones_deleted() {
        let mut bench = Bench::new();
        let held = [bench.node(&node("b", "2")), bench.node(&node("b", "1")), bench.node(&node("a", "1"))];
        let dead = bench.folder.path().join("c~1.node");
        fs::write(&dead, encode(&node("c", "1")).expect("fits")).expect("written");
        assert_eq!(bench.ids(), ["a/1", "b/1", "b/2"]);
        assert!(!dead.exists());
        drop(held);
        assert!(bench.ids().is_empty());
    }

    #[test]
    fn a_service_without_a_change_keeps_its_list() {
        let mut bench = Bench::new();
        let _held = bench.node(&node("a", "1"));
        let before = bench.scan.run().expect("read");
        assert!(Arc::ptr_eq(&before, &bench.scan.run().expect("read")));
        let _another = bench.node(&node("b", "1"));
        let after = bench.scan.run().expect("read");
        assert!(Arc::ptr_eq(&before["a"], &after["a"]));
    }

    #[test]
    fn a_change_within_a_tick_of_the_clock_is_seen() {
        let mut bench = Bench::new();
        let mut held = bench.node(&node("a", "1"));
        for weight in 100..200 {
            let mut node = node("a", "1");
            node.weight = weight;
            held.replace(&encode(&node).expect("fits"), &bench.names).expect("written");
            assert_eq!(bench.scan.run().expect("read")["a"][0].weight, weight);
        }
    }

    #[test]
    fn what_is_no_record_is_passed_over() {
        let mut bench = Bench::new();
        let _good = bench.node(&node("a", "1"));
        let _unreadable = bench.hold("a~2.node", b"{\"version\":1,");
        let _renamed = bench.hold("a~3.node", &encode(&node("a", "4")).expect("fits"));
        let _unwritten = bench.hold("a~5.node", b"");
        let _long = bench.hold("a~6.node", &vec![b' '; 2 * MAX_RECORD]);
        fs::create_dir(bench.folder.path().join("a~7.node")).expect("created");
        fs::write(bench.folder.path().join("notes.txt"), "mine").expect("written");
        std::os::unix::fs::symlink("/etc/hostname", bench.folder.path().join("a~8.node")).expect("linked");
        assert_eq!(bench.ids(), ["a/1"]);
        assert_eq!(bench.ids(), ["a/1"]);
        assert!(bench.folder.path().join("notes.txt").exists());
    }

    #[test]
    fn no_more_records_than_the_limit_are_looked_at() {
        let mut bench = Bench::new();
        bench.scan.limit = 3;
        let _held: Vec<_> = (0..10).map(|id| bench.node(&node("a", &id.to_string()))).collect();
        assert_eq!(bench.ids().len(), 3);
        assert!(bench.scan.overflowed);
    }

    #[test]
    fn a_record_that_becomes_readable_is_found() {
        let mut bench = Bench::new();
        let mut held = bench.hold("a~1.node", b"not yet");
        assert!(bench.ids().is_empty());
        held.replace(&encode(&node("a", "1")).expect("fits"), &bench.names).expect("written");
        assert_eq!(bench.ids(), ["a/1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_removed_folder_is_a_gap_not_an_empty_registry() {
        let mut bench = Bench::new();
        let held = bench.node(&node("a", "1"));
        assert_eq!(bench.ids(), ["a/1"]);
        fs::remove_dir_all(bench.folder.path()).expect("removed");
        std::thread::sleep(Duration::from_millis(20));
        let status = bench.scan.run().expect_err("a gap");
        assert!(status.may_retry() && status.retry_after().is_some(), "{status}");
        drop(held);
        let _again = bench.node(&node("a", "1"));
        tokio::time::advance(REFILL).await;
        assert_eq!(bench.ids(), ["a/1"]);
    }
}

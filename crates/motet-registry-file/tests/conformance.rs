//! The file registry keeps the rules of every registry.
#![cfg(unix)]

use std::{fs::File, io::Write};

use motet_core::{BoxFuture, Node, Result};
use motet_registry_file::{FileConfig, FileRegistry};
use motet_testkit::registry::{Keep, Kill, RegistryHarness, Shared};
use tempfile::TempDir;

mod child;

struct Files(TempDir);

impl Files {
    fn new() -> Files {
        Files(child::folder())
    }
}

impl RegistryHarness for Files {
    fn open(&self) -> BoxFuture<'_, Result<Shared>> {
        Box::pin(async { FileRegistry::open(FileConfig::at(self.0.path())).map(Shared::from) })
    }

    fn mortal(&self, node: Node) -> Option<BoxFuture<'_, Kill>> {
        Some(Box::pin(async move {
            let (child, said) = child::Child::start(self.0.path(), &[node]);
            assert_eq!(said, "ready");
            Box::new(|| child.kill()) as Kill
        }))
    }

    fn unreadable<'a>(&'a self, service: &'a str) -> Option<BoxFuture<'a, Keep>> {
        Some(Box::pin(async move {
            let path = self.0.path().join(format!("{service}~bad.node"));
            let mut file = File::create(path).expect("created");
            file.write_all(b"{\"version\":1,\"node\":{\xff").expect("written");
            // Without its lock it would be taken for a dead owner's, and deleted unread.
            file.lock().expect("locked");
            Box::new(file) as Keep
        }))
    }
}

#[test]
#[ignore = "what the other tests start as another process"]
fn another_process() {
    child::run();
}

motet_testkit::registry_conformance!(Files::new());

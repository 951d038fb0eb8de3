//! A registry that the processes of one machine share: no daemon, nothing to install.
//!
//! Every node is one small file in a folder that belongs to one user. Its owner keeps the file
//! locked for as long as it lives, and the system frees the lock when the owner ends, however it
//! ends. So a process that was killed is gone for all others within a second; whoever looks next
//! deletes the file that it left.
//!
//! It does not reach other machines or other users, and it is not for network file systems, whose
//! locks outlive their owners. A stopped process (`kill -STOP`) still holds its locks and stays
//! listed: that it does not answer is for its callers to notice.
//!
//! ```
//! use std::time::Duration;
//!
//! use motet_core::{Endpoint, Node, Registry};
//! use motet_registry_file::{FileConfig, FileRegistry};
//!
//! # #[cfg(unix)]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> motet_core::Result<()> {
//! # let temp = tempfile::tempdir().unwrap();
//! # let directory = temp.path().join("registry");
//! // `FileConfig::default()` is the folder that all processes of this user share.
//! let registry = FileRegistry::open(FileConfig::at(directory))?;
//!
//! let node = Node::new("greeter", "a1").endpoint(Endpoint::new("tcp", "127.0.0.1:4000"));
//! let registration = registry.register(node, Duration::ZERO).await?;
//! assert_eq!(registry.lookup("greeter").await?.len(), 1);
//!
//! registration.close().await?;
//! assert!(registry.lookup("greeter").await?.is_empty());
//! # Ok(())
//! # }
//! # #[cfg(not(unix))]
//! # fn main() {}
//! ```
//!
//! # What is in the folder
//!
//! The folder is `<temp>/motet-<uid>` unless configured, has mode 0700, and is created when it is
//! absent. One that is a symbolic link, belongs to another user or lets others in is refused.
//! When it is removed while processes run, they create it again and record their nodes anew
//! within a second; until then lookups answer Unavailable, and watches report the gap and then start
//! over, to whom knew the folder before.
//!
//! `<service>~<id>.node` holds one node as JSON, `{"version":1,"pid":4711,"node":{…}}`, at most
//! 64 KiB of it; at most 10,000 such files are looked at. Files that cannot be read as that are
//! passed over and logged once. `.tmp-*` are records while they are written. Other files are left
//! alone.
//!
//! # Why writers do not get in each other's way
//!
//! Whoever changes what a name leads to holds the lock of the file that it leads to: an owner that
//! renames a new version over its record, a process that takes over the name of a dead owner, a
//! reader that deletes a dead record. After locking, each makes sure that the name still leads to
//! the locked file, and starts over if not. There is no lock for the folder as a whole, so a
//! process that is stopped at any point holds up nobody.
//!
//! Reading order: [`FileConfig`], [`FileRegistry`]; inside, `record` (what is in a file), `hold`
//! (locks), `scan` (reading the folder), `watch` (the one task that polls).

#[cfg(unix)]
mod backend;
mod config;
#[cfg(not(unix))]
mod elsewhere;
#[cfg(unix)]
mod folder;
#[cfg(unix)]
mod hold;
#[cfg(unix)]
mod inspect;
#[cfg(unix)]
mod record;
#[cfg(unix)]
mod registration;
#[cfg(unix)]
mod scan;
#[cfg(unix)]
mod watch;

#[cfg(unix)]
pub use backend::FileRegistry;
pub use config::FileConfig;
#[cfg(not(unix))]
pub use elsewhere::FileRegistry;
#[cfg(unix)]
pub use inspect::{Inspection, RecordFile, inspect};

/// For the fuzz targets; not for use by hand, and free to change in any release.
#[cfg(unix)]
#[doc(hidden)]
pub mod __fuzz {
    /// Reads a record as it stands in a file of this name, and writes it again.
    pub fn record(name: &str, bytes: &[u8]) {
        let Ok(node) = crate::record::decode(name, bytes) else { return };
        let again = crate::record::encode(&node).map(|bytes| crate::record::decode(name, &bytes));
        assert_eq!(again.ok(), Some(Ok(node)), "what was read can be written and read again");
    }
}

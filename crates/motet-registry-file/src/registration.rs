//! One node that this process keeps recorded.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use motet_core::{BoxFuture, Node, Registration, Result, Status};
use tokio::runtime::Handle;

use crate::{
    backend::blocking,
    folder::Folder,
    hold::{Held, PATIENT, TemporaryNames},
    record::{encode, file_name},
    watch::Hub,
};

/// What all records of one registry are written with.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) folder: Folder,
    pub(crate) names: TemporaryNames,
}

/// A node and its record. Dropping it deletes the record.
#[derive(Debug)]
pub(crate) struct Entry {
    desk: Arc<Desk>,
    file_name: String,
    node: Mutex<Node>,
    /// Locked while the file is written, on threads that may block only; `None` once it is closed.
    held: Mutex<Option<Held>>,
    told: Mutex<bool>,
}

impl Entry {
    /// Records a node. Blocks.
    pub(crate) fn create(desk: Arc<Desk>, node: Node) -> Result<Entry> {
        let bytes = encode(&node)?;
        let file_name = file_name(&node.service, &node.id);
        let held = desk.claim(&file_name, &bytes, PATIENT)?;
        let (node, held) = (Mutex::new(node), Mutex::new(Some(held)));
        Ok(Entry { desk, file_name, node, held, told: Mutex::default() })
    }

    /// Makes sure that the record is still there; writes it again if not. Blocks.
    pub(crate) fn keep(&self) {
        let mut held = lock(&self.held);
        let Some(known) = &mut *held else { return };
        if known.is_current() {
            return;
        }
        let node = lock(&self.node).clone();
        let restored = encode(&node).and_then(|bytes| self.desk.claim(&self.file_name, &bytes, 1));
        match restored {
            Ok(restored) => {
                tracing::info!(service = node.service, id = node.id, "recorded again after the file was removed");
                *known = restored;
                *lock(&self.told) = false;
            }
            Err(status) => {
                if !std::mem::replace(&mut *lock(&self.told), true) {
                    let (service, id) = (&node.service, &node.id);
                    tracing::warn!(service, id, problem = status.message(), "the record is gone; trying to restore it");
                }
            }
        }
    }

    /// Changes the record. Blocks.
    fn update(&self, node: Node) -> Result<()> {
        let bytes = encode(&node)?;
        if file_name(&node.service, &node.id) != self.file_name {
            let known = lock(&self.node);
            return Err(Status::invalid_argument(format!(
                "a registration keeps its service and id: {}/{}",
                known.service, known.id
            )));
        }
        let mut held = lock(&self.held);
        let Some(known) = &mut *held else {
            return Err(Status::failed_precondition(format!("the registration of node {} is closed", node.id)));
        };
        if known.is_current() {
            known.replace(&bytes, &self.desk.names)?;
        } else {
            *known = self.desk.claim(&self.file_name, &bytes, PATIENT)?;
        }
        *lock(&self.node) = node;
        Ok(())
    }

    /// Deletes the record. Blocks.
    fn close(&self) -> Result<()> {
        lock(&self.held).take().map_or(Ok(()), Held::remove)
    }
}

impl Desk {
    fn claim(&self, file_name: &str, bytes: &[u8], tries: u32) -> Result<Held> {
        self.folder.ensure()?;
        Held::claim(&Path::join(self.folder.path(), file_name), bytes, &self.names, tries)
    }
}

pub(crate) struct FileRegistration {
    entry: Arc<Entry>,
    /// The task that restores the record lives as long as the hub.
    _hub: Arc<Hub>,
}

impl FileRegistration {
    pub(crate) fn new(entry: Arc<Entry>, hub: Arc<Hub>) -> FileRegistration {
        FileRegistration { entry, _hub: hub }
    }
}

impl Registration for FileRegistration {
    fn node(&self) -> Node {
        lock(&self.entry.node).clone()
    }

    fn update(&self, node: Node) -> BoxFuture<'_, Result<()>> {
        let entry = self.entry.clone();
        Box::pin(blocking(move || entry.update(node)))
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        let entry = self.entry.clone();
        Box::pin(blocking(move || entry.close()))
    }
}

impl Drop for FileRegistration {
    fn drop(&mut self) {
        let entry = self.entry.clone();
        let close = move || {
            if let Err(status) = entry.close() {
                tracing::debug!(problem = status.message(), "a dropped registration left its record behind");
            }
        };
        match Handle::try_current() {
            // A runtime that is going away drops the closure, and with it the last hold on the
            // entry, which deletes the record too.
            Ok(runtime) => drop(runtime.spawn_blocking(close)),
            Err(_) => close(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The one task of a registry: it keeps the process's own records and looks for changes.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use motet_core::{Node, Result, Watch, follow_nodes};
use tokio::{sync::watch, task::JoinHandle, time::Instant};

use crate::{
    registration::Entry,
    scan::{Nodes, Scan},
};

/// Without watchers the folder is still read at each of so many rounds, so that the files of dead
/// owners do not pile up where nobody looks.
const CLEAN_UP_EVERY: u64 = 50;

/// What a registry knows and keeps. The task ends with it.
#[derive(Debug)]
pub(crate) struct Hub {
    poll: Duration,
    /// Locked while the folder is read, on threads that may block only.
    scan: Mutex<Scan>,
    /// The number of scans begun, to tell which request a scan can answer.
    begun: AtomicU64,
    latest: watch::Sender<Result<Arc<Nodes>>>,
    entries: Mutex<Vec<Weak<Entry>>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Hub {
    pub(crate) fn new(poll: Duration, scan: Scan) -> Hub {
        let (begun, latest) = (AtomicU64::new(0), watch::Sender::new(Ok(Arc::default())));
        Hub { poll, scan: Mutex::new(scan), begun, latest, entries: Mutex::default(), task: Mutex::default() }
    }

    /// How many scans have begun until now.
    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Acquire)
    }

    /// The nodes as the folder shows them after `begun` scans had begun: readers that wait for the
    /// same scan share it. Blocks.
    pub(crate) fn refresh(&self, begun: u64) -> Result<Arc<Nodes>> {
        let mut scan = self.scan.lock().unwrap_or_else(PoisonError::into_inner);
        if self.begun() > begun {
            return self.latest.borrow().clone();
        }
        self.begun.fetch_add(1, Ordering::AcqRel);
        let found = scan.run();
        self.latest.send_if_modified(|latest| {
            let changed = match (&*latest, &found) {
                (Ok(before), Ok(now)) => !Arc::ptr_eq(before, now),
                (Err(_), Err(_)) => false,
                _ => true,
            };
            latest.clone_from(&found);
            changed
        });
        found
    }

    /// The nodes of a service and what becomes of them. The watch keeps the hub.
    pub(crate) fn watch(self: &Arc<Hub>, service: String) -> Watch {
        self.start();
        let hub = self.clone();
        follow_nodes(self.latest.subscribe(), move |latest| {
            let _keeps_polling = &hub;
            latest.clone().map(|nodes| of(&nodes, &service))
        })
    }

    /// Keeps a record from now on, until it is dropped.
    pub(crate) fn keep(self: &Arc<Hub>, entry: &Arc<Entry>) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(entry));
        self.start();
    }

    /// Starts the task, also after the runtime that it ran on has ended.
    fn start(self: &Arc<Hub>) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.as_ref().is_none_or(JoinHandle::is_finished) {
            *task = Some(tokio::spawn(run(Arc::downgrade(self), self.poll)));
        }
    }

    /// One round of the task. Blocks.
    fn round(&self, number: u64) {
        let entries: Vec<_> = {
            let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
            entries.retain(|entry| entry.strong_count() > 0);
            entries.iter().filter_map(Weak::upgrade).collect()
        };
        entries.iter().for_each(|entry| entry.keep());
        if self.latest.receiver_count() > 0 || number.is_multiple_of(CLEAN_UP_EVERY) {
            // What went wrong is told to those who watch.
            let _ = self.refresh(self.begun());
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let task = self.task.get_mut().unwrap_or_else(PoisonError::into_inner);
        task.take().inspect(JoinHandle::abort);
    }
}

async fn run(hub: Weak<Hub>, poll: Duration) {
    let mut pause = poll;
    for number in 1.. {
        tokio::time::sleep(pause).await;
        let Some(hub) = hub.upgrade() else { return };
        let began = Instant::now();
        if tokio::task::spawn_blocking(move || hub.round(number)).await.is_err() {
            return;
        }
        // A large folder on a slow disk takes a fifth of a processor, not all of it.
        pause = (began.elapsed() * 4).clamp(poll, Duration::from_millis(600).max(poll));
    }
}

/// The nodes of one service.
pub(crate) fn of(nodes: &Nodes, service: &str) -> Arc<[Node]> {
    nodes.get(service).cloned().unwrap_or_default()
}

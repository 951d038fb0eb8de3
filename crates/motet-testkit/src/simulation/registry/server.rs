//! The registry's side: records that expire, and those who watch them.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::select;
use motet_core::{BoxIo, Listener, Node};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, interval},
};

use super::wire::{self, Ask, Tell};

/// How often expired records are looked for.
const SWEEP: Duration = Duration::from_millis(250);
/// How many messages wait for one connection; it is closed when more would.
const OUTBOX: usize = 1024;

/// Serves a registry until the future is dropped, which ends all its connections.
pub(crate) async fn serve(listener: Box<dyn Listener>) {
    let board = Arc::new(Mutex::new(Board::default()));
    let mut connections = JoinSet::new();
    let mut sweep = interval(SWEEP);
    loop {
        tokio::select! {
            biased;
            accepted = listener.accept() => {
                if let Ok(accepted) = accepted {
                    connections.spawn(connection(accepted.io, board.clone()));
                }
            }
            _ = sweep.tick() => lock(&board).expire(Instant::now()),
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(io: BoxIo, board: Arc<Mutex<Board>>) {
    let (mut reader, mut writer) = tokio::io::split(io);
    let (outbox, mut waiting) = mpsc::channel(OUTBOX);
    let number = lock(&board).join(outbox);
    let reading = pin!(async {
        while let Ok(ask) = wire::read(&mut reader).await {
            if !lock(&board).handle(number, ask, Instant::now()) {
                return;
            }
        }
    });
    let writing = pin!(async {
        while let Some(tell) = waiting.recv().await {
            if wire::write(&mut writer, &tell).await.is_err() {
                return;
            }
        }
    });
    select(reading, writing).await;
    lock(&board).leave(number);
}

fn lock(board: &Mutex<Board>) -> MutexGuard<'_, Board> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Everything that the registry knows.
#[derive(Default)]
struct Board {
    services: BTreeMap<String, BTreeMap<String, Record>>,
    connections: BTreeMap<u64, Member>,
    joined: u64,
}

struct Record {
    node: Node,
    owner: String,
    ttl: Duration,
    expires: Instant,
}

struct Member {
    outbox: mpsc::Sender<Tell>,
    watches: BTreeSet<String>,
}

impl Board {
    fn join(&mut self, outbox: mpsc::Sender<Tell>) -> u64 {
        self.joined += 1;
        self.connections.insert(self.joined, Member { outbox, watches: BTreeSet::new() });
        self.joined
    }

    fn leave(&mut self, number: u64) {
        self.connections.remove(&number);
    }

    /// Handles what a connection said; false when its outbox is full.
    fn handle(&mut self, from: u64, ask: Ask, now: Instant) -> bool {
        let answer = match ask {
            Ask::Put { number, owner, ttl_ms, node } => self.put(number, owner, ttl_ms, node, now),
            Ask::Remove { number, owner, service, id } => {
                self.remove(&service, |known, record| known == id && record.owner == owner);
                Tell::Done { number }
            }
            Ask::Nodes { number, service: Some(service) } => Tell::Nodes { number, nodes: self.nodes(&service) },
            Ask::Nodes { number, service: None } => {
                let nodes = self.services.values().flat_map(BTreeMap::values).map(|record| record.node.clone());
                Tell::Nodes { number, nodes: nodes.collect() }
            }
            Ask::Watch { service } => {
                let nodes = self.nodes(&service);
                if let Some(member) = self.connections.get_mut(&from) {
                    member.watches.insert(service.clone());
                }
                Tell::Watched { service, nodes }
            }
            Ask::Beat { owner, records } => {
                for (service, id) in records {
                    let record = self.services.get_mut(&service).and_then(|records| records.get_mut(&id));
                    if let Some(record) = record.filter(|record| record.owner == owner) {
                        record.expires = now + record.ttl;
                    }
                }
                Tell::Beat
            }
        };
        self.connections.get(&from).is_some_and(|member| member.outbox.try_send(answer).is_ok())
    }

    fn put(&mut self, number: u64, owner: String, ttl_ms: u64, node: Node, now: Instant) -> Tell {
        let records = self.services.entry(node.service.clone()).or_default();
        if records.get(&node.id).is_some_and(|known| known.owner != owner && known.expires > now) {
            return Tell::Taken { number };
        }
        let (service, ttl) = (node.service.clone(), Duration::from_millis(ttl_ms));
        let changed = records.get(&node.id).is_none_or(|known| known.node != node);
        records.insert(node.id.clone(), Record { node, owner, ttl, expires: now + ttl });
        if changed {
            self.tell(&service);
        }
        Tell::Done { number }
    }

    fn expire(&mut self, now: Instant) {
        let services: Vec<_> = self.services.keys().cloned().collect();
        services.iter().for_each(|service| self.remove(service, |_, record| record.expires <= now));
    }

    fn remove(&mut self, service: &str, which: impl Fn(&str, &Record) -> bool) {
        let Some(records) = self.services.get_mut(service) else { return };
        let before = records.len();
        records.retain(|id, record| !which(id, record));
        if records.len() < before {
            self.tell(service);
        }
    }

    /// Tells the nodes of a service to those who watch it. A connection with a full outbox is given
    /// up: it has missed something.
    fn tell(&mut self, service: &str) {
        let nodes = self.nodes(service);
        self.connections.retain(|_, member| {
            let tell = || Tell::Watched { service: service.to_owned(), nodes: nodes.clone() };
            !member.watches.contains(service) || member.outbox.try_send(tell()).is_ok()
        });
    }

    fn nodes(&self, service: &str) -> Vec<Node> {
        self.services.get(service).into_iter().flat_map(BTreeMap::values).map(|record| record.node.clone()).collect()
    }
}

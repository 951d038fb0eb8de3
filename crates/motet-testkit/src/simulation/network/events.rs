//! What happens to connections, at its time.

use std::{cmp::Reverse, io::ErrorKind, task::Waker};

use bytes::Bytes;
use motet_core::{Accepted, Peer};
use tokio::sync::mpsc;

use super::{
    GIVE_UP, Network, NodeId, State,
    connection::{Connection, Item, Side},
    stream::SimulatedStream,
    transport::SCHEME,
};

/// The pause before a lost piece is sent again, doubled each time, up to the longest.
const FIRST_RETRY: u64 = 200;
const LONGEST_RETRY: u64 = 2000;

/// What happens to a connection, by its number, in the pipe of a side. Connections that are gone are
/// passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// The first item that flies in this side's pipe arrives.
    Arrives(u64, Side),
    /// The first item that waits in this side's pipe is sent again.
    Again(u64, Side),
    /// The other side tells this one what has arrived and has been read.
    Acknowledges(u64, Side),
    /// This side hears that.
    Acknowledged(u64, Side),
    /// This side hears that the other is gone for good.
    Resets(u64, Side),
}

/// An event has been applied.
#[derive(Default)]
pub(in crate::simulation) struct Applied {
    /// The node whose process has something to do now.
    pub(in crate::simulation) touched: Option<NodeId>,
    wakers: Vec<Waker>,
    arrived: Option<(mpsc::Sender<Accepted>, Accepted)>,
}

impl Network {
    /// The node whose process the next event that is due concerns, if any; `None` when none is due.
    /// That process is to be brought to the present first.
    pub(in crate::simulation) fn due(&self) -> Option<Option<NodeId>> {
        let state = self.lock();
        let Reverse((at, _, event)) = state.planned.peek()?;
        (*at <= state.now).then(|| match *event {
            Event::Arrives(id, side) => Some(state.connections.get(&id)?.nodes[1 - side]),
            Event::Resets(id, side) => Some(state.connections.get(&id)?.nodes[side]),
            Event::Acknowledged(id, side) => {
                let connection = state.connections.get(&id)?;
                connection.ends[side].writer.as_ref().map(|_| connection.nodes[side])
            }
            Event::Again(..) | Event::Acknowledges(..) => None,
        })
    }

    /// Applies the next event.
    pub(in crate::simulation) fn apply(&self) -> Option<NodeId> {
        let applied = self.lock().apply(self);
        // Wakers and streams come back to the network: the lock is released by now.
        if let Some((listener, accepted)) = applied.arrived {
            // A full backlog, or a listener that has just gone, drops the stream, which closes it.
            let _ = listener.try_send(accepted);
        }
        applied.wakers.into_iter().for_each(Waker::wake);
        applied.touched
    }
}

impl State {
    /// When something happens next.
    pub(in crate::simulation) fn next_event(&self) -> Option<u64> {
        self.planned.peek().map(|Reverse((at, ..))| *at)
    }

    fn plan(&mut self, at: u64, event: Event) {
        self.order += 1;
        self.planned.push(Reverse((at, self.order, event)));
    }

    /// Begins to connect.
    pub(super) fn open(&mut self, from: NodeId, to: NodeId, address: &str) -> u64 {
        self.opened += 1;
        let id = self.opened;
        self.connections.insert(id, Connection::new([from, to], address));
        let at = self.time_of(from);
        self.send(id, 0, Item::Open, at);
        id
    }

    /// Gives an item to the pipe of a side.
    pub(super) fn send(&mut self, id: u64, side: Side, item: Item, at: u64) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let pipe = &mut connection.pipes[side];
        pipe.waiting.push_back(item);
        if pipe.lost == 0 {
            self.pump(id, side, at);
        }
    }

    /// Sends what waits, up to what is lost.
    fn pump(&mut self, id: u64, side: Side, at: u64) {
        loop {
            let Some(connection) = self.connections.get(&id) else { return };
            let [from, to] = [connection.nodes[side], connection.nodes[1 - side]];
            if connection.pipes[side].waiting.is_empty() {
                return;
            }
            let flight = self.flight(from, to);
            let Some(pipe) = self.connections.get_mut(&id).map(|connection| &mut connection.pipes[side]) else {
                return;
            };
            pipe.unacknowledged.get_or_insert(at);
            let Some(flight) = flight else {
                pipe.lost += 1;
                let pause = (FIRST_RETRY << (pipe.lost - 1).min(8)).min(LONGEST_RETRY);
                self.plan(at + pause, Event::Again(id, side));
                let (from, to) = (self.name(from).to_owned(), self.name(to).to_owned());
                return self.note_at(at, format_args!("#{id} {from} > {to} lost"));
            };
            pipe.lost = 0;
            pipe.last = pipe.last.max(at + flight);
            let arrives = pipe.last;
            pipe.flying.extend(pipe.waiting.pop_front());
            self.plan(arrives, Event::Arrives(id, side));
        }
    }

    fn apply(&mut self, network: &Network) -> Applied {
        let mut applied = Applied::default();
        let Some(Reverse((_, _, event))) = self.planned.pop() else { return applied };
        match event {
            Event::Arrives(id, side) => self.arrives(network, id, side, &mut applied),
            Event::Again(id, side) if !self.gives_up(id, side, &mut applied) => self.pump(id, side, self.now),
            Event::Acknowledges(id, side) if !self.gives_up(id, side, &mut applied) => {
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.pipes[side].acknowledging = false;
                    self.acknowledge(id, side, self.now);
                }
            }
            Event::Again(..) | Event::Acknowledges(..) => {}
            Event::Acknowledged(id, side) => self.acknowledged(id, side, &mut applied),
            Event::Resets(id, side) => self.fail(id, side, ErrorKind::ConnectionReset, &mut applied),
        }
        applied
    }

    fn arrives(&mut self, network: &Network, id: u64, side: Side, applied: &mut Applied) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let [from, to] = [connection.nodes[side], connection.nodes[1 - side]];
        let Some(item) = connection.pipes[side].flying.pop_front() else { return };
        let what = match &item {
            Item::Open => format!("open {}", connection.address),
            Item::Accepted => "accepted".to_owned(),
            Item::Data(bytes) => format!("{} bytes {:016x}", bytes.len(), digest(bytes)),
            Item::End => "end".to_owned(),
        };
        let gone = connection.ends[1 - side].gone;
        let end = &mut connection.ends[1 - side];
        let pipe = &mut connection.pipes[side];
        match item {
            Item::Open => return self.arrives_open(network, id, applied),
            _ if gone || end.failed.is_some() => {}
            Item::Accepted => end.established = true,
            Item::Data(bytes) => pipe.inbox.push_back(bytes),
            Item::End => pipe.ended = true,
        }
        applied.wakers.extend(end.reader.take());
        applied.touched = Some(to);
        let (from, to) = (self.name(from).to_owned(), self.name(to).to_owned());
        self.note(format_args!("#{id} {from} > {to} {what}"));
        match gone && !matches!(what.as_str(), "end") {
            // The machine answers in the place of a process that is gone.
            true => self.reset(id, side, self.now),
            false => self.acknowledge(id, side, self.now),
        }
    }

    fn arrives_open(&mut self, network: &Network, id: u64, applied: &mut Applied) {
        let Some(connection) = self.connections.get(&id) else { return };
        let ([from, to], address) = (connection.nodes, connection.address.clone());
        let (dialler, dialled) = (self.name(from).to_owned(), self.name(to).to_owned());
        let listener = self.listeners.get(&address).filter(|(node, sender)| *node == to && !sender.is_closed());
        let Some(listener) = listener.filter(|_| self.is_up(to)).map(|(_, listener)| listener.clone()) else {
            self.note(format_args!("#{id} {dialler} > {dialled} open {address}: refused"));
            return self.reset(id, 0, self.now);
        };
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.ends[1].gone = false;
        }
        self.note(format_args!("#{id} {dialler} > {dialled} open {address}"));
        let io = Box::pin(SimulatedStream::new(network.clone(), id, 1));
        applied.arrived = Some((listener, Accepted { io, peer: Peer::new(SCHEME, dialler, false) }));
        applied.touched = Some(to);
        self.acknowledge(id, 0, self.now);
        self.send(id, 1, Item::Accepted, self.now);
    }

    /// Tells the writer of a pipe what has arrived and was read.
    pub(super) fn acknowledge(&mut self, id: u64, side: Side, at: u64) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if std::mem::replace(&mut connection.pipes[side].acknowledging, true) {
            return;
        }
        let [writer, reader] = [connection.nodes[side], connection.nodes[1 - side]];
        match self.flight(reader, writer) {
            Some(flight) => self.plan(at + flight, Event::Acknowledged(id, side)),
            None => self.plan(at + FIRST_RETRY, Event::Acknowledges(id, side)),
        }
    }

    fn acknowledged(&mut self, id: u64, side: Side, applied: &mut Applied) {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let pipe = &mut connection.pipes[side];
        pipe.acknowledging = false;
        pipe.unread -= std::mem::take(&mut pipe.read).min(pipe.unread);
        let idle = pipe.flying.is_empty() && pipe.waiting.is_empty();
        pipe.unacknowledged = (!idle).then_some(now);
        if pipe.room() > 0
            && let Some(writer) = connection.ends[side].writer.take()
        {
            applied.wakers.push(writer);
            applied.touched = Some(connection.nodes[side]);
        }
    }

    /// Breaks the connection for the writer of a pipe that has waited too long.
    fn gives_up(&mut self, id: u64, side: Side, applied: &mut Applied) -> bool {
        let Some(connection) = self.connections.get(&id) else { return true };
        let since = connection.pipes[side].unacknowledged.unwrap_or(self.now);
        let over = self.now.saturating_sub(since) >= GIVE_UP.as_millis() as u64;
        if over {
            self.fail(id, side, ErrorKind::TimedOut, applied);
        }
        over
    }

    /// A side learns that its connection is broken.
    fn fail(&mut self, id: u64, side: Side, why: ErrorKind, applied: &mut Applied) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let node = connection.nodes[side];
        let end = &mut connection.ends[side];
        if end.failed.is_some() {
            return;
        }
        end.failed = Some(why);
        applied.wakers.extend(end.wakers());
        applied.touched = Some(node);
        let pipe = &mut connection.pipes[side];
        pipe.waiting.clear();
        pipe.lost = 0;
        let name = self.name(node).to_owned();
        self.note(format_args!("#{id} {name} {why:?}"));
    }

    /// Sends a reset to a side; it is not sent again where it is lost.
    fn reset(&mut self, id: u64, side: Side, at: u64) {
        let Some(connection) = self.connections.get(&id) else { return };
        let [to, from] = [connection.nodes[side], connection.nodes[1 - side]];
        let last = connection.pipes[1 - side].last;
        if let Some(flight) = self.flight(from, to) {
            self.plan(last.max(at + flight), Event::Resets(id, side));
        }
    }

    /// The holder of a side has dropped it.
    pub(super) fn release(&mut self, id: u64, side: Side) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let (node, unread) = (connection.nodes[side], !connection.pipes[1 - side].inbox.is_empty());
        let end = &mut connection.ends[side];
        if std::mem::replace(&mut end.gone, true) {
            return;
        }
        let failed = end.failed.is_some();
        if connection.ends[1 - side].gone {
            self.connections.remove(&id);
            return;
        }
        let shut = std::mem::replace(&mut connection.pipes[side].shut, true);
        let at = self.time_of(node);
        match (failed, unread) {
            (true, _) => {}
            // Nobody will read what has come: as a kernel does.
            (false, true) => self.reset(id, 1 - side, at),
            (false, false) if !shut => self.send(id, side, Item::End, at),
            (false, false) => {}
        }
    }

    /// A node's process is gone. Gives its listeners, to be dropped without the lock.
    pub(super) fn end(&mut self, node: NodeId) -> Vec<mpsc::Sender<Accepted>> {
        self.machines[node].clock = None;
        self.machines[node].runs = false;
        let held: Vec<_> = self
            .connections
            .iter()
            .flat_map(|(id, connection)| [(*id, 0), (*id, 1)].map(|(id, side)| (id, side, connection.nodes[side])))
            .filter(|(.., at)| *at == node)
            .collect();
        for (id, side, _) in held {
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            // A connection that has not arrived yet has nobody at this end.
            if std::mem::replace(&mut connection.ends[side].gone, true) {
                continue;
            }
            connection.pipes[side].waiting.clear();
            if connection.ends[1 - side].gone {
                self.connections.remove(&id);
            } else {
                self.reset(id, 1 - side, self.now);
            }
        }
        let (gone, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.listeners).into_iter().partition(|(_, (of, _))| *of == node);
        self.listeners = kept.into_iter().collect();
        gone.into_iter().map(|(_, (_, listener))| listener).collect()
    }
}

/// FNV-1a, to tell bytes apart in traces.
fn digest(bytes: &Bytes) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3))
}

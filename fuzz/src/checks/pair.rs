//! Two machines that keep the rules, with users that do as they like.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use motet_core::{Codec, Kind, Metadata, MethodDescriptor, Payload, Status};
use motet_rpc::{
    NativeConfig,
    native::{
        MemoryBudget,
        machine::{CallHead, Event, Machine, Path, Role},
        wire::ErrorCode,
    },
};
use tokio::time::Instant;

use super::Script;

struct World {
    client: Machine<u32>,
    server: Machine<u32>,
    up: BytesMut,
    down: BytesMut,
    /// What has arrived and is no whole frame yet.
    held_up: BytesMut,
    held_down: BytesMut,
    now: Instant,
    paths: Vec<String>,
    /// What was asked and not answered, by stream: the method, and whether it is a stream.
    asked: BTreeMap<u64, (usize, bool)>,
    /// What the server has to answer.
    serving: Vec<u64>,
    /// Messages that nobody has read: whose, stream, cost.
    unread: Vec<(Role, u64, u64)>,
}

/// Whatever the users do and however the bytes are cut, neither side accuses the other, calls reach
/// the methods they were made to, and messages arrive as they were sent.
pub fn two_machines(data: &[u8]) {
    let mut script = Script::new(data);
    let now = Instant::now();
    let config = |script: &mut Script<'_>| {
        let mut config = NativeConfig::default();
        config.stream_window = [1 << 10, 16 << 10, 256 << 10, 1 << 20][script.below(4)];
        config.connection_window = [64 << 10, 1 << 20, 4 << 20][script.below(3)];
        config.max_streams = [2, 100, 4096][script.below(3)];
        config.max_message = [1 << 10, 100 << 10, 4 << 20][script.below(3)];
        config.connection_memory = [64 << 10, 1 << 20, 32 << 20][script.below(3)];
        config
    };
    let budget = MemoryBudget::new(64 << 20);
    let mut world = World {
        client: Machine::new(Role::Dialling, config(&mut script), budget.clone(), now),
        server: Machine::new(Role::Accepting, config(&mut script), budget.clone(), now),
        up: BytesMut::new(),
        down: BytesMut::new(),
        held_up: BytesMut::new(),
        held_down: BytesMut::new(),
        now,
        paths: Vec::new(),
        asked: BTreeMap::new(),
        serving: Vec::new(),
        unread: Vec::new(),
    };
    let methods = ["a", "b", "c", "d"].map(|name| Arc::new(MethodDescriptor::new("test", name).kind(Kind::Bidi)));
    while !script.is_over() {
        world.step(&mut script, &methods);
    }
    world.settle();
    drop(world);
    assert_eq!(budget.used(), 0, "all memory is given back");
}

/// A message that says which method it is for and how long it is.
fn message(method: usize, length: usize) -> Payload {
    let mut bytes = vec![method as u8; length.max(1)];
    let last = bytes.len() - 1;
    bytes[last] = bytes[0];
    Payload::encoded(bytes, Codec::RAW)
}

impl World {
    fn step(&mut self, script: &mut Script<'_>, methods: &[Arc<MethodDescriptor>; 4]) {
        let none = Metadata::new();
        let length = [0, 1, 100, 600, 2000, 0, 1, 100, 600, 2000, 70_000, 300_000][script.below(12)];
        let compress = (script.byte() & 3 == 0).then_some(50);
        match script.byte() % 12 {
            0 => {
                let method = script.below(4);
                let streams = script.byte() & 1 == 0;
                let head = CallHead {
                    method: &methods[method],
                    codec: &Codec::RAW,
                    timeout: Some(Duration::from_secs(1)),
                    metadata: &none,
                    one_way: false,
                    compress_above: compress,
                };
                let first = message(method, length);
                if self.client.can_open()
                    && !self.client.is_leaving()
                    && let Ok(id) = self.client.call(&head, (!streams).then_some(&first), 0)
                {
                    self.asked.insert(id, (method, streams));
                }
            }
            1 => {
                if let Some((id, (method, true))) = self.some_asked(script)
                    && self.client.can_send(id)
                {
                    let _ = self.client.message(id, &message(method, length), compress);
                }
            }
            2 => {
                if let Some((id, (_, true))) = self.some_asked(script) {
                    self.client.end_request(id);
                }
            }
            3 => {
                if let Some((id, _)) = self.some_asked(script) {
                    self.asked.remove(&id);
                    self.client.cancel(id);
                }
            }
            4 => {
                if let Some(id) = self.some_served(script) {
                    self.serving.retain(|other| *other != id);
                    let reply = message(0, length);
                    if let Err(status) = self.server.reply(id, &Codec::RAW, &none, &none, &reply, compress) {
                        self.server.end(id, Some(&status), &none);
                    }
                }
            }
            5 => {
                if let Some(id) = self.some_served(script) {
                    self.serving.retain(|other| *other != id);
                    self.server.reply_stream(id, &Codec::RAW, &none, &Codec::RAW);
                    for _ in 0..script.below(8) {
                        if self.server.can_send(id) {
                            let _ = self.server.message(id, &message(0, length), compress);
                        }
                    }
                    self.server.end(id, None, &none);
                }
            }
            6 => {
                if let Some(id) = self.some_served(script) {
                    self.serving.retain(|other| *other != id);
                    self.server.end(id, Some(&Status::not_found("nobody")), &none);
                }
            }
            7 => {
                if !self.unread.is_empty() {
                    let at = script.below(self.unread.len());
                    let stream = self.unread[at].1;
                    let whose = self.unread[at].0;
                    // Messages of one stream are read in order.
                    let first = self.unread.iter().position(|(role, id, _)| (*role, *id) == (whose, stream));
                    let (role, id, cost) = self.unread.remove(first.unwrap_or(at));
                    self.machine(role).consumed(id, cost);
                }
            }
            8 if script.byte() == 0 => self.server.leave(ErrorCode::None, "stopping"),
            8 | 9 => self.deliver(Role::Accepting, script.below(70_000)),
            _ => self.deliver(Role::Dialling, script.below(70_000)),
        }
    }

    fn machine(&mut self, role: Role) -> &mut Machine<u32> {
        match role {
            Role::Dialling => &mut self.client,
            Role::Accepting => &mut self.server,
        }
    }

    fn some_asked(&self, script: &mut Script<'_>) -> Option<(u64, (usize, bool))> {
        let at = script.below(self.asked.len().max(1));
        self.asked.iter().nth(at).map(|(id, what)| (*id, *what))
    }

    fn some_served(&self, script: &mut Script<'_>) -> Option<u64> {
        self.serving.get(script.below(self.serving.len().max(1))).copied()
    }

    /// Moves at most this many bytes to a side.
    fn deliver(&mut self, to: Role, most: usize) {
        let mut out = BytesMut::new();
        let (from, wire) = match to {
            Role::Accepting => (&mut self.client, &mut self.up),
            Role::Dialling => (&mut self.server, &mut self.down),
        };
        from.take_output(&mut out);
        wire.unsplit(out);
        let arrived = wire.split_to(most.min(wire.len()));
        let (machine, held) = match to {
            Role::Accepting => (&mut self.server, &mut self.held_up),
            Role::Dialling => (&mut self.client, &mut self.held_down),
        };
        held.unsplit(arrived);
        let mut events = Vec::new();
        if let Err(error) = machine.handle_input(held, self.now, &mut events) {
            panic!("{to:?} accuses its peer: {error:?}");
        }
        for event in events {
            self.handle(to, event);
        }
    }

    fn handle(&mut self, at: Role, event: Event) {
        match event {
            Event::Interned(path) => self.paths.push(path),
            Event::Call(call) => {
                let path = match &call.path {
                    Path::New(path) => path,
                    Path::Known(index) => &self.paths[*index],
                };
                if let Some(message) = &call.message {
                    let name = ["test/a", "test/b", "test/c", "test/d"][usize::from(message[0])];
                    assert_eq!(path, name, "a call reaches the method it was made to");
                    is_whole(message);
                }
                self.serving.push(call.stream);
            }
            Event::Message { stream, message, cost } => {
                is_whole(&message);
                self.unread.push((at, stream, cost));
            }
            Event::Reply { stream, message, head } => {
                message.as_ref().into_iter().for_each(is_whole);
                if !head.streaming {
                    self.asked.remove(&stream);
                    self.client.close(stream);
                }
            }
            Event::End { stream, .. } if at == Role::Dialling => {
                self.asked.remove(&stream);
                self.client.close(stream);
            }
            Event::Cancel { stream } => {
                self.serving.retain(|other| *other != stream);
                self.server.close(stream);
            }
            Event::End { .. } | Event::Writable { .. } | Event::GoAway(_) => {}
        }
    }

    /// Everything arrives and is read; the windows are whole again.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            self.deliver(Role::Accepting, usize::MAX);
            self.deliver(Role::Dialling, usize::MAX);
            for (role, id, cost) in std::mem::take(&mut self.unread) {
                self.machine(role).consumed(id, cost);
            }
            if !self.client.has_output() && !self.server.has_output() && self.up.is_empty() && self.down.is_empty() {
                assert!(self.held_up.is_empty() && self.held_down.is_empty(), "whole frames");
                return;
            }
        }
        panic!("bytes go back and forth without end");
    }
}

fn is_whole(message: &Bytes) {
    assert_eq!(message.first(), message.last());
}

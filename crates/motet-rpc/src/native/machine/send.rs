//! From calls, replies and messages to bytes.

use std::{sync::Arc, time::Duration};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use motet_core::{Codec, Metadata, MethodDescriptor, Payload, Result, Status};

use super::{
    Machine, OUT_FILL, OUT_LEAST, OUT_LIMIT,
    stream::{Queued, Stream},
};
use crate::native::{
    compress,
    wire::{self, Front, MAX_BODY, MAX_PATH, MAX_ROUTES, MESSAGE_COST, flag, kind},
};

/// What a call's first frame says.
#[derive(Debug)]
pub struct CallHead<'a> {
    /// What to run.
    pub method: &'a Arc<MethodDescriptor>,
    /// The codec of the request's messages and, unless it says otherwise, of the reply's.
    pub codec: &'a Codec,
    /// The time that is left.
    pub timeout: Option<Duration>,
    /// Metadata.
    pub metadata: &'a Metadata,
    /// Whether no reply is wanted.
    pub one_way: bool,
    /// Whether messages of this size and more are compressed.
    pub compress_above: Option<usize>,
}

/// Where a frame begins in the output, and where its flags are.
struct Open {
    start: usize,
    flags: usize,
}

impl<T> Machine<T> {
    /// Makes a call: with its one message, or without when messages follow. Ask
    /// [`Machine::can_open`] before.
    ///
    /// # Errors
    /// What is wrong with the request, executed: no; nothing is sent.
    pub fn call(&mut self, head: &CallHead<'_>, message: Option<&Payload>, data: T) -> Result<u64> {
        let path = head.method.path.as_str();
        if path.len() > MAX_PATH {
            return Err(Status::invalid_argument(format!("a method's path has at most {MAX_PATH} bytes")));
        }
        let id = self.next_stream;
        let mut flags = match message {
            Some(_) => flag::MESSAGE | flag::END,
            None => flag::STREAM,
        };
        if head.one_way {
            flags |= flag::ONE_WAY;
        }
        if head.timeout.is_some() {
            flags |= flag::TIMEOUT;
        }
        if !head.metadata.is_empty() {
            flags |= flag::METADATA;
        }
        let (mut front, open) = self.begin(kind::CALL, id, flags);
        let key = Arc::as_ptr(head.method) as usize;
        let mut interned = false;
        match self.routes_out.get(&key) {
            Some((_, index)) => front.varint(index + 2),
            None => {
                interned = self.routes_out.len() < MAX_ROUTES;
                front.varint(interned.into());
                front.flush(&mut self.out);
                wire::put_bytes(&mut self.out, path.as_bytes());
                if interned {
                    let index = self.routes_out.len() as u64;
                    self.routes_out.insert(key, (head.method.clone(), index));
                }
            }
        }
        front.codec(head.codec, &mut self.out);
        if let Some(timeout) = head.timeout {
            front.varint(u64::try_from(timeout.as_micros()).unwrap_or(u64::MAX));
        }
        if !head.metadata.is_empty() {
            front.flush(&mut self.out);
            wire::put_metadata(&mut self.out, head.metadata);
        }
        let mut stream = Stream::new(data, false, message.is_none(), &self.local, &self.remote);
        stream.sending.ended = message.is_some();
        self.streams.insert(id, stream);
        self.next_stream += 2;
        let Some(message) = message else {
            front.flush(&mut self.out);
            wire::finish(&mut self.out, open.start);
            return Ok(id);
        };
        if let Err(status) = self.put_message(id, front, &open, message, head.compress_above) {
            // The whole frame was taken back: its id and its path's index are free again.
            self.close(id);
            self.next_stream = id;
            if interned {
                self.routes_out.remove(&key);
            }
            return Err(status.with_executed(motet_core::Executed::No));
        }
        Ok(id)
    }

    /// Answers a unary call; the stream is over.
    ///
    /// # Errors
    /// Why the reply cannot be sent; the caller then sends that as the call's end.
    pub fn reply(
        &mut self,
        id: u64,
        codec: &Codec,
        initial: &Metadata,
        trailing: &Metadata,
        message: &Payload,
        compress_above: Option<usize>,
    ) -> Result<()> {
        if self.is_ended(id) {
            return Ok(());
        }
        let mut flags = flag::MESSAGE | flag::END;
        if !trailing.is_empty() {
            flags |= flag::TRAILING;
        }
        let (mut front, open) = self.begin_reply(id, flags, codec, initial, message.codec());
        if !trailing.is_empty() {
            front.flush(&mut self.out);
            wire::put_metadata(&mut self.out, trailing);
        }
        self.put_message(id, front, &open, message, compress_above)?;
        self.end_sending(id);
        Ok(())
    }

    /// Answers a call with a stream whose messages, in `message_codec`, follow.
    pub fn reply_stream(&mut self, id: u64, codec: &Codec, initial: &Metadata, message_codec: &Codec) {
        if let Some(stream) = self.streams.get_mut(&id).filter(|stream| !stream.sending.ended) {
            stream.sending.streams = true;
            let (mut front, open) = self.begin_reply(id, flag::STREAM, codec, initial, message_codec);
            front.flush(&mut self.out);
            wire::finish(&mut self.out, open.start);
        }
    }

    fn begin_reply(&mut self, id: u64, mut flags: u8, codec: &Codec, initial: &Metadata, own: &Codec) -> (Front, Open) {
        if own != codec {
            flags |= flag::CODEC;
        }
        if !initial.is_empty() {
            flags |= flag::METADATA;
        }
        let (mut front, open) = self.begin(kind::REPLY, id, flags);
        if own != codec {
            front.codec(own, &mut self.out);
        }
        if !initial.is_empty() {
            front.flush(&mut self.out);
            wire::put_metadata(&mut self.out, initial);
        }
        (front, open)
    }

    /// Whether a message may be sent on a stream now. If not, [`Event::Writable`] follows, or the
    /// output has to drain first.
    ///
    /// [`Event::Writable`]: super::Event::Writable
    pub fn can_send(&mut self, id: u64) -> bool {
        let room = self.has_room();
        match self.streams.get_mut(&id) {
            Some(stream) if stream.sending.window > 0 => room && stream.sending.queue.is_empty(),
            Some(stream) => {
                stream.sending.blocked = true;
                false
            }
            None => true,
        }
    }

    /// Sends one message of a stream. Ask [`Machine::can_send`] before.
    ///
    /// # Errors
    /// Why it cannot be sent: it cannot be written, is too long, or its call is over (Cancelled).
    pub fn message(&mut self, id: u64, message: &Payload, compress_above: Option<usize>) -> Result<()> {
        if self.is_ended(id) {
            return Err(Status::cancelled("the call is over"));
        }
        let (front, open) = self.begin(kind::DATA, id, flag::MESSAGE);
        self.put_message(id, front, &open, message, compress_above)
    }

    /// The caller sends no further messages of its request.
    pub fn end_request(&mut self, id: u64) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if !std::mem::replace(&mut stream.sending.ended, true) {
            self.put_behind(id, |out| {
                wire::frame(out, kind::DATA, |out| {
                    wire::put_varint(out, id);
                    out.put_u8(flag::END);
                });
            });
        }
    }

    /// Ends a call with success (of a reply stream) or an error; the stream is over.
    pub fn end(&mut self, id: u64, status: Option<&Status>, trailing: &Metadata) {
        if !self.is_ended(id) {
            self.put_behind(id, |out| wire::frame(out, kind::END, |out| wire::put_end(out, id, status, trailing)));
            self.end_sending(id);
        }
    }

    /// Tells the peer that nobody waits for a call's reply any more; the call itself stays until it
    /// is closed.
    pub fn send_cancel(&mut self, id: u64) {
        wire::frame(&mut self.out, kind::CANCEL, |out| wire::put_varint(out, id));
    }

    /// Forgets a one-way call once all of it is sent.
    pub fn forget(&mut self, id: u64) {
        self.end_sending(id);
    }

    /// Tells the peer that nobody waits for a call's reply any more, and forgets the call.
    pub fn cancel(&mut self, id: u64) -> Option<T> {
        if self.streams.contains_key(&id) {
            self.send_cancel(id);
        }
        self.close(id)
    }

    /// A message of this cost was read: the peer may send more, and its memory is free.
    pub fn consumed(&mut self, id: u64, cost: u64) {
        let window = self.local.stream_window;
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let bytes = stream.receiving.unread.pop_front().unwrap_or(0).min(stream.reserved);
        stream.reserved -= bytes;
        self.lease.give_back(bytes);
        let receiving = &mut stream.receiving;
        receiving.owed += cost;
        if receiving.owed >= window / 2 && !receiving.ended {
            let owed = std::mem::take(&mut receiving.owed);
            receiving.window += owed as i64;
            self.put_credit(id, owed);
        }
    }

    pub(super) fn put_credit(&mut self, id: u64, more: u64) {
        wire::frame(&mut self.out, kind::CREDIT, |out| {
            wire::put_varint(out, id);
            wire::put_varint(out, more);
        });
    }

    fn begin(&self, kind: u8, id: u64, flags: u8) -> (Front, Open) {
        let (front, flags) = Front::new(kind, id, flags);
        (front, Open { start: self.out.len(), flags: self.out.len() + flags })
    }

    /// Encodes a message straight into the output, behind the frame that was begun, and queues what
    /// the windows do not let through. On error the frame is taken back.
    fn put_message(
        &mut self,
        id: u64,
        mut front: Front,
        open: &Open,
        message: &Payload,
        compress_above: Option<usize>,
    ) -> Result<()> {
        front.length();
        front.flush(&mut self.out);
        let (length_at, body) = (self.out.len() - 4, self.out.len());
        if let Err(status) = message.encode_into(&mut self.out).and_then(|()| self.check_length(body)) {
            self.out.truncate(open.start);
            return Err(status);
        }
        if compress_above.is_some_and(|above| self.remote.deflate && self.out.len() - body >= above)
            && let Some(small) = compress::compress(&self.out[body..])
        {
            self.out.truncate(body);
            self.out.extend_from_slice(&small);
            self.out[open.flags] |= flag::COMPRESSED;
        }
        let length = self.out.len() - body;
        self.out[length_at..body].copy_from_slice(&(length as u32).to_le_bytes());
        if let Some(stream) = self.streams.get_mut(&id)
            && stream.sending.streams
        {
            stream.sending.window -= length as i64 + MESSAGE_COST as i64;
        }
        // What the peer does not take waits in the queue, which the memory budget bounds.
        let room = open.start < self.out_limit || (open.start < OUT_LIMIT && self.has_room());
        let now = match self.sending.is_empty() && room {
            true => length.min(MAX_BODY).min(credit(self.send_credit)),
            false => 0,
        };
        if now < length {
            let rest = self.out.len() - body - now;
            if !self.lease.take(rest) {
                self.out.truncate(open.start);
                return Err(Status::resource_exhausted("the memory for messages is used up; try again later"));
            }
            let rest = match rest < body + now {
                // As a part of the output it would keep all of that in memory.
                true => {
                    let rest = Bytes::copy_from_slice(&self.out[body + now..]);
                    self.out.truncate(body + now);
                    rest
                }
                false => self.out.split_off(body + now).freeze(),
            };
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.reserved += rest.len();
                stream.sending.queue.push_back(Queued::Body(rest));
                self.sending.push_back(id);
            }
            // Calls that ended meanwhile stay in the line until credit comes.
            if self.sending.len() > 2 * self.streams.len() + 64 {
                self.sending.retain(|id| self.streams.contains_key(id));
            }
        }
        self.send_credit -= now as u64;
        wire::finish(&mut self.out, open.start);
        Ok(())
    }

    fn check_length(&self, body: usize) -> Result<()> {
        let (length, limit) = ((self.out.len() - body) as u64, self.remote.max_message);
        if length > limit {
            return Err(Status::resource_exhausted(format!(
                "a message of {length} bytes is over the peer's limit of {limit}"
            )));
        }
        Ok(())
    }

    /// Whether nothing more is sent on a stream.
    fn is_ended(&self, id: u64) -> bool {
        self.streams.get(&id).is_none_or(|stream| stream.sending.ended)
    }

    /// Writes a frame behind everything that waits on its stream.
    fn put_behind(&mut self, id: u64, write: impl FnOnce(&mut BytesMut)) {
        match self.streams.get_mut(&id) {
            Some(stream) if !stream.sending.queue.is_empty() => {
                let mut frame = BytesMut::new();
                write(&mut frame);
                stream.sending.queue.push_back(Queued::Frame(frame.freeze()));
            }
            _ => write(&mut self.out),
        }
    }

    /// Closes a stream now, or once what it has queued is sent.
    fn end_sending(&mut self, id: u64) {
        match self.streams.get_mut(&id) {
            Some(stream) if !stream.sending.queue.is_empty() => {
                (stream.sending.ended, stream.sending.close_when_sent) = (true, true);
            }
            _ => drop(self.close(id)),
        }
    }

    /// Cuts queued messages into frames, one of each stream in turn, as far as the window reaches.
    pub(super) fn fill(&mut self) {
        let waits = !self.sending.is_empty() && self.send_credit > 0;
        let most = if waits && self.make_room() { OUT_FILL.min(self.out_limit) } else { OUT_LEAST };
        while self.out.len() < most && self.send_credit > 0 {
            let Some(id) = self.sending.pop_front() else { return };
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            if let Some(Queued::Body(body)) = stream.sending.queue.front_mut() {
                let now = body.len().min(MAX_BODY).min(credit(self.send_credit));
                wire::frame(&mut self.out, kind::DATA, |out| {
                    wire::put_varint(out, id);
                    out.put_u8(0);
                    out.put_slice(&body[..now]);
                });
                body.advance(now);
                self.send_credit -= now as u64;
                stream.reserved -= now.min(stream.reserved);
                self.lease.give_back(now);
                if !body.is_empty() {
                    self.sending.push_back(id);
                    continue;
                }
                stream.sending.queue.pop_front();
            }
            while let Some(Queued::Frame(frame)) = stream.sending.queue.front() {
                self.out.extend_from_slice(frame);
                stream.sending.queue.pop_front();
            }
            if stream.sending.close_when_sent {
                self.close(id);
            }
        }
    }

    /// Streams whose messages wait for room, not for their window: they can be tried again after
    /// output was taken.
    pub fn is_congested(&self) -> bool {
        self.out.len() >= self.out_limit || !self.sending.is_empty()
    }
}

fn credit(credit: u64) -> usize {
    usize::try_from(credit).unwrap_or(usize::MAX)
}

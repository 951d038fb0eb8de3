//! From bytes to events.

use bytes::{Buf, Bytes, BytesMut};
use motet_core::{Executed, Metadata, Status};
use tokio::time::Instant;

use super::{
    Event, IncomingCall, Machine, Path, ReplyHead, Role,
    guard::{CALL_COST, INFLATE_TURN, metadata_cost},
    stream::{Before, Partial, Queue, Stream},
};
use crate::native::{
    compress,
    wire::{
        self, Cursor, EndFrame, ErrorCode, HEADER, MAX_FRAME, MAX_PATH, MAX_ROUTES, MAX_STREAM, MESSAGE_COST, PREFACE,
        ProtocolError, Settings, WireStatus, flag, kind,
    },
};

type Parsed<T> = Result<T, ProtocolError>;

/// A frame: its payload as shared bytes and what is left of it to read.
struct Frame<'a> {
    payload: &'a Bytes,
    cursor: Cursor<'a>,
}

impl<'a> Frame<'a> {
    /// What has not been read.
    fn rest(&self) -> Bytes {
        self.payload.slice(self.payload.len() - self.cursor.remaining()..)
    }
}

impl<T: Default> Machine<T> {
    /// Takes all whole frames out of `input` and appends what they mean to `events`.
    ///
    /// # Errors
    /// The peer broke the protocol: the connection must be closed, after [`Machine::fail`].
    pub fn handle_input(&mut self, input: &mut BytesMut, now: Instant, events: &mut Vec<Event>) -> Parsed<()> {
        while self.handle_some(input, usize::MAX, now, events)? {}
        Ok(())
    }

    /// As [`Machine::handle_input`], but of more than `whole` frames only for half, for at most 256 (64
    /// while the peer cancels what it calls) and at most until a mebibyte was inflated. Says whether there
    /// are more.
    ///
    /// # Errors
    /// As [`Machine::handle_input`].
    pub fn handle_some(
        &mut self,
        input: &mut BytesMut,
        whole: usize,
        now: Instant,
        events: &mut Vec<Event>,
    ) -> Parsed<bool> {
        self.hear(now);
        self.guard.turn(now);
        if !self.greeted && !self.greet(input)? {
            return Ok(false);
        }
        let mut more = !self.pending.is_empty();
        let mut chunk = std::mem::take(&mut self.pending);
        if !more {
            let most = self.guard.at_once();
            let (mut end, frames) = whole_frames(input, 2 * most)?;
            more = frames > whole.min(most);
            if more {
                (end, _) = whole_frames(input, frames.div_ceil(2).min(most))?;
            }
            chunk = input.split_to(end).freeze();
            let begun = if end > 0 { None } else { self.guard.frame };
            self.guard.frame = (!more && !input.is_empty()).then(|| begun.unwrap_or(now));
        }
        while let Some(head) = chunk.first_chunk::<HEADER>() {
            let (kind, length) = wire::header(head);
            chunk.advance(HEADER);
            let payload = chunk.split_to(length);
            self.handle_frame(kind, &payload, events)?;
            if self.guard.inflated >= INFLATE_TURN && !chunk.is_empty() {
                (self.pending, more) = (chunk, true);
                break;
            }
        }
        self.return_credit();
        self.guard.turn_over(now);
        Ok(more)
    }

    /// Reads the preface; false when it is not all there.
    fn greet(&mut self, input: &mut BytesMut) -> Parsed<bool> {
        let length = input.len().min(2);
        if input[..length] != PREFACE[..length] {
            return Err(ProtocolError::protocol("this is no motet connection: it must begin with AB BA"));
        }
        match input.get(2) {
            None => Ok(false),
            Some(&wire::VERSION) => {
                input.advance(PREFACE.len());
                self.greeted = true;
                Ok(true)
            }
            Some(_) => Err(ProtocolError { code: ErrorCode::Version, reason: "version 1 is spoken here" }),
        }
    }

    fn handle_frame(&mut self, kind: u8, payload: &Bytes, events: &mut Vec<Event>) -> Parsed<()> {
        let mut frame = Frame { payload, cursor: Cursor::new(payload) };
        if !self.settled && !matches!(kind, kind::SETTINGS | kind::GOAWAY) {
            return Err(ProtocolError::protocol("the first frame must be SETTINGS"));
        }
        match kind {
            kind::SETTINGS => self.handle_settings(payload, events),
            kind::CALL => self.handle_call(&mut frame, events),
            kind::REPLY => self.handle_reply(&mut frame, events),
            kind::DATA => self.handle_data(&mut frame, events),
            kind::END => self.handle_end(&mut frame, events),
            kind::CANCEL => self.handle_cancel(&mut frame, events),
            kind::CREDIT => self.handle_credit(&mut frame, events),
            kind::PING | kind::PONG if payload.len() != 8 => {
                Err(ProtocolError::protocol("PING and PONG carry eight bytes"))
            }
            kind::PING => {
                self.check_ping()?;
                wire::frame(&mut self.out, kind::PONG, |out| out.extend_from_slice(payload));
                Ok(())
            }
            kind::PONG => Ok(()),
            kind::GOAWAY => {
                self.check_goaway()?;
                let goaway = wire::read_goaway(payload)?;
                self.peer_left = Some(goaway.clone());
                events.push(Event::GoAway(goaway));
                Ok(())
            }
            kind::OPTIONAL.. => Ok(()),
            _ => Err(ProtocolError::protocol("a frame's type is unknown")),
        }
    }

    fn handle_settings(&mut self, payload: &[u8], events: &mut Vec<Event>) -> Parsed<()> {
        if self.settled {
            return Err(ProtocolError::protocol("SETTINGS come once"));
        }
        let settings = Settings::read(payload)?;
        // What was sent so far was sent under version 1's constants.
        self.send_credit =
            (self.send_credit + settings.connection_window).saturating_sub(Settings::V1.connection_window);
        for (id, stream) in self.streams.iter_mut() {
            let sending = &mut stream.sending;
            sending.window += settings.stream_window as i64 - Settings::V1.stream_window as i64;
            if sending.blocked && sending.window > 0 {
                sending.blocked = false;
                events.push(Event::Writable { stream: id });
            }
        }
        self.remote = settings;
        self.settled = true;
        Ok(())
    }

    fn handle_call(&mut self, frame: &mut Frame<'_>, events: &mut Vec<Event>) -> Parsed<()> {
        if self.role == Role::Dialling {
            return Err(ProtocolError::protocol("calls to the dialling side were not announced"));
        }
        let cursor = &mut frame.cursor;
        let id = cursor.varint()?;
        if id % 2 == 0 || id > MAX_STREAM {
            return Err(ProtocolError::protocol("a call's stream id must be odd and below 2^62"));
        }
        if id <= self.last_stream {
            return Err(ProtocolError::protocol("a call's stream id must be greater than all before it"));
        }
        self.last_stream = id;
        let flags = cursor.byte()?;
        let streams = flags & flag::STREAM != 0;
        let has_message = flags & flag::MESSAGE != 0;
        let last = flags & flag::END != 0;
        let whole = has_message && last;
        if !streams && !whole {
            return Err(ProtocolError::protocol("a request that is no stream must have its one message"));
        }
        let path = self.read_path(cursor, events)?;
        let codec = cursor.codec()?;
        let timeout = if flags & flag::TIMEOUT != 0 { Some(cursor.micros()?) } else { None };
        let metadata = if flags & flag::METADATA != 0 { cursor.metadata()? } else { Ok(Metadata::new()) };
        let one_way = flags & flag::ONE_WAY != 0;
        let cost = CALL_COST + metadata.as_ref().map_or(0, metadata_cost);
        let mut reserved = 0;
        let refusal = if self.refusing {
            Some(Status::unavailable("the server is stopping; call another node"))
        } else if self.streams.len() as u64 >= self.local.max_streams {
            let limit = self.local.max_streams;
            Some(Status::resource_exhausted(format!("the connection has {limit} calls open, which is its limit")))
        } else if let Err(status) = &metadata {
            Some(status.clone())
        } else if !self.lease.take(cost) {
            Some(memory_used_up())
        } else {
            reserved = cost;
            None
        };
        let mut stream = Stream::new(T::default(), streams, false, &self.local, &self.remote);
        stream.reserved = reserved;
        (stream.receiving.ended, stream.receiving.began) = (last, self.guard.age);
        self.streams.insert(id, stream);
        let call = IncomingCall {
            stream: id,
            path,
            codec,
            timeout,
            metadata: metadata.unwrap_or_default(),
            one_way,
            message: None,
        };
        if let Some(status) = refusal {
            self.take_unread(flags, frame)?;
            self.refuse(id, &status.with_executed(Executed::No), events);
            return Ok(());
        }
        if streams {
            events.push(Event::Call(call));
            if has_message {
                self.begin_message(id, flags, frame, Before::Nothing, events)?;
            } else if last {
                events.push(Event::End { stream: id, end: EndFrame::default() });
            }
            return Ok(());
        }
        self.begin_message(id, flags, frame, Before::Call(call), events)
    }

    fn read_path(&mut self, cursor: &mut Cursor<'_>, events: &mut Vec<Event>) -> Parsed<Path> {
        match cursor.varint()? {
            0 => Ok(Path::New(cursor.text(MAX_PATH)?.to_owned())),
            1 => {
                if self.routes_in == MAX_ROUTES {
                    return Err(ProtocolError::limit("more than 1024 paths were interned"));
                }
                let path = cursor.text(MAX_PATH)?;
                self.take_path(path.len())?;
                // Told at once: calls that come later may name it while this one is still arriving.
                events.push(Event::Interned(path.to_owned()));
                self.routes_in += 1;
                Ok(Path::Known(self.routes_in - 1))
            }
            number => match usize::try_from(number - 2) {
                Ok(index) if index < self.routes_in => Ok(Path::Known(index)),
                _ => Err(ProtocolError::protocol("a path's index was not interned")),
            },
        }
    }

    fn handle_reply(&mut self, frame: &mut Frame<'_>, events: &mut Vec<Event>) -> Parsed<()> {
        let cursor = &mut frame.cursor;
        let id = cursor.varint()?;
        let flags = cursor.byte()?;
        self.check_id(id)?;
        if self.role == Role::Accepting {
            return Err(ProtocolError::protocol("a REPLY to a call that was not made"));
        }
        let codec = if flags & flag::CODEC != 0 { Some(cursor.codec()?) } else { None };
        let mut metadata = |with: u8| match flags & with {
            0 => Ok(Metadata::new()),
            // Metadata that breaks its rules is dropped: the reply matters more.
            _ => cursor.metadata().map(Result::unwrap_or_default),
        };
        let (initial, trailing) = (metadata(flag::METADATA)?, metadata(flag::TRAILING)?);
        let streaming = flags & flag::STREAM != 0;
        let has_message = flags & flag::MESSAGE != 0;
        let whole = has_message && flags & flag::END != 0;
        if !streaming && !whole {
            return Err(ProtocolError::protocol("a reply that is no stream must have its one message"));
        }
        let head = ReplyHead { codec, initial, trailing, streaming };
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| !stream.receiving.refused) else {
            return self.take_unread(flags, frame);
        };
        if stream.receiving.ended || stream.receiving.streams || stream.receiving.partial.is_some() {
            return Err(ProtocolError::protocol("a second REPLY, or one after the end"));
        }
        stream.receiving.streams = streaming;
        if !streaming {
            return self.begin_message(id, flags, frame, Before::Reply(head), events);
        }
        events.push(Event::Reply { stream: id, head, message: None });
        match has_message {
            true => self.begin_message(id, flags, frame, Before::Nothing, events),
            false if flags & flag::END != 0 => self.end_receiving(id, EndFrame::default(), events),
            false => Ok(()),
        }
    }

    fn handle_data(&mut self, frame: &mut Frame<'_>, events: &mut Vec<Event>) -> Parsed<()> {
        let id = frame.cursor.varint()?;
        let flags = frame.cursor.byte()?;
        self.check_id(id)?;
        let Some(stream) = self.streams.get(&id).filter(|stream| !stream.receiving.refused) else {
            return self.take_unread(flags, frame);
        };
        match (flags & flag::MESSAGE != 0, &stream.receiving.partial) {
            (false, Some(_)) => self.continue_message(id, frame, events),
            (false, None) if flags & flag::END != 0 && frame.cursor.is_empty() => {
                self.end_receiving(id, EndFrame::default(), events)
            }
            (false, None) => Err(ProtocolError::protocol("DATA continues a message that did not begin")),
            (true, Some(_)) => Err(ProtocolError::protocol("a message begins before the last one ended")),
            (true, None) => {
                if stream.receiving.ended || !stream.receiving.streams {
                    return Err(ProtocolError::protocol("a message after the end"));
                }
                self.begin_message(id, flags, frame, Before::Nothing, events)
            }
        }
    }

    /// A message begins: reads its length, makes room for it, takes what is there of it.
    fn begin_message(
        &mut self,
        id: u64,
        flags: u8,
        frame: &mut Frame<'_>,
        before: Before,
        events: &mut Vec<Event>,
    ) -> Parsed<()> {
        let length = frame.cursor.u32()? as usize;
        let here = frame.cursor.remaining();
        if here > length {
            return Err(ProtocolError::protocol("a frame holds more than its message"));
        }
        self.take_body(here)?;
        let compressed = flags & flag::COMPRESSED != 0;
        if compressed && !self.local.deflate {
            return Err(ProtocolError::protocol("compression was not announced"));
        }
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(()) };
        // What a message of a stream takes while it is unread, beside its bytes.
        let mut beside = 0;
        if stream.receiving.streams {
            if stream.receiving.window <= 0 {
                return Err(ProtocolError::limit("a message overran its stream's window"));
            }
            beside = MESSAGE_COST as usize;
            stream.receiving.window -= (length + beside) as i64;
        }
        let limit = self.local.max_message;
        if length as u64 > limit {
            let status =
                Status::resource_exhausted(format!("a message of {length} bytes is over the limit of {limit}"));
            self.refuse(id, &status.with_executed(not_started(&before)), events);
            return Ok(());
        }
        if !self.lease.take(length + beside) {
            self.refuse(id, &memory_used_up().with_executed(not_started(&before)), events);
            return Ok(());
        }
        let last = flags & flag::END != 0;
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.reserved += length + beside;
            stream.receiving.ended = last;
            if here < length {
                let mut bytes = BytesMut::with_capacity(here);
                bytes.extend_from_slice(&frame.rest());
                let began = self.pulse.heard;
                stream.receiving.partial = Some(Box::new(Partial { bytes, length, compressed, last, before, began }));
                self.guard.awaits(began + self.config.message_timeout);
                return Ok(());
            }
        }
        let rest = if self.copying { Bytes::copy_from_slice(&frame.rest()) } else { frame.rest() };
        self.end_message(id, rest, compressed, last, before, events)
    }

    fn continue_message(&mut self, id: u64, frame: &Frame<'_>, events: &mut Vec<Event>) -> Parsed<()> {
        let more = frame.cursor.remaining();
        self.take_body(more)?;
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(()) };
        let Some(partial) = &mut stream.receiving.partial else { return Ok(()) };
        if more == 0 || partial.bytes.len() + more > partial.length {
            return Err(ProtocolError::protocol("a frame holds more than the rest of its message, or nothing"));
        }
        partial.bytes.extend_from_slice(&frame.rest());
        if partial.bytes.len() < partial.length {
            return Ok(());
        }
        match stream.receiving.partial.take() {
            Some(whole) => {
                let Partial { bytes, compressed, last, before, .. } = *whole;
                self.end_message(id, bytes.freeze(), compressed, last, before, events)
            }
            None => Ok(()),
        }
    }

    fn end_message(
        &mut self,
        id: u64,
        mut message: Bytes,
        compressed: bool,
        last: bool,
        before: Before,
        events: &mut Vec<Event>,
    ) -> Parsed<()> {
        let cost = message.len() as u64 + MESSAGE_COST;
        if compressed {
            match self.inflate(id, &message) {
                Ok(original) => message = original,
                Err(status) => {
                    self.refuse(id, &status.with_executed(not_started(&before)), events);
                    return Ok(());
                }
            }
        }
        match before {
            Before::Call(call) => events.push(Event::Call(IncomingCall { message: Some(message), ..call })),
            Before::Reply(head) => events.push(Event::Reply { stream: id, head, message: Some(message) }),
            Before::Nothing => {
                if let Some(stream) = self.streams.get_mut(&id) {
                    let inflated = if compressed { message.len() } else { 0 };
                    stream.receiving.unread.push_back(cost as usize + inflated);
                }
                events.push(Event::Message { stream: id, message, cost });
                if last {
                    events.push(Event::End { stream: id, end: EndFrame::default() });
                }
            }
        }
        Ok(())
    }

    fn inflate(&mut self, id: u64, message: &[u8]) -> motet_core::Result<Bytes> {
        let limit = self.local.max_message;
        let length = compress::original_length(message).unwrap_or(usize::MAX);
        if length as u64 > limit {
            return Err(Status::resource_exhausted(format!("a compressed message is over the limit of {limit} bytes")));
        }
        if !self.lease.take(length) {
            return Err(memory_used_up());
        }
        self.guard.inflated += length;
        match self.streams.get_mut(&id) {
            Some(stream) => stream.reserved += length,
            None => self.lease.give_back(length),
        }
        compress::decompress(message).ok_or_else(|| Status::invalid_argument("a compressed message is damaged"))
    }

    fn handle_end(&mut self, frame: &mut Frame<'_>, events: &mut Vec<Event>) -> Parsed<()> {
        let id = frame.cursor.varint()?;
        self.check_id(id)?;
        if self.role == Role::Accepting {
            return Err(ProtocolError::protocol("END comes from the side that answers"));
        }
        let end = wire::read_end(&mut frame.cursor)?;
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| !stream.receiving.refused) else {
            return Ok(());
        };
        // An error may cut a message short; success may not.
        if end.status.is_none() && stream.receiving.partial.is_some() {
            return Err(ProtocolError::protocol("END before the message ended"));
        }
        stream.receiving.partial = None;
        self.end_receiving(id, end, events)
    }

    fn end_receiving(&mut self, id: u64, end: EndFrame, events: &mut Vec<Event>) -> Parsed<()> {
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(()) };
        if stream.receiving.ended {
            return Err(ProtocolError::protocol("a second end"));
        }
        stream.receiving.ended = true;
        events.push(Event::End { stream: id, end });
        Ok(())
    }

    fn handle_cancel(&mut self, frame: &mut Frame<'_>, events: &mut Vec<Event>) -> Parsed<()> {
        let id = frame.cursor.varint()?;
        self.check_id(id)?;
        if self.role == Role::Dialling {
            return Err(ProtocolError::protocol("CANCEL comes from the side that calls"));
        }
        if let Some(stream) = self.streams.get(&id) {
            let began = stream.receiving.began;
            events.push(Event::Cancel { stream: id });
            return self.check_cancel(began);
        }
        Ok(())
    }

    fn handle_credit(&mut self, frame: &mut Frame<'_>, events: &mut Vec<Event>) -> Parsed<()> {
        let (id, more) = (frame.cursor.varint()?, frame.cursor.varint()?);
        const MOST: u64 = 1 << 40;
        if more == 0 || more > MOST {
            return Err(ProtocolError::limit("a credit must be 1 to 2^40"));
        }
        if id == 0 {
            self.send_credit += more;
            self.guard.granted(more);
            return match self.send_credit > MOST {
                true => Err(ProtocolError::limit("the connection's credit is over 2^40")),
                false => Ok(()),
            };
        }
        self.check_id(id)?;
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(()) };
        stream.sending.window += more as i64;
        if stream.sending.window > MOST as i64 {
            return Err(ProtocolError::limit("a stream's credit is over 2^40"));
        }
        if stream.sending.blocked && stream.sending.window > 0 {
            stream.sending.blocked = false;
            events.push(Event::Writable { stream: id });
        }
        Ok(())
    }

    /// Frames may name streams that are over, never ones that did not begin.
    fn check_id(&self, id: u64) -> Parsed<()> {
        let begun = match self.role {
            Role::Dialling => id < self.next_stream,
            Role::Accepting => id <= self.last_stream,
        };
        if id % 2 == 1 && begun {
            return Ok(());
        }
        Err(ProtocolError::protocol("a frame names a stream that did not begin"))
    }

    /// Counts the body of a frame that is passed over. The message's length is no body.
    fn take_unread(&mut self, flags: u8, frame: &Frame<'_>) -> Parsed<()> {
        let length = if flags & flag::MESSAGE != 0 { 4 } else { 0 };
        self.take_body(frame.cursor.remaining().saturating_sub(length))
    }

    /// Counts body bytes against the connection's window; they are returned on receipt.
    fn take_body(&mut self, bytes: usize) -> Parsed<()> {
        let bytes = bytes as u64;
        if bytes > self.receive_credit {
            return Err(ProtocolError::limit("a body overran the connection's window"));
        }
        self.receive_credit -= bytes;
        self.owed += bytes;
        Ok(())
    }

    /// Returns the connection's credit in eighths of the window: in halves, a sender whose calls fill
    /// half of it would stand still although everything was received.
    fn return_credit(&mut self) {
        if self.owed >= self.local.connection_window / 8 {
            let owed = std::mem::take(&mut self.owed);
            self.receive_credit += owed;
            self.put_credit(0, owed);
        }
    }

    /// Ends a call that cannot go on, on both sides.
    pub(super) fn refuse(&mut self, id: u64, status: &Status, events: &mut Vec<Event>) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        // Calls that cross a goodbye are nobody's fault.
        if !self.refusing {
            self.guard.refused(status);
        }
        stream.receiving.refused = true;
        stream.receiving.partial = None;
        match self.role {
            // It is answered already; only its answer has to go out.
            Role::Accepting if stream.sending.ended => {}
            Role::Accepting => {
                // Nothing may follow the END, whatever the handler does before it is stopped.
                stream.sending.ended = true;
                stream.sending.queue = Queue::default();
                wire::frame(&mut self.out, kind::END, |out| wire::put_end(out, id, Some(status), &Metadata::new()));
                events.push(Event::Cancel { stream: id });
            }
            Role::Dialling => {
                wire::frame(&mut self.out, kind::CANCEL, |out| wire::put_varint(out, id));
                let status = WireStatus {
                    code: status.code(),
                    message: status.message().to_owned(),
                    reason: None,
                    executed: Executed::Yes,
                    retry_after: None,
                    details: None,
                };
                events.push(Event::End { stream: id, end: EndFrame { status: Some(status), ..EndFrame::default() } });
            }
        }
    }
}

/// Where the first frames of the input end, at most so many of them, and how many these are.
fn whole_frames(input: &[u8], most: usize) -> Parsed<(usize, usize)> {
    let (mut end, mut frames) = (0, 0);
    while frames < most
        && let Some(head) = input[end..].first_chunk::<HEADER>()
    {
        let (_, length) = wire::header(head);
        if length > MAX_FRAME {
            return Err(ProtocolError::limit("a frame is longer than 98304 bytes"));
        }
        if input.len() - end < HEADER + length {
            break;
        }
        (end, frames) = (end + HEADER + length, frames + 1);
    }
    Ok((end, frames))
}

fn memory_used_up() -> Status {
    Status::resource_exhausted("the memory for messages is used up; try again later")
}

/// Whether the handler can have seen anything of the call whose message could not be taken.
fn not_started(before: &Before) -> Executed {
    match before {
        Before::Call(_) => Executed::No,
        Before::Nothing | Before::Reply(_) => Executed::Unknown,
    }
}

//! From bytes to events.

use bytes::{Buf, Bytes, BytesMut};
use tokio::time::Instant;

use super::{Event, Machine, Phase, Role, body::Body};
use crate::{
    close::{CloseCode, CloseReason},
    deflate::{Agreement, Inflater},
    error::Violation,
    frame::{self, Header, Opcode},
    message::Message,
};

/// Which frame and which message are under way.
#[derive(Debug)]
pub(super) struct Receiving {
    frame: Option<Frame>,
    body: Option<Body>,
    inflater: Option<Inflater>,
}

/// A data frame whose payload is not all there.
#[derive(Debug)]
struct Frame {
    fin: bool,
    left: u64,
    mask: Option<[u8; 4]>,
}

impl Receiving {
    pub(super) fn new(agreement: Option<&Agreement>) -> Receiving {
        Receiving { frame: None, body: None, inflater: agreement.map(Inflater::new) }
    }

    pub(super) fn forget(&mut self) {
        (self.frame, self.body, self.inflater) = (None, None, None);
    }
}

impl Machine {
    /// Handles input up to the next event, and takes what it has handled out of `input`; `None` when
    /// more input is needed. `now` is when the input came.
    ///
    /// # Errors
    /// The peer broke a rule. A Close frame that says so is in the output, and input is discarded from
    /// then on.
    pub fn handle(&mut self, input: &mut BytesMut, now: Instant) -> Result<Option<Event>, Violation> {
        if !input.is_empty() {
            self.clock.heard(now);
        }
        let result = self.handle_frames(input, now);
        if let Err(violation) = result {
            self.fail(violation, now);
        }
        if self.phase == Phase::Ended {
            input.clear();
        }
        self.note_output(now);
        self.clock.message_since(self.receiving.body.as_ref().map(|body| body.since));
        result
    }

    fn handle_frames(&mut self, input: &mut BytesMut, now: Instant) -> Result<Option<Event>, Violation> {
        while self.phase != Phase::Ended {
            if self.receiving.frame.is_some() {
                match self.handle_payload(input)? {
                    Progress::Message(message) => return Ok(Some(Event::Message(message))),
                    Progress::Frame => continue,
                    Progress::NotYet => break,
                }
            }
            let Some((header, length)) = Header::parse(input)? else { break };
            self.check(&header)?;
            if header.opcode.is_control() {
                let whole = length + header.length as usize;
                if input.len() < whole {
                    break;
                }
                let mut payload = input.split_to(whole);
                payload.advance(length);
                if let Some(key) = header.mask {
                    frame::mask(&mut payload, key);
                }
                return self.handle_control(header.opcode, &payload, now).map(Some);
            }
            input.advance(length);
            self.begin_frame(&header, now)?;
        }
        Ok(None)
    }

    /// The rules that depend on the connection.
    fn check(&self, header: &Header) -> Result<(), Violation> {
        match (&self.role, header.mask) {
            (Role::Server, None) => return Err(Violation::protocol("a client's frame is not masked")),
            (Role::Client(_), Some(_)) => return Err(Violation::protocol("a server's frame is masked")),
            _ => {}
        }
        let continues = header.opcode == Opcode::Continuation;
        if header.compressed && (continues || self.receiving.inflater.is_none()) {
            return Err(Violation::protocol("a frame is marked as compressed where it cannot be"));
        }
        if !header.opcode.is_control() && continues != self.receiving.body.is_some() {
            return Err(Violation::protocol(if continues {
                "a frame continues a message, and none is under way"
            } else {
                "a message begins before the one under way has ended"
            }));
        }
        if header.length > self.config.max_frame as u64 {
            return Err(Violation::too_big("a frame is longer than max_frame"));
        }
        Ok(())
    }

    fn begin_frame(&mut self, header: &Header, now: Instant) -> Result<(), Violation> {
        if header.length == 0 && !header.fin {
            self.clock.control(&self.config, now)?;
        }
        let (text, compressed) = (header.opcode == Opcode::Text, header.compressed);
        let body = self.receiving.body.get_or_insert_with(|| Body::new(text, compressed, now));
        body.check_room(header.length, self.config.max_message)?;
        self.receiving.frame = Some(Frame { fin: header.fin, left: header.length, mask: header.mask });
        Ok(())
    }

    /// Takes what there is of the frame's payload.
    fn handle_payload(&mut self, input: &mut BytesMut) -> Result<Progress, Violation> {
        let Receiving { frame, body, inflater } = &mut self.receiving;
        let (Some(current), Some(content)) = (frame.as_mut(), body.as_mut()) else { return Ok(Progress::NotYet) };
        let taken = usize::try_from(current.left).unwrap_or(usize::MAX).min(input.len());
        if taken > 0 {
            let payload = &mut input[..taken];
            if let Some(key) = &mut current.mask {
                *key = frame::mask(payload, *key);
            }
            content.reserve(current.left, taken);
            content.push(payload, inflater.as_mut(), self.config.max_message)?;
            input.advance(taken);
            current.left -= taken as u64;
        }
        if current.left > 0 {
            return Ok(Progress::NotYet);
        }
        let fin = current.fin;
        *frame = None;
        match body.take_if(|_| fin) {
            Some(body) => body.finish(inflater.as_mut(), self.config.max_message).map(Progress::Message),
            None => Ok(Progress::Frame),
        }
    }

    fn handle_control(&mut self, opcode: Opcode, payload: &[u8], now: Instant) -> Result<Event, Violation> {
        match opcode {
            Opcode::Close => {
                let reason = parse_close(payload)?;
                if self.phase == Phase::Open {
                    let answer = reason.as_ref().map(|reason| (reason.code, ""));
                    self.out.close(&mut self.role, answer);
                }
                self.end(now);
                Ok(Event::Closed(reason))
            }
            Opcode::Ping => {
                self.clock.control(&self.config, now)?;
                if self.phase == Phase::Open {
                    self.out.pong(&mut self.role, payload);
                }
                Ok(Event::Ping(Bytes::copy_from_slice(payload)))
            }
            _ => {
                self.clock.control(&self.config, now)?;
                Ok(Event::Pong(Bytes::copy_from_slice(payload)))
            }
        }
    }
}

enum Progress {
    NotYet,
    Frame,
    Message(Message),
}

fn parse_close(payload: &[u8]) -> Result<Option<CloseReason>, Violation> {
    let Some((code, text)) = payload.split_first_chunk::<2>() else {
        let empty = payload.is_empty();
        return if empty { Ok(None) } else { Err(Violation::protocol("a Close frame has half a code")) };
    };
    let code = CloseCode::new(u16::from_be_bytes(*code))
        .ok_or(Violation::protocol("the code of a Close frame is one that may not be sent"))?;
    let text = str::from_utf8(text).map_err(|_| Violation::invalid("the reason of a Close frame is not UTF-8"))?;
    Ok(Some(CloseReason { code, text: text.into() }))
}

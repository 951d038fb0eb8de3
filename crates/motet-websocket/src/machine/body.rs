//! A message that is under way.

use tokio::time::Instant;

use crate::{
    deflate::{Inflater, NotDeflate},
    error::Violation,
    message::Message,
    text::{NotUtf8, TextBuilder},
};

/// What has come of a message.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) since: Instant,
    compressed: bool,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Text(TextBuilder),
    Binary(Vec<u8>),
}

/// For how many times the bytes that came there is room at once.
const AHEAD: usize = 16;
const TOO_BIG: Violation = Violation::too_big("a message is longer than max_message");

impl Body {
    pub(crate) fn new(text: bool, compressed: bool, since: Instant) -> Body {
        let content = if text { Content::Text(TextBuilder::default()) } else { Content::Binary(Vec::new()) };
        Body { since, compressed, content }
    }

    /// Refuses a frame that would make the message too long, before any of it is taken.
    pub(crate) fn check_room(&self, length: u64, limit: usize) -> Result<(), Violation> {
        let room = limit.saturating_sub(self.content.len());
        if !self.compressed && length > room as u64 { Err(TOO_BIG) } else { Ok(()) }
    }

    /// Makes room for a frame of which so many bytes have come: what a head announces counts only as far
    /// as bytes follow.
    pub(crate) fn reserve(&mut self, length: u64, come: usize) {
        let room = usize::try_from(length).unwrap_or(usize::MAX).min(come.saturating_mul(AHEAD));
        match &mut self.content {
            _ if self.compressed => {}
            Content::Text(text) => text.reserve(room),
            Content::Binary(bytes) => bytes.reserve(room),
        }
    }

    /// Takes bytes of a frame's payload, unmasked.
    pub(crate) fn push(
        &mut self,
        bytes: &[u8],
        inflater: Option<&mut Inflater>,
        limit: usize,
    ) -> Result<(), Violation> {
        match inflater.filter(|_| self.compressed) {
            Some(inflater) => inflater.inflate(bytes, &mut |bytes| self.content.push(bytes, limit)),
            None => self.content.push(bytes, limit),
        }
    }

    /// The whole message.
    pub(crate) fn finish(mut self, inflater: Option<&mut Inflater>, limit: usize) -> Result<Message, Violation> {
        if let Some(inflater) = inflater.filter(|_| self.compressed) {
            inflater.finish(&mut |bytes| self.content.push(bytes, limit))?;
        }
        match self.content {
            Content::Text(text) => Ok(Message::Text(text.finish()?)),
            Content::Binary(bytes) => Ok(Message::Binary(bytes.into())),
        }
    }
}

impl Content {
    fn len(&self) -> usize {
        match self {
            Content::Text(text) => text.len(),
            Content::Binary(bytes) => bytes.len(),
        }
    }

    fn push(&mut self, bytes: &[u8], limit: usize) -> Result<(), Violation> {
        if bytes.len() > limit.saturating_sub(self.len()) {
            return Err(TOO_BIG);
        }
        match self {
            Content::Text(text) => text.push(bytes)?,
            Content::Binary(all) => all.extend_from_slice(bytes),
        }
        Ok(())
    }
}

impl From<NotUtf8> for Violation {
    fn from(_: NotUtf8) -> Violation {
        Violation::invalid("a text is not UTF-8")
    }
}

impl From<NotDeflate> for Violation {
    fn from(_: NotDeflate) -> Violation {
        Violation::invalid("a compressed message cannot be decompressed")
    }
}

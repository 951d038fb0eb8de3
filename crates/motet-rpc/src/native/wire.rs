//! Frames of motet/1, to bytes and back. Pure functions of their input.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use motet_core::{Code, Codec, Executed, Metadata};

/// What a connection begins with, in both directions: two magic bytes and the version.
pub const PREFACE: [u8; 3] = [0xAB, 0xBA, VERSION];
/// The version spoken here.
pub const VERSION: u8 = 1;
/// The header of a frame: three bytes of length, little endian, then the type.
pub const HEADER: usize = 4;
/// The most body bytes in one frame.
pub const MAX_BODY: usize = 64 << 10;
/// The longest payload of a frame: a whole body and 32 KiB of head.
pub const MAX_FRAME: usize = MAX_BODY + (32 << 10);
/// How many paths a sender may intern on one connection.
pub const MAX_ROUTES: usize = 1024;
/// The longest path.
pub const MAX_PATH: usize = 512;
/// What one message costs of its stream's window beside its length, so that empty messages are
/// bounded too.
pub const MESSAGE_COST: u64 = 64;
/// The greatest stream id.
pub const MAX_STREAM: u64 = (1 << 62) - 1;
/// The longest status message; senders cut longer ones.
pub const MAX_STATUS_MESSAGE: usize = 8 << 10;
/// The longest error details; senders leave out longer ones.
pub const MAX_DETAILS: usize = 16 << 10;

/// Types of frames. Unknown types below 0x80 are errors, from 0x80 on they are passed over.
pub mod kind {
    #![allow(missing_docs, reason = "docs/protocol.md describes each")]
    pub const SETTINGS: u8 = 0x00;
    pub const CALL: u8 = 0x01;
    pub const REPLY: u8 = 0x02;
    pub const DATA: u8 = 0x03;
    pub const END: u8 = 0x04;
    pub const CANCEL: u8 = 0x05;
    pub const CREDIT: u8 = 0x06;
    pub const PING: u8 = 0x07;
    pub const PONG: u8 = 0x08;
    pub const GOAWAY: u8 = 0x09;
    /// From here on unknown types are passed over.
    pub const OPTIONAL: u8 = 0x80;
}

/// Flags of CALL, REPLY, DATA and END frames.
pub mod flag {
    #![allow(missing_docs, reason = "docs/protocol.md describes each")]
    /// This side sends nothing after the message of this frame.
    pub const END: u8 = 0x01;
    /// A message begins in this frame: its length follows.
    pub const MESSAGE: u8 = 0x02;
    /// Metadata follows.
    pub const METADATA: u8 = 0x04;
    /// CALL: the time that is left follows. REPLY: trailing metadata follows.
    pub const TIMEOUT: u8 = 0x08;
    pub const TRAILING: u8 = 0x08;
    /// The message is compressed.
    pub const COMPRESSED: u8 = 0x10;
    /// This direction of the call is a stream of messages.
    pub const STREAM: u8 = 0x20;
    /// CALL: no reply is wanted.
    pub const ONE_WAY: u8 = 0x40;
    /// REPLY: the codec follows, because it is not the request's.
    pub const CODEC: u8 = 0x80;
}

/// What ended a connection that did not end by agreement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtocolError {
    /// What kind of error it is.
    pub code: ErrorCode,
    /// What was wrong, for people at the other end.
    pub reason: &'static str,
}

/// Codes of GOAWAY frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u8)]
pub enum ErrorCode {
    /// No error: the sender is stopping.
    None = 0,
    /// The version of the preface is not spoken here.
    Version = 1,
    /// A frame is malformed or out of place.
    Protocol = 2,
    /// A length, count or window was overrun.
    Limit = 3,
    /// The peer did not answer pings, or sent nothing in time.
    Silence = 4,
}

impl ProtocolError {
    pub(crate) const fn protocol(reason: &'static str) -> ProtocolError {
        ProtocolError { code: ErrorCode::Protocol, reason }
    }

    pub(crate) const fn limit(reason: &'static str) -> ProtocolError {
        ProtocolError { code: ErrorCode::Limit, reason }
    }
}

type Parsed<T> = Result<T, ProtocolError>;

/// What a side can do and bear, sent in its SETTINGS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Body bytes under way on the connection.
    pub connection_window: u64,
    /// Bytes of messages under way or unread on a stream.
    pub stream_window: u64,
    /// Calls open at once.
    pub max_streams: u64,
    /// The longest message, after decompression.
    pub max_message: u64,
    /// Whether it reads compressed messages.
    pub deflate: bool,
    /// Whether the dialling side takes calls, on even stream ids.
    pub accepts_calls: bool,
}

impl Settings {
    /// What holds until the peer's settings arrive.
    pub const V1: Settings = Settings {
        connection_window: 1 << 20,
        stream_window: 256 << 10,
        max_streams: 4096,
        max_message: 4 << 20,
        deflate: false,
        accepts_calls: false,
    };

    const CONNECTION_WINDOW: u64 = 1;
    const STREAM_WINDOW: u64 = 2;
    const MAX_STREAMS: u64 = 3;
    const MAX_MESSAGE: u64 = 4;
    const COMPRESSION: u64 = 5;
    const ACCEPTS_CALLS: u64 = 6;

    /// Writes a whole SETTINGS frame.
    pub fn write(&self, out: &mut BytesMut) {
        frame(out, kind::SETTINGS, |out| {
            let all = [
                (Self::CONNECTION_WINDOW, self.connection_window),
                (Self::STREAM_WINDOW, self.stream_window),
                (Self::MAX_STREAMS, self.max_streams),
                (Self::MAX_MESSAGE, self.max_message),
                (Self::COMPRESSION, self.deflate.into()),
                (Self::ACCEPTS_CALLS, self.accepts_calls.into()),
            ];
            for (id, value) in all {
                put_varint(out, id);
                put_varint(out, value);
            }
        });
    }

    /// Reads the payload of a SETTINGS frame; unknown ids are passed over.
    ///
    /// # Errors
    /// Truncation, values that no peer can mean, more than 64 settings.
    pub fn read(payload: &[u8]) -> Parsed<Settings> {
        let mut cursor = Cursor::new(payload);
        let mut settings = Settings::V1;
        let mut count = 0;
        while !cursor.is_empty() {
            count += 1;
            if count > 64 {
                return Err(ProtocolError::limit("more than 64 settings"));
            }
            let (id, value) = (cursor.varint()?, cursor.varint()?);
            let window = |least: u64| match (least..=u64::from(u32::MAX)).contains(&value) {
                true => Ok(value),
                false => Err(ProtocolError::limit("a setting is out of its range")),
            };
            match id {
                Self::CONNECTION_WINDOW => settings.connection_window = window(1)?,
                Self::STREAM_WINDOW => settings.stream_window = window(1)?,
                Self::MAX_STREAMS => settings.max_streams = window(1)?,
                Self::MAX_MESSAGE => settings.max_message = window(1)?,
                Self::COMPRESSION => settings.deflate = value & 1 != 0,
                Self::ACCEPTS_CALLS => settings.accepts_calls = value != 0,
                _ => {}
            }
        }
        Ok(settings)
    }
}

/// Writes a frame around its payload.
pub fn frame(out: &mut BytesMut, kind: u8, payload: impl FnOnce(&mut BytesMut)) {
    let start = begin(out, kind);
    payload(out);
    finish(out, start);
}

/// Writes the header of a frame whose length is not known yet; [`finish`] fills it in.
pub(crate) fn begin(out: &mut BytesMut, kind: u8) -> usize {
    let start = out.len();
    out.put_u32_le(u32::from(kind) << 24);
    start
}

/// Fills in the length of the frame that begins at `start` and ends at the end of `out`.
pub(crate) fn finish(out: &mut BytesMut, start: usize) {
    let length = out.len() - start - HEADER;
    debug_assert!(length <= MAX_FRAME);
    out[start..start + 3].copy_from_slice(&(length as u32).to_le_bytes()[..3]);
}

/// The short numbers at the front of a frame, gathered on the stack: every append to a `BytesMut` is
/// a function call with checks of its own.
pub(crate) struct Front {
    bytes: [u8; 48],
    len: usize,
}

impl Front {
    /// The header, whose length [`finish`] fills in, the stream and the flags, which stand at the
    /// offset that is returned with it.
    pub(crate) fn new(kind: u8, stream: u64, flags: u8) -> (Front, usize) {
        let mut front = Front { bytes: [0; 48], len: HEADER };
        front.bytes[HEADER - 1] = kind;
        front.varint(stream);
        let at = front.len;
        front.bytes[at] = flags;
        front.len += 1;
        (front, at)
    }

    pub(crate) fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes[self.len] = value as u8 | 0x80;
            value >>= 7;
            self.len += 1;
        }
        self.bytes[self.len] = value as u8;
        self.len += 1;
    }

    /// A codec that everyone knows stays here; the name of another is appended behind.
    pub(crate) fn codec(&mut self, codec: &Codec, out: &mut BytesMut) {
        match CODECS.iter().position(|known| known == codec) {
            Some(at) => self.varint(at as u64 + 1),
            None => {
                self.flush(out);
                put_codec(out, codec);
            }
        }
    }

    /// Room for the length of a message, behind everything else.
    pub(crate) fn length(&mut self) {
        self.len += 4;
    }

    /// Appends what has gathered.
    pub(crate) fn flush(&mut self, out: &mut BytesMut) {
        out.extend_from_slice(&self.bytes[..self.len]);
        (self.bytes, self.len) = ([0; 48], 0);
    }
}

/// The type and length of the frame that a header announces.
pub fn header(bytes: &[u8; HEADER]) -> (u8, usize) {
    let word = u32::from_le_bytes(*bytes);
    ((word >> 24) as u8, (word & 0x00FF_FFFF) as usize)
}

/// Writes an unsigned LEB128 varint, one to ten bytes.
pub fn put_varint(out: &mut BytesMut, mut value: u64) {
    let mut bytes = [0; 10];
    let mut length = 0;
    while value >= 0x80 {
        bytes[length] = value as u8 | 0x80;
        value >>= 7;
        length += 1;
    }
    bytes[length] = value as u8;
    out.put_slice(&bytes[..=length]);
}

/// Writes a length as a varint, then the bytes.
pub fn put_bytes(out: &mut BytesMut, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.put_slice(bytes);
}

/// Writes metadata: the number of values, then key and value of each.
pub fn put_metadata(out: &mut BytesMut, metadata: &Metadata) {
    put_varint(out, metadata.len() as u64);
    for (key, value) in metadata.iter_raw() {
        put_bytes(out, key.as_bytes());
        put_bytes(out, value);
    }
}

/// Writes a codec: a number for those that everyone knows, else 0 and the content type.
pub fn put_codec(out: &mut BytesMut, codec: &Codec) {
    match CODECS.iter().position(|known| known == codec) {
        Some(at) => put_varint(out, at as u64 + 1),
        None => {
            put_varint(out, 0);
            put_bytes(out, codec.content_type().as_bytes());
        }
    }
}

const CODECS: [Codec; 4] = [Codec::PROTOBUF, Codec::JSON, Codec::MSGPACK, Codec::RAW];

/// A codec as it stands on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodecName {
    /// One that everyone knows.
    Known(Codec),
    /// A content type.
    Named(String),
}

/// Reads a payload front to back. Every read checks what is left.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

const TRUNCATED: ProtocolError = ProtocolError::protocol("a frame ends before its content does");

impl<'a> Cursor<'a> {
    /// A cursor at the front.
    pub fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { rest: bytes }
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// How much is left.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// One byte.
    ///
    /// # Errors
    /// Truncation.
    pub fn byte(&mut self) -> Parsed<u8> {
        let (byte, rest) = self.rest.split_first().ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(*byte)
    }

    /// This many bytes.
    ///
    /// # Errors
    /// Truncation.
    pub fn take(&mut self, length: usize) -> Parsed<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// A varint.
    ///
    /// # Errors
    /// Truncation; more than 64 bits.
    pub fn varint(&mut self) -> Parsed<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(ProtocolError::protocol("a number is longer than 64 bits"))
    }

    /// A length and as many bytes, at most `limit`.
    ///
    /// # Errors
    /// Truncation; a length over the limit.
    pub fn bytes(&mut self, limit: usize) -> Parsed<&'a [u8]> {
        let length = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        if length > limit {
            return Err(ProtocolError::limit("a string is longer than its limit"));
        }
        self.take(length)
    }

    /// A length and as many bytes of UTF-8.
    ///
    /// # Errors
    /// As [`Cursor::bytes`]; invalid UTF-8.
    pub fn text(&mut self, limit: usize) -> Parsed<&'a str> {
        std::str::from_utf8(self.bytes(limit)?).map_err(|_| ProtocolError::protocol("a string is no UTF-8"))
    }

    /// Four bytes, little endian.
    ///
    /// # Errors
    /// Truncation.
    pub fn u32(&mut self) -> Parsed<u32> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// A codec.
    ///
    /// # Errors
    /// Truncation; an unknown number.
    pub fn codec(&mut self) -> Parsed<CodecName> {
        match self.varint()? {
            0 => Ok(CodecName::Named(self.text(128)?.to_owned())),
            number => {
                let known = usize::try_from(number - 1).ok().and_then(|at| CODECS.get(at));
                known.cloned().map(CodecName::Known).ok_or(ProtocolError::protocol("a codec's number is unknown"))
            }
        }
    }

    /// Metadata. Whether keys, values and sizes are allowed is [`Metadata`]'s to say: its error is
    /// the inner one, and ends the call, not the connection.
    ///
    /// # Errors
    /// Truncation.
    pub fn metadata(&mut self) -> Parsed<motet_core::Result<Metadata>> {
        let count = self.varint()?;
        let mut metadata = Metadata::new();
        let mut problem = None;
        for _ in 0..count {
            let (key, value) = (self.bytes(MAX_FRAME)?, self.bytes(MAX_FRAME)?);
            if problem.is_some() {
                continue;
            }
            problem = match std::str::from_utf8(key) {
                Ok(key) => metadata.push(key, Bytes::copy_from_slice(value)).err(),
                Err(_) => Some(motet_core::Status::invalid_argument("a metadata key is no UTF-8")),
            };
        }
        Ok(problem.map_or(Ok(metadata), Err))
    }

    /// A number of microseconds.
    ///
    /// # Errors
    /// Truncation.
    pub fn micros(&mut self) -> Parsed<Duration> {
        Ok(Duration::from_micros(self.varint()?))
    }
}

/// The payload of an END frame behind its stream id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EndFrame {
    /// The status, or `None` for success.
    pub status: Option<WireStatus>,
    /// Trailing metadata.
    pub trailing: Metadata,
}

/// A status as it stands on the wire.
#[derive(Clone, Debug, PartialEq)]
pub struct WireStatus {
    /// The code's number.
    pub code: Code,
    /// For people.
    pub message: String,
    /// For programs.
    pub reason: Option<String>,
    /// Whether the handler ran.
    pub executed: Executed,
    /// How long to wait.
    pub retry_after: Option<Duration>,
    /// Codec and bytes of the details.
    pub details: Option<(CodecName, Bytes)>,
}

const HAS_REASON: u8 = 0x01;
const HAS_RETRY_AFTER: u8 = 0x02;
const HAS_DETAILS: u8 = 0x04;

/// Writes the payload of an END frame.
pub fn put_end(out: &mut BytesMut, stream: u64, status: Option<&motet_core::Status>, trailing: &Metadata) {
    put_varint(out, stream);
    out.put_u8(if trailing.is_empty() { 0 } else { flag::METADATA });
    if !trailing.is_empty() {
        put_metadata(out, trailing);
    }
    let Some(status) = status else { return out.put_u8(0) };
    out.put_u8(status.code().number());
    let details = status.details().and_then(|details| {
        let bytes = details.bytes().ok().filter(|bytes| bytes.len() <= MAX_DETAILS)?;
        Some((details.codec(), bytes))
    });
    out.put_u8(
        if status.reason().is_some() { HAS_REASON } else { 0 }
            | if status.retry_after().is_some() { HAS_RETRY_AFTER } else { 0 }
            | if details.is_some() { HAS_DETAILS } else { 0 },
    );
    out.put_u8(match status.executed() {
        Executed::Unknown => 0,
        Executed::No => 1,
        Executed::Yes => 2,
    });
    put_bytes(out, cut(status.message(), MAX_STATUS_MESSAGE).as_bytes());
    if let Some(reason) = status.reason() {
        put_bytes(out, cut(reason, 256).as_bytes());
    }
    if let Some(wait) = status.retry_after() {
        put_varint(out, u64::try_from(wait.as_micros()).unwrap_or(u64::MAX));
    }
    if let Some((codec, bytes)) = details {
        put_codec(out, codec);
        put_bytes(out, &bytes);
    }
}

/// The longest start of `text` that has at most `limit` bytes and ends at a character.
fn cut(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

/// Reads the payload of an END frame behind its stream id.
///
/// # Errors
/// Truncation and values over their limits.
pub fn read_end(cursor: &mut Cursor<'_>) -> Parsed<EndFrame> {
    let flags = cursor.byte()?;
    let trailing = match flags & flag::METADATA {
        0 => Metadata::new(),
        // Metadata that breaks its rules is dropped: the status matters more.
        _ => cursor.metadata()?.unwrap_or_default(),
    };
    let code = cursor.byte()?;
    if code == 0 {
        return Ok(EndFrame { status: None, trailing });
    }
    let has = cursor.byte()?;
    let executed = match cursor.byte()? {
        1 => Executed::No,
        2 => Executed::Yes,
        _ => Executed::Unknown,
    };
    let message = cursor.text(MAX_STATUS_MESSAGE)?.to_owned();
    let reason = if has & HAS_REASON != 0 { Some(cursor.text(256)?.to_owned()) } else { None };
    let retry_after = if has & HAS_RETRY_AFTER != 0 { Some(cursor.micros()?) } else { None };
    let details = match has & HAS_DETAILS {
        0 => None,
        _ => Some((cursor.codec()?, Bytes::copy_from_slice(cursor.bytes(MAX_DETAILS)?))),
    };
    let code = Code::from_number(code.into());
    Ok(EndFrame { status: Some(WireStatus { code, message, reason, executed, retry_after, details }), trailing })
}

/// Writes a GOAWAY frame.
pub fn put_goaway(out: &mut BytesMut, last_stream: u64, code: ErrorCode, reason: &str) {
    frame(out, kind::GOAWAY, |out| {
        put_varint(out, last_stream);
        out.put_u8(code as u8);
        out.put_slice(&[1, VERSION]);
        put_bytes(out, cut(reason, 1024).as_bytes());
    });
}

/// The payload of a GOAWAY frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoAway {
    /// The greatest stream id that the sender has acted on; greater ones were not executed.
    pub last_stream: u64,
    /// Why; a number that is not in [`ErrorCode`] counts as a protocol error.
    pub code: u8,
    /// The versions that the sender speaks.
    pub versions: Vec<u8>,
    /// Why, for people.
    pub reason: String,
}

/// Reads the payload of a GOAWAY frame.
///
/// # Errors
/// Truncation and values over their limits.
pub fn read_goaway(payload: &[u8]) -> Parsed<GoAway> {
    let mut cursor = Cursor::new(payload);
    let last_stream = cursor.varint()?;
    let code = cursor.byte()?;
    let count = cursor.byte()?;
    let versions = cursor.take(count.into())?.to_vec();
    let reason = cursor.text(1024)?.to_owned();
    Ok(GoAway { last_stream, code, versions, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_survive_at_every_length() {
        for value in (0..64).flat_map(|bits| [(1u64 << bits) - 1, 1 << bits]).chain([u64::MAX]) {
            let mut out = BytesMut::new();
            put_varint(&mut out, value);
            assert_eq!(Cursor::new(&out).varint(), Ok(value));
            for end in 0..out.len() {
                assert!(Cursor::new(&out[..end]).varint().is_err());
            }
        }
        assert!(Cursor::new(&[0xff; 10]).varint().is_err(), "more than 64 bits");
        assert!(Cursor::new(&[0xff; 11]).varint().is_err(), "more than ten bytes");
    }

    #[test]
    fn settings_survive_and_unknown_ones_are_passed_over() {
        let settings = Settings { deflate: true, max_streams: 7, ..Settings::V1 };
        let mut out = BytesMut::new();
        settings.write(&mut out);
        put_varint(&mut out, 99);
        put_varint(&mut out, 1);
        assert_eq!(Settings::read(&out[HEADER..]), Ok(settings));
        assert!(Settings::read(&[1, 0]).is_err(), "a window of zero");
    }

    #[test]
    fn a_status_survives_whole() {
        let details = motet_core::Payload::encoded(&b"\x08\x01"[..], Codec::PROTOBUF);
        let status = motet_core::Status::not_found("nobody")
            .with_reason("GreetError.Nobody")
            .with_executed(Executed::Yes)
            .with_retry_after(Duration::from_millis(5))
            .with_details(details);
        let mut trailing = Metadata::new();
        trailing.append("k", "v").expect("valid");
        let mut out = BytesMut::new();
        put_end(&mut out, 3, Some(&status), &trailing);
        let mut cursor = Cursor::new(&out);
        assert_eq!(cursor.varint(), Ok(3));
        let end = read_end(&mut cursor).expect("well-formed");
        assert!(cursor.is_empty());
        assert_eq!(end.trailing, trailing);
        let wire = end.status.expect("an error");
        assert_eq!((wire.code, wire.message.as_str(), wire.executed), (Code::NotFound, "nobody", Executed::Yes));
        assert_eq!(wire.reason.as_deref(), Some("GreetError.Nobody"));
        assert_eq!(wire.retry_after, Some(Duration::from_millis(5)));
        assert_eq!(wire.details, Some((CodecName::Known(Codec::PROTOBUF), Bytes::from_static(b"\x08\x01"))));
        for end in 1..out.len() {
            let mut cursor = Cursor::new(&out[1..end]);
            assert!(read_end(&mut cursor).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn a_status_s_message_is_cut_at_a_character() {
        let status = motet_core::Status::internal("é".repeat(MAX_STATUS_MESSAGE));
        let mut out = BytesMut::new();
        put_end(&mut out, 1, Some(&status), &Metadata::new());
        let mut cursor = Cursor::new(&out[1..]);
        let message = read_end(&mut cursor).expect("well-formed").status.expect("an error").message;
        assert_eq!(message.len(), MAX_STATUS_MESSAGE);
    }

    #[test]
    fn goaway_names_the_versions() {
        let mut out = BytesMut::new();
        put_goaway(&mut out, 9, ErrorCode::Version, "version 2 is not spoken here");
        let goaway = read_goaway(&out[HEADER..]).expect("well-formed");
        assert_eq!((goaway.last_stream, goaway.code, goaway.versions), (9, 1, vec![VERSION]));
    }

    #[test]
    fn codecs_are_numbers_or_names() {
        let mut out = BytesMut::new();
        put_codec(&mut out, &Codec::MSGPACK);
        assert_eq!(&out[..], [3]);
        assert_eq!(Cursor::new(&out).codec(), Ok(CodecName::Known(Codec::MSGPACK)));
        assert_eq!(Cursor::new(b"\0\x05a/b+c").codec(), Ok(CodecName::Named("a/b+c".into())));
        assert!(Cursor::new(&[5]).codec().is_err());
    }
}

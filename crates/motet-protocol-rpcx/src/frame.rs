//! The frames of rpcx, as bytes.
//!
//! A frame is a header of 12 bytes, the length of the rest, and four parts each behind its length:
//! service path, method, metadata, message. All numbers are big endian, lengths have four bytes.
//!
//! | byte | |
//! |---|---|
//! | 0 | `08` |
//! | 1 | version, 0; not looked at, as in rpcx |
//! | 2 | bit 7 response, 6 heartbeat, 5 one-way, 4–2 compression (0 none, 1 gzip), 1–0 status (1 error) |
//! | 3 | high half: serializer (0 bytes as they are, 1 JSON, 2 protobuf, 3 MessagePack, 4 thrift) |
//! | 4–11 | the number of the call, the same in its response |
//!
//! Metadata is key and value in turn, each behind its length. The layout is that of
//! `protocol/message.go` in `github.com/smallnest/rpcx` v1.9.1.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use motet_core::{Codec, Result};
use motet_framed::{Broken, Extent, Limits};

/// The first byte of every frame.
pub const MAGIC: u8 = 0x08;
/// The length of a header with the length behind it.
pub const HEAD: usize = 16;
/// The longest service path or method.
pub const MAX_NAME: usize = 1 << 10;
/// Messages below this size are not worth compressing; rpcx has the same.
pub(crate) const WORTH: usize = 1 << 10;

const RESPONSE: u8 = 0x80;
const HEARTBEAT: u8 = 0x40;
const ONE_WAY: u8 = 0x20;
const GZIP: u8 = 1;
const ERROR: u8 = 1;

/// The header of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Whether it answers a request.
    pub response: bool,
    /// Whether it is a heartbeat.
    pub heartbeat: bool,
    /// Whether no answer is wanted.
    pub one_way: bool,
    /// How the message is compressed: 0 not, 1 gzip.
    pub compression: u8,
    /// Whether it says what went wrong.
    pub error: bool,
    /// How the message is written.
    pub serializer: u8,
    /// The number of the call.
    pub seq: u64,
}

impl Header {
    /// Reads the first 12 bytes of a frame.
    ///
    /// # Errors
    /// There are fewer, or the first is not [`MAGIC`].
    pub fn read(bytes: &[u8]) -> Result<Header, Broken> {
        let Some(&[magic, _, flags, serializer, ref seq @ ..]) = bytes.first_chunk::<12>() else {
            return Err(Broken::Malformed("half a header"));
        };
        if magic != MAGIC {
            return Err(Broken::Malformed("a frame does not begin with 08"));
        }
        Ok(Header {
            response: flags & RESPONSE != 0,
            heartbeat: flags & HEARTBEAT != 0,
            one_way: flags & ONE_WAY != 0,
            compression: flags >> 2 & 7,
            error: flags & 3 == ERROR,
            serializer: serializer >> 4,
            seq: u64::from_be_bytes(*seq),
        })
    }

    fn write(&self, out: &mut BytesMut) {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let flags = flag(self.response, RESPONSE) | flag(self.heartbeat, HEARTBEAT) | flag(self.one_way, ONE_WAY);
        out.put_slice(&[MAGIC, 0, flags | self.compression << 2 | flag(self.error, ERROR), self.serializer << 4]);
        out.put_u64(self.seq);
    }

    /// Whether the message is in gzip.
    pub fn is_gzip(&self) -> bool {
        self.compression == GZIP
    }

    /// Whether there is a compression that nobody here can undo.
    pub fn is_strange(&self) -> bool {
        self.compression > GZIP
    }
}

/// A frame, its parts as they came. Names and metadata are not checked to be text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// The header.
    pub header: Header,
    /// The service path, such as `Greeter`.
    pub service: Bytes,
    /// The method, such as `Hello`.
    pub method: Bytes,
    /// Keys and values.
    pub metadata: Bytes,
    /// The message, compressed as the header says.
    pub message: Bytes,
}

/// The extent of the frame at the front of these bytes.
///
/// # Errors
/// The first byte is not [`MAGIC`].
pub fn measure(input: &[u8]) -> Result<Option<Extent>, Broken> {
    if input.first().is_some_and(|first| *first != MAGIC) {
        return Err(Broken::Malformed("a frame does not begin with 08"));
    }
    let Some(length) = input.get(12..HEAD) else { return Ok(None) };
    let length = length.iter().fold(0, |all, byte| all << 8 | u64::from(*byte));
    Ok(Some(Extent { len: HEAD as u64 + length, head: HEAD }))
}

/// A length and as many bytes.
fn part(rest: &mut Bytes, max: usize, what: Broken) -> Result<Bytes, Broken> {
    let length = rest.try_get_u32().map_err(|_| what)?;
    match usize::try_from(length) {
        Ok(length) if length <= rest.len() && length <= max => Ok(rest.split_to(length)),
        _ => Err(what),
    }
}

impl Frame {
    /// Reads a whole frame.
    ///
    /// # Errors
    /// A length reaches beyond the frame or its limit, or something is left over. The header, where
    /// that much can be read, says whose it is.
    pub fn read(mut bytes: Bytes) -> Result<Frame, (Option<Header>, Broken)> {
        let header = Header::read(&bytes).map_err(|broken| (None, broken))?;
        let damaged = |broken| (Some(header), broken);
        if bytes.len() < HEAD {
            return Err(damaged(Broken::Malformed("half a header")));
        }
        bytes.advance(HEAD);
        let name = Broken::Malformed("the length of a name reaches beyond its frame or limit");
        let service = part(&mut bytes, MAX_NAME, name).map_err(damaged)?;
        let method = part(&mut bytes, MAX_NAME, name).map_err(damaged)?;
        let what = Broken::Malformed("the length of the metadata reaches beyond its frame or limit");
        let metadata = part(&mut bytes, Limits::OVERHEAD, what).map_err(damaged)?;
        check_pairs(metadata.clone()).map_err(damaged)?;
        let what = Broken::Malformed("the length of the message is not that of the rest of its frame");
        let message = part(&mut bytes, usize::MAX, what).map_err(damaged)?;
        if !bytes.is_empty() {
            return Err(damaged(what));
        }
        Ok(Frame { header, service, method, metadata, message })
    }

    /// Appends the frame.
    pub fn write(&self, out: &mut BytesMut) {
        let mut writer = Writer::begin(&self.header, &self.service, &self.method, out);
        pairs(self.metadata.clone()).for_each(|(key, value)| writer.pair(&key, &value));
        writer.message().extend_from_slice(&self.message);
        writer.end();
    }

    /// Keys and values.
    pub fn pairs(&self) -> impl Iterator<Item = (Bytes, Bytes)> + use<> {
        pairs(self.metadata.clone())
    }

    /// The value of a key.
    pub fn value(&self, key: &str) -> Option<Bytes> {
        self.pairs().find(|(known, _)| known == key.as_bytes()).map(|(_, value)| value)
    }
}

const PAIRS: Broken = Broken::Malformed("the length of a key or value reaches beyond the metadata");

fn check_pairs(mut metadata: Bytes) -> Result<(), Broken> {
    while !metadata.is_empty() {
        part(&mut metadata, usize::MAX, PAIRS)?;
        part(&mut metadata, usize::MAX, PAIRS)?;
    }
    Ok(())
}

fn pairs(mut metadata: Bytes) -> impl Iterator<Item = (Bytes, Bytes)> {
    std::iter::from_fn(move || {
        let key = part(&mut metadata, usize::MAX, PAIRS).ok()?;
        let value = part(&mut metadata, usize::MAX, PAIRS).ok()?;
        Some((key, value))
    })
}

/// Writes a frame part by part, so that its message is encoded where it is sent from.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut BytesMut,
    start: usize,
    metadata: usize,
    /// Where the length of the message stands, once the metadata is complete.
    message: Option<usize>,
}

impl<'a> Writer<'a> {
    /// Begins a frame.
    pub fn begin(header: &Header, service: &[u8], method: &[u8], out: &'a mut BytesMut) -> Writer<'a> {
        let start = out.len();
        header.write(out);
        out.put_u32(0);
        for name in [service, method] {
            out.put_u32(u32::try_from(name.len()).unwrap_or(u32::MAX));
            out.put_slice(name);
        }
        let metadata = out.len();
        out.put_u32(0);
        Writer { out, start, metadata, message: None }
    }

    /// Adds a key and a value, before the message.
    pub fn pair(&mut self, key: &[u8], value: &[u8]) {
        for text in [key, value] {
            self.out.put_u32(u32::try_from(text.len()).unwrap_or(u32::MAX));
            self.out.put_slice(text);
        }
    }

    /// Where the message is to be appended.
    pub fn message(&mut self) -> &mut BytesMut {
        if self.message.is_none() {
            patch(self.out, self.metadata);
            self.message = Some(self.out.len());
            self.out.put_u32(0);
        }
        self.out
    }

    /// Compresses the message if it has at least this size, and says whether it did.
    pub fn compress(&mut self, above: usize) -> bool {
        let Some(start) = self.message.map(|at| at + 4) else { return false };
        let small = match self.out.len() - start >= above.max(WORTH) {
            true => motet_framed::compress(&self.out[start..]),
            false => None,
        };
        if let Some(small) = &small {
            self.out.truncate(start);
            self.out.extend_from_slice(small);
            self.out[self.start + 2] |= GZIP << 2;
        }
        small.is_some()
    }

    /// Changes the serializer.
    pub fn serializer(&mut self, serializer: u8) {
        self.out[self.start + 3] = serializer << 4;
    }

    /// Ends the frame.
    pub fn end(mut self) {
        self.message();
        if let Some(message) = self.message {
            patch(self.out, message);
        }
        patch(self.out, self.start + 12);
    }

    /// Takes back what was written.
    pub fn undo(self) {
        self.out.truncate(self.start);
    }
}

/// Writes at this place how many bytes follow its four.
fn patch(out: &mut BytesMut, at: usize) {
    let length = u32::try_from(out.len() - at - 4).unwrap_or(u32::MAX);
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

/// The content type of a serializer.
pub fn content_type(serializer: u8) -> &'static str {
    match serializer {
        0 => "application/octet-stream",
        1 => "application/json",
        2 => "application/protobuf",
        3 => "application/msgpack",
        4 => "application/x-thrift",
        _ => "application/x-rpcx-unknown",
    }
}

/// The serializer that writes what a codec does.
pub fn serializer(codec: &Codec) -> Option<u8> {
    (0..=4).find(|serializer| content_type(*serializer) == codec.content_type())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Bytes {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect()
    }

    /// What rpcx 1.9 sends and receives, captured.
    const CALL: &str = concat!(
        "0800003000000000000000000000002e000000054172697468000000034d756c0000000f0000000574726163650000000274310000",
        "000782a1410aa14214"
    );
    const REPLY: &str = "0800803000000000000000000000001d000000054172697468000000034d756c000000000000000581a143ccc8";
    const FAILURE: &str = concat!(
        "0800813000000000000000010000004000000005417269746800000003446976000000240000000e5f5f727063785f6572726f725f",
        "5f0000000e646976696465206279207a65726f0000000481a14300"
    );
    const HEARTBEAT: &str = "0800403000000000000000040000001900000000000000000000000000000009d318e9f3ead3abea35";

    #[test]
    fn captured_frames_are_read_and_written_byte_for_byte() {
        for (bytes, flags, seq, service, method, pair, message) in [
            (CALL, "", 0, "Arith", "Mul", Some(("trace", "t1")), "82a1410aa14214"),
            (REPLY, "response", 0, "Arith", "Mul", None, "81a143ccc8"),
            (FAILURE, "response error", 1, "Arith", "Div", Some(("__rpcx_error__", "divide by zero")), "81a14300"),
            (HEARTBEAT, "heartbeat", 4, "", "", None, "d318e9f3ead3abea35"),
        ] {
            let bytes = hex(bytes);
            let frame = Frame::read(bytes.clone()).expect("captured");
            let Header { response, heartbeat, error, one_way, compression, serializer, .. } = frame.header;
            let set = [(response, "response"), (heartbeat, "heartbeat"), (error, "error"), (one_way, "one-way")];
            let set: Vec<_> = set.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
            assert_eq!((set.join(" "), frame.header.seq), (flags.to_owned(), seq));
            assert_eq!((compression, serializer), (0, 3));
            assert_eq!((&frame.service[..], &frame.method[..]), (service.as_bytes(), method.as_bytes()));
            assert_eq!(frame.message, hex(message));
            let pairs: Vec<_> = frame.pairs().collect();
            let expected = pair.map(|(key, value)| (key.into(), value.into()));
            assert_eq!(pairs, expected.into_iter().collect::<Vec<_>>());
            assert_eq!(measure(&bytes), Ok(Some(Extent { len: bytes.len() as u64, head: HEAD })));
            let mut out = BytesMut::new();
            frame.write(&mut out);
            assert_eq!(out, bytes);
        }
    }

    #[test]
    fn the_answer_to_a_heartbeat_differs_in_one_bit() {
        let mut frame = Frame::read(hex(HEARTBEAT)).expect("captured");
        frame.header.response = true;
        let mut out = BytesMut::new();
        frame.write(&mut out);
        assert_eq!(out, hex(&HEARTBEAT.replacen("080040", "0800c0", 1)));
    }

    #[test]
    fn one_way_is_a_bit() {
        let frame = Frame::read(hex(&CALL.replacen("080000", "080020", 1))).expect("valid");
        assert!(frame.header.one_way && !frame.header.heartbeat);
    }

    #[test]
    fn a_length_that_reaches_beyond_its_frame_is_named_with_the_call() {
        // The lengths of the five parts of the captured call, and of its one key and value.
        for at in [16, 25, 32, 36, 45, 51] {
            let mut bytes = BytesMut::from(&hex(CALL)[..]);
            bytes[at..at + 4].copy_from_slice(&u32::MAX.to_be_bytes());
            let (header, broken) = Frame::read(bytes.freeze()).expect_err("a lie");
            assert_eq!(header.expect("the header is whole").seq, 0);
            assert!(matches!(broken, Broken::Malformed(_)), "{broken}");
        }
    }

    #[test]
    fn what_is_left_over_or_missing_is_an_error() {
        let whole = hex(CALL);
        for end in 0..whole.len() {
            assert!(Frame::read(whole.slice(..end)).is_err(), "cut at {end}");
        }
        let mut longer = BytesMut::from(&whole[..]);
        longer.put_u8(0);
        assert!(Frame::read(longer.freeze()).is_err());
    }

    #[test]
    fn a_name_has_a_limit() {
        let mut out = BytesMut::new();
        Writer::begin(&Header::default(), &[b'a'; MAX_NAME + 1], b"", &mut out).end();
        assert!(Frame::read(out.freeze()).is_err());
    }
}

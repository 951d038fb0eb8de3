//! The five bytes in front of every message.
//!
//! A flag byte, then the length as four bytes, big endian
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>). gRPC-Web and Connect use the
//! same prefix with flags of their own.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use motet_core::{Codec, Payload, Result, Status};

use super::Compression;

/// The bytes in front of a message.
pub const PREFIX: usize = 5;
/// The flag of a message that is compressed.
pub const COMPRESSED: u8 = 0x01;
/// The flag of Connect's last frame.
pub const CONNECT_END: u8 = 0x02;
/// The flag of gRPC-Web's last frame, which holds the trailers.
pub const WEB_TRAILERS: u8 = 0x80;

/// A message, or the frame that ends a body, as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// [`COMPRESSED`], [`CONNECT_END`], [`WEB_TRAILERS`].
    pub flags: u8,
    /// What follows the prefix.
    pub body: Bytes,
}

/// Cuts a body into frames, whatever the pieces in which it arrives.
///
/// A frame that lies within one piece is a part of it, one that is spread over several is copied
/// together. It takes memory as bytes arrive, never because a prefix announces them.
///
/// ```
/// use motet_protocol_grpc::wire::{FrameDecoder, MAX_MESSAGE};
///
/// let mut frames = FrameDecoder::new(MAX_MESSAGE, 0);
/// frames.push((&b"\0\0\0"[..]).into());
/// assert_eq!(frames.next_frame(), Ok(None));
/// frames.push((&b"\0\x02hi"[..]).into());
/// assert_eq!(&frames.next_frame().unwrap().unwrap().body[..], b"hi");
/// assert_eq!(frames.finish(), Ok(()));
/// ```
#[derive(Debug)]
pub struct FrameDecoder {
    /// The rest of the last piece.
    input: Bytes,
    /// The beginning of a prefix or body that the pieces before held.
    partial: BytesMut,
    head: Option<(u8, usize)>,
    limit: usize,
    flags: u8,
}

impl FrameDecoder {
    /// A decoder for bodies whose frames are at most `limit` bytes long, as sent, and have no flags
    /// but [`COMPRESSED`] and these.
    pub fn new(limit: usize, flags: u8) -> FrameDecoder {
        FrameDecoder { input: Bytes::new(), partial: BytesMut::new(), head: None, limit, flags: flags | COMPRESSED }
    }

    /// Adds a piece of the body. Pieces are best taken out by [`FrameDecoder::next_frame`] before the next
    /// one is added.
    pub fn push(&mut self, piece: Bytes) {
        if self.input.is_empty() {
            self.input = piece;
        } else {
            let mut joined = BytesMut::from(&self.input[..]);
            joined.extend_from_slice(&piece);
            self.input = joined.freeze();
        }
    }

    /// The next frame, once it is complete.
    ///
    /// # Errors
    /// Internal for flags that nobody defined, ResourceExhausted for a frame over the limit. Nothing
    /// can be read after an error.
    pub fn next_frame(&mut self) -> Result<Option<Frame>> {
        let Some((flags, length)) = self.read_head()? else { return Ok(None) };
        let body = if self.partial.is_empty() && self.input.len() >= length {
            self.input.split_to(length)
        } else {
            let missing = length - self.partial.len();
            let found = missing.min(self.input.len());
            self.partial.extend_from_slice(&self.input.split_to(found));
            if found < missing {
                return Ok(None);
            }
            self.partial.split().freeze()
        };
        self.head = None;
        Ok(Some(Frame { flags, body }))
    }

    fn read_head(&mut self) -> Result<Option<(u8, usize)>> {
        if self.head.is_none() {
            let mut prefix = [0; PREFIX];
            if self.partial.is_empty() && self.input.len() >= PREFIX {
                self.input.copy_to_slice(&mut prefix);
            } else {
                let found = (PREFIX - self.partial.len()).min(self.input.len());
                self.partial.extend_from_slice(&self.input.split_to(found));
                if self.partial.len() < PREFIX {
                    return Ok(None);
                }
                prefix.copy_from_slice(&self.partial);
                self.partial.clear();
            }
            self.head = Some(self.check(prefix)?);
        }
        Ok(self.head)
    }

    fn check(&self, [flags, length @ ..]: [u8; PREFIX]) -> Result<(u8, usize)> {
        if flags & !self.flags != 0 {
            return Err(Status::internal(format!(
                "a message begins with the flags {flags:#04x}; those known here are {:#04x}",
                self.flags
            )));
        }
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > self.limit {
            return Err(too_long(length, self.limit));
        }
        Ok((flags, length))
    }

    /// How many bytes wait for the rest of their frame, or to be taken out.
    pub fn waiting(&self) -> usize {
        self.partial.len() + self.input.len()
    }

    /// Whether nothing of an unfinished frame is there.
    pub fn is_empty(&self) -> bool {
        self.head.is_none() && self.partial.is_empty() && self.input.is_empty()
    }

    /// The body has ended.
    ///
    /// # Errors
    /// Internal when it ended within a frame.
    pub fn finish(&self) -> Result<()> {
        match self.is_empty() {
            true => Ok(()),
            false => Err(Status::internal("the body ended within a message")),
        }
    }
}

/// The status of a message over the limit.
pub(crate) fn too_long(length: usize, limit: usize) -> Status {
    Status::resource_exhausted(format!(
        "a message of {length} bytes is over the limit of {limit}; protocols.grpc.max_message sets it"
    ))
}

/// Appends a frame.
pub fn put_frame(out: &mut BytesMut, flags: u8, body: &[u8]) {
    out.reserve(PREFIX + body.len());
    out.put_u8(flags);
    out.put_u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
    out.extend_from_slice(body);
}

/// Appends a message with its prefix, carried by `codec` if it is not encoded yet, and compressed if
/// it has `above` bytes and more. A typed value is encoded where it will lie.
///
/// # Errors
/// Internal when the message cannot be written, Unimplemented when its codec cannot carry it,
/// ResourceExhausted when it is over the limit. Then `out` is as it was.
pub fn put_message(
    out: &mut BytesMut,
    message: &Payload,
    codec: &Codec,
    limit: usize,
    compress: Option<(Compression, usize)>,
) -> Result<()> {
    let start = out.len();
    out.extend_from_slice(&[0; PREFIX]);
    let written = match message.codec() == codec {
        true => message.encode_into(out),
        false => message.clone().with_codec(codec.clone()).encode_into(out),
    };
    let length = out.len() - start - PREFIX;
    let checked = written.and_then(|()| if length > limit { Err(too_long(length, limit)) } else { Ok(()) });
    if let Err(status) = checked {
        out.truncate(start);
        return Err(status);
    }
    let mut flags = 0;
    if let Some((compression, above)) = compress
        && length >= above
        && let Some(small) = compression.compress(&out[start + PREFIX..])
    {
        out.truncate(start + PREFIX);
        out.extend_from_slice(&small);
        flags = COMPRESSED;
    }
    let length = u32::try_from(out.len() - start - PREFIX).unwrap_or(u32::MAX);
    out[start] = flags;
    out[start + 1..start + PREFIX].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use motet_core::Code;

    use super::*;

    fn all(pieces: &[&[u8]]) -> Result<Vec<(u8, Vec<u8>)>> {
        let mut decoder = FrameDecoder::new(100, WEB_TRAILERS);
        let mut frames = Vec::new();
        for piece in pieces {
            decoder.push(Bytes::copy_from_slice(piece));
            while let Some(frame) = decoder.next_frame()? {
                frames.push((frame.flags, frame.body.to_vec()));
            }
        }
        decoder.finish().map(|()| frames)
    }

    #[test]
    fn frames_are_found_whatever_the_pieces() {
        let body = b"\0\0\0\0\0\x01\0\0\0\x03abc\x80\0\0\0\x01z";
        let expected = vec![(0, vec![]), (1, b"abc".to_vec()), (0x80, b"z".to_vec())];
        assert_eq!(all(&[body]), Ok(expected.clone()));
        assert_eq!(all(&body.chunks(1).collect::<Vec<_>>()), Ok(expected.clone()));
        for cut in 0..body.len() {
            assert_eq!(all(&[&body[..cut], &body[cut..]]), Ok(expected.clone()), "cut at {cut}");
        }
    }

    #[test]
    fn pieces_may_pile_up() {
        let mut decoder = FrameDecoder::new(100, 0);
        decoder.push(Bytes::from_static(b"\0\0\0\0"));
        decoder.push(Bytes::from_static(b"\x01a\0"));
        decoder.push(Bytes::from_static(b"\0\0\0\x01b"));
        assert_eq!(decoder.next_frame().expect("valid").expect("complete").body, "a");
        assert_eq!(decoder.next_frame().expect("valid").expect("complete").body, "b");
        assert_eq!(decoder.next_frame(), Ok(None));
    }

    #[test]
    fn unknown_flags_long_messages_and_half_ones_are_errors() {
        for (body, code) in [
            (&b"\x02\0\0\0\0"[..], Code::Internal),
            (b"\xff\0\0\0\0", Code::Internal),
            (b"\0\0\0\0\x65", Code::ResourceExhausted),
            (b"\0\xff\xff\xff\xff", Code::ResourceExhausted),
            (b"\0\0\0\0\x02a", Code::Internal),
            (b"\0\0", Code::Internal),
        ] {
            assert_eq!(all(&[body]).expect_err("refused").code(), code, "{body:x?}");
        }
    }

    #[test]
    fn a_prefix_alone_takes_no_memory() {
        let mut decoder = FrameDecoder::new(usize::MAX, 0);
        decoder.push(Bytes::from_static(b"\0\xff\xff\xff\xff"));
        assert_eq!(decoder.next_frame(), Ok(None));
        assert!(decoder.partial.capacity() < 1024);
    }

    #[test]
    fn a_message_over_the_limit_leaves_the_buffer_as_it_was() {
        let mut out = BytesMut::from(&b"before"[..]);
        let message = Payload::encoded("12345", Codec::PROTOBUF);
        let error = put_message(&mut out, &message, &Codec::PROTOBUF, 4, None).expect_err("5 bytes");
        assert_eq!((error.code(), &out[..]), (Code::ResourceExhausted, &b"before"[..]));
        put_message(&mut out, &message, &Codec::PROTOBUF, 5, None).expect("as long as the limit");
        assert_eq!(&out[6..], b"\0\0\0\0\x0512345");
    }

    #[test]
    fn only_what_gets_shorter_is_compressed() {
        let (mut out, long) = (BytesMut::new(), "la ".repeat(1000));
        for (text, flags) in [(&*long, COMPRESSED), ("abc", 0)] {
            out.clear();
            let message = Payload::encoded(text.to_owned(), Codec::RAW);
            put_message(&mut out, &message, &Codec::RAW, MAX, Some((Compression::Gzip, 0))).expect("written");
            assert_eq!(out[0], flags);
        }
    }

    const MAX: usize = super::super::MAX_MESSAGE;

    proptest::proptest! {
        #[test]
        fn any_messages_survive_any_split(
            messages in proptest::collection::vec(proptest::collection::vec(0_u8..4, 0..300), 0..8),
            sizes in proptest::collection::vec(1_usize..40, 1..60),
            compress in proptest::option::of(proptest::bool::ANY),
        ) {
            let compression = compress.map(|zstd| if zstd { Compression::Zstd } else { Compression::Gzip });
            let mut body = BytesMut::new();
            for message in &messages {
                let message = Payload::encoded(message.clone(), Codec::RAW);
                put_message(&mut body, &message, &Codec::RAW, MAX, compression.map(|c| (c, 10))).expect("written");
            }
            let (mut decoder, mut found, mut body) = (FrameDecoder::new(MAX, 0), Vec::new(), body.freeze());
            for size in sizes.iter().cycle() {
                if body.is_empty() {
                    break;
                }
                decoder.push(body.split_to((*size).min(body.len())));
                while let Some(frame) = decoder.next_frame().expect("frames") {
                    found.push(match (frame.flags, compression) {
                        (0, _) => frame.body.to_vec(),
                        (_, compression) => {
                            compression.expect("no other flag").decompress(&frame.body, 300).expect("undone").to_vec()
                        }
                    });
                }
            }
            assert_eq!(decoder.finish(), Ok(()));
            assert_eq!(found, messages);
        }
    }
}

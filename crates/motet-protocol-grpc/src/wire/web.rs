//! gRPC-Web: trailers as the last frame of the body, and bodies as base64 text
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md>).

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use motet_core::{Result, Status};

use super::{WEB_TRAILERS, put_frame};

/// The most trailers that a frame may have.
const MAX_TRAILERS: usize = 256;

/// Decodes a body of `application/grpc-web-text`, whatever the pieces in which it arrives. Each piece
/// that its sender encoded may end in padding.
#[derive(Clone, Debug, Default)]
pub struct TextDecoder {
    /// The beginning of a group of four characters.
    rest: [u8; 4],
    held: usize,
}

impl TextDecoder {
    /// Decodes what is complete of the text so far.
    ///
    /// # Errors
    /// Internal for what is no base64.
    pub fn decode(&mut self, text: &[u8]) -> Result<Bytes> {
        let mut out = Vec::with_capacity((self.held + text.len()) / 4 * 3);
        let mut text = text;
        if self.held > 0 {
            let more = text.len().min(4 - self.held);
            self.rest[self.held..self.held + more].copy_from_slice(&text[..more]);
            self.held += more;
            text = &text[more..];
            if self.held < 4 {
                return Ok(out.into());
            }
            self.held = 0;
            append(&self.rest, &mut out)?;
        }
        let (whole, rest) = text.split_at(text.len() / 4 * 4);
        append(whole, &mut out)?;
        self.rest[..rest.len()].copy_from_slice(rest);
        self.held = rest.len();
        Ok(out.into())
    }

    /// The text has ended.
    ///
    /// # Errors
    /// Internal when it ended within a group.
    pub fn finish(&self) -> Result<()> {
        if self.held == 0 { Ok(()) } else { Err(bad()) }
    }
}

/// Decodes whole groups, padded ones in the middle included.
fn append(mut groups: &[u8], out: &mut Vec<u8>) -> Result<()> {
    while !groups.is_empty() {
        let padded = groups.iter().position(|b| *b == b'=').map_or(groups.len(), |at| (at / 4 + 1) * 4);
        let (now, later) = groups.split_at(padded.min(groups.len()));
        STANDARD.decode_vec(now, out).map_err(|_| bad())?;
        groups = later;
    }
    Ok(())
}

fn bad() -> Status {
    Status::internal("the body is no base64, as application/grpc-web-text has to be")
}

/// Encodes a piece of a body of `application/grpc-web-text`.
pub fn encode_text(piece: &[u8]) -> String {
    STANDARD.encode(piece)
}

/// Appends the frame that ends a body.
pub fn put_trailers(out: &mut BytesMut, trailers: &HeaderMap) {
    let mut block = Vec::with_capacity(64);
    for (name, value) in trailers {
        block.extend_from_slice(name.as_str().as_bytes());
        block.extend_from_slice(b": ");
        block.extend_from_slice(value.as_bytes());
        block.extend_from_slice(b"\r\n");
    }
    put_frame(out, WEB_TRAILERS, &block);
}

/// Reads the trailers of a frame with the flag [`WEB_TRAILERS`].
///
/// # Errors
/// Internal for lines that are no header, ResourceExhausted for more than 256.
pub fn read_trailers(block: &[u8]) -> Result<HeaderMap> {
    let bad = || Status::internal("the trailers of the body are no headers");
    let mut trailers = HeaderMap::new();
    for line in block.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()) {
        if trailers.len() >= MAX_TRAILERS {
            return Err(Status::resource_exhausted(format!("the body has more than {MAX_TRAILERS} trailers")));
        }
        let colon = line.iter().position(|b| *b == b':').ok_or_else(bad)?;
        let name = HeaderName::from_bytes(line[..colon].trim_ascii()).map_err(|_| bad())?;
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).map_err(|_| bad())?;
        trailers.append(name, value);
    }
    Ok(trailers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::FrameDecoder;

    fn decoded(pieces: &[&[u8]]) -> Result<Vec<u8>> {
        let mut decoder = TextDecoder::default();
        let mut all = Vec::new();
        for piece in pieces {
            all.extend_from_slice(&decoder.decode(piece)?);
        }
        decoder.finish().map(|()| all)
    }

    #[test]
    fn text_is_decoded_whatever_the_pieces() {
        let text = [encode_text(b"a"), encode_text(b"bcd"), encode_text(b"ef")].concat();
        assert_eq!(decoded(&[text.as_bytes()]), Ok(b"abcdef".to_vec()));
        for size in 1..text.len() {
            assert_eq!(decoded(&text.as_bytes().chunks(size).collect::<Vec<_>>()), Ok(b"abcdef".to_vec()), "{size}");
        }
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        for text in [&b"a"[..], b"abc", b"ab c", b"====", b"a===", b"\xff\xff\xff\xff", b"ab=c"] {
            assert!(decoded(&[text]).is_err(), "{text:?}");
        }
    }

    #[test]
    fn trailers_survive() {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("5"));
        trailers.append("x-many", HeaderValue::from_static("a: b"));
        trailers.append("x-many", HeaderValue::from_static(""));
        let mut out = BytesMut::new();
        put_trailers(&mut out, &trailers);
        let mut frames = FrameDecoder::new(1 << 10, WEB_TRAILERS);
        frames.push(out.freeze());
        let frame = frames.next_frame().expect("valid").expect("complete");
        assert_eq!((frame.flags, read_trailers(&frame.body).expect("valid")), (WEB_TRAILERS, trailers));
    }

    #[test]
    fn trailers_are_bounded_and_must_be_headers() {
        assert!(read_trailers(b"no colon\r\n").is_err());
        assert!(read_trailers(b"bad name: x\r\n").is_err());
        assert!(read_trailers("a: b\r\n".repeat(MAX_TRAILERS + 1).as_bytes()).is_err());
        assert_eq!(read_trailers(b"GRPC-Status:0").expect("without the last line's end")["grpc-status"], "0");
    }
}

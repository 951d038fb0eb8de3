//! Bodies in chunks (RFC 9112 §7.1).

use bytes::{Buf, BytesMut};

use super::Broken;

/// The longest line that says how long a chunk is.
const MAX_LINE: usize = 256;
/// The longest trailers.
const MAX_TRAILERS: usize = 16 << 10;

/// Where in a body of chunks the stream is.
#[derive(Debug, Default)]
pub(super) enum Chunks {
    /// Before a chunk's length.
    #[default]
    Size,
    /// In a chunk of which so much is to come.
    Data(usize),
    /// Before the end of a chunk's last line.
    DataEnd,
    /// In the trailers, of which so much has come.
    Trailers(usize),
}

/// What is next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// More input is needed.
    More,
    /// So many bytes at the front of the input are data; they are to be taken, and [`Chunks::took`] told.
    Data(usize),
    /// The body has ended.
    End,
}

impl Chunks {
    pub(super) fn next(&mut self, input: &mut BytesMut) -> Result<Part, Broken> {
        loop {
            match self {
                Chunks::Data(0) => *self = Chunks::DataEnd,
                Chunks::Data(left) => {
                    return Ok(if input.is_empty() { Part::More } else { Part::Data(input.len().min(*left)) });
                }
                Chunks::Size => {
                    let Some(line) = line(input, MAX_LINE, "the length of a chunk is too long")? else {
                        return Ok(Part::More);
                    };
                    *self = match size(&line)? {
                        0 => Chunks::Trailers(0),
                        size => Chunks::Data(size),
                    };
                }
                Chunks::DataEnd => match &input[..] {
                    [b'\n', ..] => {
                        input.advance(1);
                        *self = Chunks::Size;
                    }
                    [b'\r', b'\n', ..] => {
                        input.advance(2);
                        *self = Chunks::Size;
                    }
                    [] | [b'\r'] => return Ok(Part::More),
                    _ => return Err(Broken::Malformed("a chunk is longer than it says")),
                },
                Chunks::Trailers(so_far) => {
                    let Some(line) = line(input, MAX_TRAILERS - *so_far, "the trailers are too long")? else {
                        return Ok(Part::More);
                    };
                    if line.trim_ascii().is_empty() {
                        return Ok(Part::End);
                    }
                    *so_far += line.len();
                }
            }
        }
    }

    pub(super) fn took(&mut self, length: usize) {
        if let Chunks::Data(left) = self {
            *left = left.saturating_sub(length);
        }
    }
}

/// The line at the front with its end, once it is there.
fn line(input: &mut BytesMut, most: usize, too_long: &'static str) -> Result<Option<BytesMut>, Broken> {
    match input.iter().take(most).position(|byte| *byte == b'\n') {
        Some(end) => Ok(Some(input.split_to(end + 1))),
        None if input.len() >= most => Err(Broken::OverLimit(too_long)),
        None => Ok(None),
    }
}

fn size(line: &[u8]) -> Result<usize, Broken> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let text = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let size = text.and_then(|text| u64::from_str_radix(text, 16).ok());
    size.and_then(|size| usize::try_from(size).ok()).ok_or(Broken::Malformed("the length of a chunk is no number"))
}

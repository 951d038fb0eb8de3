//! Message compression, within limits.

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::{read::MultiGzDecoder, write::GzEncoder};
use motet_core::{Result, Status};
use ruzstd::{
    decoding::StreamingDecoder,
    encoding::{CompressionLevel, compress_to_vec},
};

use super::frame::too_long;

/// How messages of a body are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// gzip (RFC 1952), which every gRPC speaks.
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
}

/// The largest window of a Zstandard frame that is read: 8 MiB, which RFC 8878 asks decoders for.
const MAX_WINDOW: u64 = 8 << 20;

impl Compression {
    /// The names as a header lists them.
    pub const ACCEPTED: &'static str = "gzip,zstd,identity";

    /// The compression of a header's value; none for `identity`, which says that there is none.
    ///
    /// # Errors
    /// Unimplemented, naming those that are read.
    pub fn named(name: &str) -> Result<Option<Compression>> {
        match name.trim() {
            "identity" | "" => Ok(None),
            "gzip" => Ok(Some(Compression::Gzip)),
            "zstd" => Ok(Some(Compression::Zstd)),
            other => {
                let shown: String = other.chars().filter(char::is_ascii_graphic).take(32).collect();
                Err(Status::unimplemented(format!(
                    "the compression {shown:?} is not known here; accepted: {}",
                    Self::ACCEPTED
                ))
                .with_executed(motet_core::Executed::No))
            }
        }
    }

    /// The first of a header's names that is known here.
    pub fn accepted(names: &str) -> Option<Compression> {
        names.split(',').find_map(|name| Self::named(name).ok().flatten())
    }

    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        }
    }

    /// Compresses a message; `None` when that would not be shorter.
    pub fn compress(self, message: &[u8]) -> Option<Vec<u8>> {
        let small = match self {
            Compression::Gzip => {
                let buffer = Vec::with_capacity(message.len() / 2 + 32);
                let mut encoder = GzEncoder::new(buffer, flate2::Compression::fast());
                encoder.write_all(message).ok()?;
                encoder.finish().ok()?
            }
            Compression::Zstd => compress_to_vec(message, CompressionLevel::Fastest),
        };
        (small.len() < message.len()).then_some(small)
    }

    /// Undoes [`Compression::compress`]. The output never grows past the limit, whatever the input
    /// says.
    ///
    /// # Errors
    /// Internal for damaged input, ResourceExhausted for a message over the limit.
    pub fn decompress(self, message: &[u8], limit: usize) -> Result<Bytes> {
        match self {
            Compression::Gzip => self.read(MultiGzDecoder::new(message), message.len(), limit),
            Compression::Zstd => {
                check_window(message).ok_or_else(|| self.damaged())?;
                let decoder = StreamingDecoder::new(message).map_err(|_| self.damaged())?;
                self.read(decoder, message.len(), limit)
            }
        }
    }

    fn read(self, decoder: impl Read, guess: usize, limit: usize) -> Result<Bytes> {
        let mut out = Vec::with_capacity(guess.saturating_mul(2).min(limit));
        let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        decoder.take(most).read_to_end(&mut out).map_err(|_| self.damaged())?;
        if out.len() > limit {
            return Err(too_long(out.len(), limit));
        }
        Ok(out.into())
    }

    fn damaged(self) -> Status {
        Status::internal(format!("a message is no valid {}", self.name()))
    }
}

/// Looks at a Zstandard frame's header (RFC 8878 §3.1.1.1): decoders set its window aside at once,
/// and twelve bytes can ask for terabytes.
fn check_window(frame: &[u8]) -> Option<()> {
    let (magic, rest) = frame.split_first_chunk::<4>()?;
    let (&descriptor, rest) = rest.split_first()?;
    if u32::from_le_bytes(*magic) != 0xFD2F_B528 {
        return None;
    }
    let single_segment = descriptor & 0x20 != 0;
    let window = if single_segment {
        let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
        let size = [1, 2, 4, 8][usize::from(descriptor >> 6)];
        let field = rest.get(dictionary..dictionary + size)?;
        let mut value = [0; 8];
        value[..size].copy_from_slice(field);
        u64::from_le_bytes(value)
    } else {
        let (exponent, mantissa) = (rest.first()? >> 3, rest.first()? & 7);
        let base = 1_u64 << (10 + exponent);
        base + base / 8 * u64::from(mantissa)
    };
    (window <= MAX_WINDOW).then_some(())
}

#[cfg(test)]
mod tests {
    use motet_core::Code;

    use super::*;

    const ALL: [Compression; 2] = [Compression::Gzip, Compression::Zstd];

    #[test]
    fn a_message_survives() {
        for compression in ALL {
            assert_eq!(Compression::named(compression.name()), Ok(Some(compression)));
            for message in [b"la la la ".repeat(1000), vec![0; 1 << 20], b"ab".repeat(40)] {
                let small = compression.compress(&message).expect("shorter");
                assert!(small.len() < message.len());
                assert_eq!(compression.decompress(&small, message.len()).expect("undone"), message);
            }
            assert_eq!(compression.compress(b"x"), None);
        }
    }

    #[test]
    fn a_bomb_is_stopped_at_the_limit() {
        for compression in ALL {
            let bomb = compression.compress(&vec![0; 6 << 20]).expect("shorter");
            assert!(bomb.len() < 128 << 10, "{} bytes", bomb.len());
            let error = compression.decompress(&bomb, 4 << 20).expect_err("6 MiB");
            assert_eq!(error.code(), Code::ResourceExhausted);
        }
    }

    #[test]
    fn damage_is_an_error() {
        for compression in ALL {
            let small = compression.compress(&b"la la la ".repeat(100)).expect("shorter");
            for end in 0..small.len().min(12) {
                assert_eq!(compression.decompress(&small[..end], 1 << 20).expect_err("cut").code(), Code::Internal);
            }
            assert!(compression.decompress(b"nonsense that is no stream", 1 << 20).is_err());
        }
    }

    #[test]
    fn a_window_of_terabytes_is_refused_before_it_is_made() {
        // 10 + 31 bits of window, and a content size of eight bytes.
        for frame in [&b"\x28\xb5\x2f\xfd\x00\xff\x00\x00"[..], b"\x28\xb5\x2f\xfd\xe0\xff\xff\xff\xff\xff\xff\xff\x7f"]
        {
            assert_eq!(check_window(frame), None);
            assert!(Compression::Zstd.decompress(frame, 1 << 20).is_err());
        }
    }

    #[test]
    fn unknown_ones_are_named_with_those_that_are_known() {
        let error = Compression::named("snappy").expect_err("unknown");
        assert_eq!(error.code(), Code::Unimplemented);
        assert!(error.message().contains("snappy") && error.message().contains("gzip"), "{error}");
        assert_eq!(Compression::named("identity"), Ok(None));
        assert_eq!(Compression::accepted("br, zstd,gzip"), Some(Compression::Zstd));
        assert_eq!(Compression::accepted("br"), None);
    }
}

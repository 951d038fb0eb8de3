//! Compressed messages (RFC 7692, section 7.2).

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// What a sync flush ends with; it is left out on the wire.
const TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];
/// The smallest window that zlib compresses with.
const LEAST_WINDOW: u8 = 9;
/// How much is decompressed at a time, at most.
const CHUNK: usize = 8 << 10;

/// What both sides agreed on about compression, from this side's view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// This side forgets its messages once they are sent.
    pub own_no_context_takeover: bool,
    /// The peer does.
    pub peer_no_context_takeover: bool,
    /// This side's window, from 8 to 15.
    pub own_window_bits: u8,
    /// The peer's window, from 8 to 15.
    pub peer_window_bits: u8,
}

/// Compresses messages.
#[derive(Debug)]
pub(crate) struct Deflater {
    state: Option<Box<Compress>>,
    forgets: bool,
    window_bits: u8,
    level: u32,
    min_size: usize,
}

impl Deflater {
    pub(crate) fn new(agreement: &Agreement, level: u32, min_size: usize) -> Deflater {
        Deflater {
            state: None,
            forgets: agreement.own_no_context_takeover,
            window_bits: agreement.own_window_bits.min(15),
            level: level.clamp(1, 9),
            min_size: min_size.max(1),
        }
    }

    /// The message compressed; `None` if it is better sent as it is.
    pub(crate) fn deflate(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        if message.len() < self.min_size || self.window_bits < LEAST_WINDOW {
            return None;
        }
        let mut state = self.state.take().unwrap_or_else(|| {
            Box::new(Compress::new_with_window_bits(Compression::new(self.level), false, self.window_bits))
        });
        let out = deflate_all(&mut state, message)?;
        if !self.forgets {
            self.state = Some(state);
            // The peer's window has what was compressed: it must be sent so.
            return Some(out);
        }
        (out.len() < message.len()).then_some(out)
    }
}

/// `None`, and a state that is not used again, if zlib refuses.
fn deflate_all(state: &mut Compress, message: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(message.len() / 4 + 64);
    let before = state.total_in();
    loop {
        let (done, made) = ((state.total_in() - before) as usize, out.len());
        state.compress_vec(&message[done..], &mut out, FlushCompress::Sync).ok()?;
        let now_done = (state.total_in() - before) as usize;
        let all = now_done == message.len();
        // Room left over after the flush says that all of it is out.
        if all && out.len() < out.capacity() && out.ends_with(&TAIL) {
            out.truncate(out.len() - TAIL.len());
            return Some(out);
        }
        if now_done == done && out.len() == made && made < out.capacity() {
            return None;
        }
        out.reserve(out.capacity().max(64));
    }
}

/// Decompresses messages.
#[derive(Debug)]
pub(crate) struct Inflater {
    state: Option<Box<Decompress>>,
    forgets: bool,
    window_bits: u8,
    /// Whether the message's last block so far was marked as the final one.
    ended: bool,
    /// Whether there was any byte of the message.
    begun: bool,
}

/// The bytes are not compressed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotDeflate;

impl Inflater {
    pub(crate) fn new(agreement: &Agreement) -> Inflater {
        let window_bits = agreement.peer_window_bits.clamp(LEAST_WINDOW, 15);
        let forgets = agreement.peer_no_context_takeover;
        Inflater { state: None, forgets, window_bits, ended: false, begun: false }
    }

    /// Decompresses more of a message. `sink` gets what comes out, piece by piece, and ends it all
    /// with an error, such as when there is too much.
    pub(crate) fn inflate<E: From<NotDeflate>>(
        &mut self,
        mut bytes: &[u8],
        sink: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let state =
            self.state.get_or_insert_with(|| Box::new(Decompress::new_with_window_bits(false, self.window_bits)));
        self.begun |= !bytes.is_empty();
        // Small for small pieces: a peer may send many.
        let mut chunk = Vec::with_capacity(bytes.len().saturating_mul(8).clamp(64, CHUNK));
        loop {
            if std::mem::take(&mut self.ended) {
                if bytes.is_empty() {
                    self.ended = true;
                    return Ok(());
                }
                state.reset(false);
            }
            let before = state.total_in();
            chunk.clear();
            let status = state.decompress_vec(bytes, &mut chunk, FlushDecompress::Sync);
            let read = (state.total_in() - before) as usize;
            bytes = &bytes[read..];
            // What came before the error counts, so that the outcome does not depend on the pieces.
            sink(&chunk)?;
            match status.map_err(|_| NotDeflate)? {
                Status::StreamEnd => self.ended = true,
                _ if chunk.len() == chunk.capacity() => {}
                _ if bytes.is_empty() => return Ok(()),
                _ if read == 0 => return Err(NotDeflate.into()),
                _ => {}
            }
        }
    }

    /// The message is over.
    pub(crate) fn finish<E: From<NotDeflate>>(
        &mut self,
        sink: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        // After a final block, and without any byte at all, there is no block for the tail to end.
        if std::mem::take(&mut self.begun) && !self.ended {
            self.inflate(&TAIL, sink)?;
            self.begun = false;
        }
        if self.forgets {
            (self.state, self.ended) = (None, false);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH_FORGET: Agreement = Agreement {
        own_no_context_takeover: true,
        peer_no_context_takeover: true,
        own_window_bits: 15,
        peer_window_bits: 15,
    };
    const NOBODY_FORGETS: Agreement =
        Agreement { own_no_context_takeover: false, peer_no_context_takeover: false, ..BOTH_FORGET };

    fn inflate(inflater: &mut Inflater, pieces: &[&[u8]]) -> Result<Vec<u8>, NotDeflate> {
        let mut out = Vec::new();
        let mut sink = |bytes: &[u8]| -> Result<(), NotDeflate> {
            out.extend_from_slice(bytes);
            Ok(())
        };
        pieces.iter().try_for_each(|piece| inflater.inflate(piece, &mut sink))?;
        inflater.finish(&mut sink)?;
        Ok(out)
    }

    #[test]
    fn the_examples_of_rfc_7692_are_hello() {
        let mut inflater = Inflater::new(&NOBODY_FORGETS);
        let hello: [(&str, &[&[u8]]); 5] = [
            ("7.2.3.1", &[b"\xf2\x48\xcd\xc9\xc9\x07\x00"]),
            ("7.2.3.1, in two frames", &[b"\xf2\x48\xcd", b"\xc9\xc9\x07\x00"]),
            ("7.2.3.2, from the first's window", &[b"\xf2\x00\x11\x00\x00"]),
            ("7.2.3.3, a block without compression", &[b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"]),
            ("7.2.3.4, a final block", &[b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00"]),
        ];
        for (section, pieces) in hello {
            assert_eq!(inflate(&mut inflater, pieces).as_deref(), Ok(&b"Hello"[..]), "{section}");
        }
        let two_blocks: &[u8] = b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00";
        assert_eq!(inflate(&mut inflater, &[two_blocks]).as_deref(), Ok(&b"Hello"[..]), "7.2.3.5");
        assert_eq!(inflate(&mut inflater, &[b"\x00"]).as_deref(), Ok(&b""[..]), "7.2.3.6, an empty message");
    }

    #[test]
    fn who_remembers_sends_less_of_what_it_has_sent_before() {
        let message: Vec<u8> = (0..500u32).flat_map(|i| (i.wrapping_mul(2_654_435_761) >> 7).to_be_bytes()).collect();
        let (mut deflater, mut inflater) = (Deflater::new(&NOBODY_FORGETS, 6, 0), Inflater::new(&NOBODY_FORGETS));
        let first = deflater.deflate(&message).expect("compressed");
        let second = deflater.deflate(&message).expect("compressed");
        assert!(second.len() * 10 < first.len(), "{} and {}", first.len(), second.len());
        assert_eq!(inflate(&mut inflater, &[&first]), Ok(message.clone()));
        assert_eq!(inflate(&mut inflater, &[&second]), Ok(message));
    }

    #[test]
    fn who_forgets_keeps_nothing() {
        let message = b"again and again and again and again".repeat(20);
        let (mut deflater, mut inflater) = (Deflater::new(&BOTH_FORGET, 1, 0), Inflater::new(&BOTH_FORGET));
        for _ in 0..3 {
            let bytes = deflater.deflate(&message).expect("compressed");
            assert_eq!(inflate(&mut inflater, &[&bytes]), Ok(message.clone()));
            assert!(deflater.state.is_none() && inflater.state.is_none());
        }
    }

    #[test]
    fn every_window_is_kept_to_and_that_of_8_by_not_compressing() {
        let message: Vec<u8> = (0..50_000u32).map(|i| ((i / 7).wrapping_mul(i) % 251) as u8).collect();
        for window_bits in 8..=15 {
            let agreement = Agreement { own_window_bits: window_bits, peer_window_bits: window_bits, ..NOBODY_FORGETS };
            let (mut deflater, mut inflater) = (Deflater::new(&agreement, 9, 0), Inflater::new(&agreement));
            let compressed = deflater.deflate(&message);
            assert_eq!(compressed.is_none(), window_bits == 8);
            if let Some(bytes) = compressed {
                assert_eq!(inflate(&mut inflater, &[&bytes]).as_ref(), Ok(&message), "window of {window_bits}");
            }
        }
    }

    #[test]
    fn what_does_not_shrink_and_what_is_small_is_sent_as_it_is() {
        let noise: Vec<u8> = (0..4000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let mut deflater = Deflater::new(&BOTH_FORGET, 1, 100);
        assert_eq!(deflater.deflate(&[b'a'; 99]), None);
        assert!(deflater.deflate(&[b'a'; 100]).is_some());
        let compressed = deflater.deflate(&noise);
        assert!(compressed.is_none_or(|bytes| bytes.len() < noise.len()));
    }

    #[test]
    fn garbage_is_refused_and_a_sink_can_stop_a_bomb() {
        let mut inflater = Inflater::new(&BOTH_FORGET);
        assert_eq!(inflate(&mut inflater, &[b"\xff\xff\xff\xff"]), Err(NotDeflate));
        let bomb = Deflater::new(&BOTH_FORGET, 9, 0).deflate(&vec![0; 2 << 20]).expect("compressed");
        let mut seen = 0;
        let mut sink = |bytes: &[u8]| {
            seen += bytes.len();
            if seen > 1 << 16 { Err(NotDeflate) } else { Ok(()) }
        };
        assert_eq!(Inflater::new(&BOTH_FORGET).inflate(&bomb, &mut sink), Err(NotDeflate));
        assert!(seen <= (1 << 16) + CHUNK);
    }
}

//! Frames of rpcx and go-rpc.

use bytes::BytesMut;
use motet_framed::{Broken, Cutter, Extent, Piece, decompress};
use motet_protocol_gorpc::{frame as gorpc_frame, header::Header as GoRpcHeader};
use motet_protocol_rpcx::frame::{self as rpcx_frame, Frame, Header};

use super::Script;

/// The longest frame that is taken here, and the longest message in gzip.
const MOST: u64 = 64 << 10;

/// Cuts bytes as they would come in parts; how the parts are split changes nothing.
fn pieces(data: &[u8], measure: fn(&[u8]) -> Result<Option<Extent>, Broken>) -> Vec<Piece> {
    let mut script = Script::new(data);
    let step = script.below(64) + 1;
    let bytes = script.take(data.len());
    let cut = |step: usize| {
        let (mut cutter, mut input, mut all) = (Cutter::default(), BytesMut::new(), Vec::new());
        for part in bytes.chunks(step) {
            input.extend_from_slice(part);
            loop {
                match cutter.next(&mut input, measure, |len| len <= MOST) {
                    Ok(Some(piece)) => all.push(piece),
                    Ok(None) => break,
                    Err(broken) => return (all, Some(broken)),
                }
            }
        }
        (all, None)
    };
    let (whole, broken) = cut(bytes.len().max(1));
    assert_eq!(cut(step), (whole.clone(), broken));
    whole
}

/// Every frame is read or refused, and what was read survives being written and read again.
pub fn rpcx(data: &[u8]) {
    for piece in pieces(data, rpcx_frame::measure) {
        match piece {
            Piece::TooLong(head) => drop(Header::read(&head).expect("a head is whole")),
            Piece::Whole(bytes) => {
                let Ok(frame) = Frame::read(bytes) else { continue };
                assert!(frame.pairs().count() <= frame.metadata.len() / 8);
                if frame.header.is_gzip()
                    && let Ok(message) = decompress(&frame.message, MOST as usize)
                {
                    assert!(message.len() <= MOST as usize);
                }
                let mut out = BytesMut::new();
                frame.write(&mut out);
                // Bits that mean nothing are not kept.
                assert_eq!(Frame::read(out.freeze()), Ok(frame));
            }
        }
    }
}

/// Every frame is read or refused.
pub fn gorpc(data: &[u8]) {
    for piece in pieces(data, gorpc_frame::measure) {
        let (Piece::Whole(bytes) | Piece::TooLong(bytes)) = piece;
        let (header, _) = gorpc_frame::split(bytes).expect("what is cut off has a head");
        if let Ok((header, _)) = GoRpcHeader::read(&header) {
            assert!(header.service.len() + header.method.len() + header.error.len() <= gorpc_frame::MAX_HEADER);
        }
    }
}

//! Frames of any content survive any split of their bytes.

use bytes::{Bytes, BytesMut};
use motet_framed::{Cutter, Piece};
use motet_protocol_rpcx::frame::{Frame, Header, measure};
use proptest::{collection::vec, prelude::*};

fn part(most: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..most).prop_map(Bytes::from)
}

fn frame() -> impl Strategy<Value = Frame> {
    let bits = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), 0..2u8, 0..16u8, any::<u64>());
    let header = bits.prop_map(|(response, heartbeat, one_way, error, compression, serializer, seq)| Header {
        response,
        heartbeat,
        one_way,
        compression,
        error,
        serializer,
        seq,
    });
    let metadata = vec((part(9), part(9)), 0..4).prop_map(|pairs| {
        let mut all = Vec::new();
        for text in pairs.iter().flat_map(|(key, value)| [key, value]) {
            all.extend_from_slice(&(text.len() as u32).to_be_bytes());
            all.extend_from_slice(text);
        }
        Bytes::from(all)
    });
    (header, part(40), part(40), metadata, part(300)).prop_map(|(header, service, method, metadata, message)| Frame {
        header,
        service,
        method,
        metadata,
        message,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_frames_survive_any_split(frames in vec(frame(), 1..6), cuts in vec(1..80usize, 1..40)) {
        let mut bytes = BytesMut::new();
        frames.iter().for_each(|frame| frame.write(&mut bytes));
        let (mut cutter, mut input, mut read) = (Cutter::default(), BytesMut::new(), Vec::new());
        let mut cuts = cuts.iter().cycle();
        while !bytes.is_empty() {
            let cut = bytes.len().min(*cuts.next().expect("endless"));
            input.extend_from_slice(&bytes.split_to(cut));
            while let Some(piece) = cutter.next(&mut input, measure, |_| true).expect("frames") {
                let Piece::Whole(frame) = piece else { panic!("all are short") };
                read.push(Frame::read(frame).expect("a frame"));
            }
        }
        prop_assert_eq!(read, frames);
    }

    /// What is no frame is refused without a panic, and what is read is what would be written.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in part(200)) {
        if let Ok(frame) = Frame::read(bytes.clone()) {
            let mut out = BytesMut::new();
            frame.write(&mut out);
            prop_assert_eq!(Frame::read(out.freeze()), Ok(frame));
        }
    }
}

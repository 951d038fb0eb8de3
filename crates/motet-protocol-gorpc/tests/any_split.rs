//! Frames of any content survive any split of their bytes.

use bytes::{Bytes, BytesMut};
use motet_framed::{Cutter, Piece};
use motet_protocol_gorpc::{frame, header::Header};
use proptest::{collection::vec, prelude::*};

fn part(most: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..most).prop_map(Bytes::from)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_frames_survive_any_split(
        frames in vec((part(60), part(300)), 1..6),
        cuts in vec(1..80usize, 1..40),
    ) {
        let mut bytes = BytesMut::new();
        for (header, body) in &frames {
            let start = frame::begin(&mut bytes);
            bytes.extend_from_slice(header);
            frame::end_header(&mut bytes, start);
            bytes.extend_from_slice(body);
            frame::end(&mut bytes, start);
        }
        let (mut cutter, mut input, mut read) = (Cutter::default(), BytesMut::new(), Vec::new());
        let mut cuts = cuts.iter().cycle();
        while !bytes.is_empty() {
            let cut = bytes.len().min(*cuts.next().expect("endless"));
            input.extend_from_slice(&bytes.split_to(cut));
            while let Some(piece) = cutter.next(&mut input, frame::measure, |_| true).expect("frames") {
                let Piece::Whole(whole) = piece else { panic!("all are short") };
                read.push(frame::split(whole).expect("a frame"));
            }
        }
        prop_assert_eq!(read, frames);
    }

    /// What is no header is refused without a panic.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in part(200), json in any::<bool>()) {
        let _ = Header::read(&bytes);
        let first = if json { &b"{\""[..] } else { b"\x89" };
        let _ = Header::read(&[first, &bytes].concat());
        let _ = frame::split(bytes);
    }
}

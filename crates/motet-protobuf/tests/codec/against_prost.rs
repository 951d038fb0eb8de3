//! Random messages, and valid encodings that differ from ours, read and written beside prost.

use crate::choices::Choices;
use crate::kinds::{Kinds, with_prost};
use crate::records::disorder;
use crate::{encoded, messages};
use motet_protobuf::{Describe, ErrorKind};
use proptest::prelude::*;
use prost::Message;

fn kinds() -> impl Strategy<Value = Kinds> {
    prop::collection::vec(any::<u8>(), 0..600).prop_map(|bytes| {
        let mut kinds = Kinds::choose(&mut Choices::new(&bytes));
        fill_map(&mut kinds);
        kinds
    })
}

/// prost leaves out a map's value that is the default; we write every message.
fn fill_map(kinds: &mut Kinds) {
    kinds.map_inner.values_mut().for_each(|inner| inner.id |= 1);
    kinds.boxed.iter_mut().for_each(|kinds| fill_map(kinds));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_messages_are_byte_equal_to_prosts_both_ways(kinds in kinds()) {
        let bytes = encoded(&kinds);
        let theirs = with_prost::Kinds::decode(&bytes[..]).expect("what prost writes as well");
        prop_assert_eq!(&theirs.encode_to_vec(), &bytes);
        prop_assert_eq!(motet_protobuf::decode::<Kinds>(&bytes).expect("what was written"), kinds);
    }

    #[test]
    fn shuffled_split_and_unknown_fields_read_as_prost_reads_them(
        kinds in kinds(),
        choices in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        let bytes = disorder(<Kinds as Describe>::MESSAGE, &encoded(&kinds), &mut Choices::new(&choices));
        let theirs = with_prost::Kinds::decode(&bytes[..]).expect("valid");
        let ours = motet_protobuf::decode::<Kinds>(&bytes).expect("valid");
        prop_assert_eq!(encoded(&ours), theirs.encode_to_vec());
    }

    #[test]
    fn bytes_changed_at_random_never_panic_and_what_both_accept_is_the_same(
        kinds in kinds(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = encoded(&kinds);
        for (at, byte) in changes.iter().filter(|_| !bytes.is_empty()).collect::<Vec<_>>() {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        let theirs = with_prost::Kinds::decode(&bytes[..]);
        if let (Ok(ours), Ok(theirs)) = (motet_protobuf::decode::<Kinds>(&bytes), theirs) {
            let again = motet_protobuf::decode::<Kinds>(&theirs.encode_to_vec()).expect("what prost wrote");
            prop_assert_eq!(format!("{ours:?}"), format!("{again:?}"));
        }
    }

    #[test]
    fn what_we_read_we_write_and_read_again(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        match motet_protobuf::decode::<Kinds>(&bytes) {
            Ok(kinds) => {
                let again = motet_protobuf::decode::<Kinds>(&encoded(&kinds)).expect("what was written");
                prop_assert_eq!(format!("{kinds:?}"), format!("{again:?}"));
            }
            Err(error) => prop_assert_ne!(error.kind(), ErrorKind::Disorder),
        }
    }
}

#[test]
fn the_measured_messages_are_byte_equal_to_prosts() {
    let big = encoded(&messages::big());
    assert_eq!(big.len(), 581);
    assert_eq!(messages::with_prost::Big::decode(&big[..]).expect("valid").encode_to_vec(), big);
    let small = encoded(&messages::small());
    assert_eq!(messages::with_prost::Small::decode(&small[..]).expect("valid").encode_to_vec(), small);
    let items = encoded(&messages::items());
    assert_eq!(messages::with_prost::Items::decode(&items[..]).expect("valid").encode_to_vec(), items);
}

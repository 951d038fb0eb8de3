//! The codec from outside: golden bytes, a comparison with prost, and input that nobody should send.

mod against_prost;
mod choices;
mod golden;
mod hostile;
mod kinds;
mod messages;
mod records;

use bytes::BytesMut;
use motet_protobuf::Shape;
use serde::Serialize;

fn encoded<T: Serialize + Shape>(value: &T) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    motet_protobuf::encode(value, &mut bytes).expect("the descriptor fits");
    bytes.to_vec()
}

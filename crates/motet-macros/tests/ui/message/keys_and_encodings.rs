use motet_macros::message;

#[message(crate = "motet_core")]
struct FloatKey {
    map: std::collections::BTreeMap<Key, u32>,
}

#[message(crate = "motet_core")]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    x: u32,
}

#[message(crate = "motet_core")]
struct FixedText {
    #[motet(fixed)]
    text: String,
}

#[message(crate = "motet_core")]
struct UnsignedZigzag {
    #[motet(zigzag)]
    number: u32,
}

fn main() {}

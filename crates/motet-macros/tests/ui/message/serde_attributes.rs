use motet_macros::message;

#[message(crate = "motet_core")]
struct Flattened {
    #[serde(flatten)]
    inner: Inner,
}

#[message(crate = "motet_core")]
#[serde(tag = "type")]
enum Tagged {
    A { x: u32 },
}

#[message(crate = "motet_core")]
#[serde(tag = "t", content = "c")]
enum Adjacent {
    A { x: u32 },
}

#[message(crate = "motet_core")]
#[serde(untagged)]
enum Untagged {
    A { x: u32 },
}

#[message(crate = "motet_core")]
enum SkippedVariant {
    A,
    #[serde(skip)]
    B,
}

#[message(crate = "motet_core")]
struct Inner {
    #[serde(skip_deserializing)]
    one_way: u32,
    #[serde(default = "seven")]
    seven: u32,
    #[serde(skip_serializing_if = "is_seven")]
    maybe: u32,
}

fn main() {}

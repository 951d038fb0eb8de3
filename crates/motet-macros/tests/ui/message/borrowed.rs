use motet_macros::message;

#[message(crate = "motet_core")]
struct Borrowed<'a> {
    text: &'a str,
}

#[message(crate = "motet_core")]
struct Static {
    text: &'static str,
}

fn main() {}

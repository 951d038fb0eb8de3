use motet_macros::message;

#[message(crate = "motet_core")]
fn function() {}

#[message(crate = "motet_core")]
union Union {
    a: u32,
}

#[message(name = "x")]
struct Named {
    a: u32,
}

#[message(crate = "motet_core")]
struct Unknown {
    #[motet(number = 3)]
    a: u32,
}

#[message(crate = "motet_core")]
enum Other {
    #[motet(other)]
    A,
    B,
}

#[message(crate = "motet_core")]
enum Empty {}

fn main() {}

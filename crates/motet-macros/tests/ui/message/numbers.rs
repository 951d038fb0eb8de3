use motet_macros::message;

#[message(crate = "motet_core")]
struct Duplicate {
    a: u32,
    #[motet(tag = 1)]
    b: u32,
}

#[message(crate = "motet_core")]
struct Reserved {
    #[motet(tag = 19_500)]
    a: u32,
}

#[message(crate = "motet_core")]
struct Zero {
    #[motet(tag = 0)]
    a: u32,
}

#[message(crate = "motet_core")]
enum NoZero {
    A = 1,
    B,
}

#[message(crate = "motet_core")]
enum Twice {
    A,
    B = 0,
}

#[message(crate = "motet_core")]
struct Conditional {
    #[cfg(unix)]
    a: u32,
}

fn main() {}

use motet_macros::message;

#[message(crate = "motet_core")]
#[derive(Clone, serde::Serialize)]
struct Twice {
    a: u32,
}

#[message(crate = "motet_core")]
#[derive(Clone, Debug)]
struct Login {
    #[motet(sensitive)]
    password: String,
}

fn main() {}

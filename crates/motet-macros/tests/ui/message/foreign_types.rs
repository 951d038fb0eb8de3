use motet_macros::message;

#[message(crate = "motet_core")]
struct Foreign {
    timeout: std::time::Duration,
}

fn main() {}

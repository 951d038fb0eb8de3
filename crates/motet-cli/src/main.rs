//! The `motet` command; being built.

fn main() {}

use motet_macros::message;

#[message(crate = "motet_core")]
struct Rules {
    #[garde(custom(is_even))]
    custom: u32,
    #[garde(credit_card)]
    card: String,
    #[garde(length(graphemes, max = 3))]
    graphemes: String,
    #[garde(ascii, prefix("a"))]
    two_patterns: String,
    #[garde(inner(ascii))]
    inner: Vec<String>,
    #[garde(pattern(PATTERN))]
    expression: String,
}

fn main() {}

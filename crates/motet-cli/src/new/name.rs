//! The names that a project may have.

use motet::core::check_service_name;

use crate::failure::{Failure, Outcome};

/// The longest name.
const MAX: usize = 64;

/// Names that cannot be a package's or a crate's: words of Rust, folders of cargo's, crates that the
/// project depends on or that every program has.
const TAKEN: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "build",
    "const",
    "continue",
    "core",
    "crate",
    "deps",
    "do",
    "dyn",
    "else",
    "enum",
    "example",
    "examples",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "incremental",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "motet",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "tokio",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "where",
    "while",
];

/// Checks a project's name.
///
/// # Errors
/// What is wrong with it, and a name that would do.
pub(super) fn check(name: &str) -> Outcome {
    let Some(wrong) = wrong(name) else { return Ok(()) };
    let shown: String = name.chars().take(MAX).collect();
    Err(Failure::usage(format!("{shown:?} cannot name a project: {wrong}"))
        .hint(format!("try: motet new {}", suggestion(name))))
}

fn wrong(name: &str) -> Option<&'static str> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    if name.is_empty() {
        Some("it is empty")
    } else if name.contains(['/', '\\']) {
        Some("it is a path; --path DIR says where the project goes")
    } else if name.len() > MAX {
        Some("it is longer than 64 letters")
    } else if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        Some("it must start with a letter")
    } else if name.contains(|c: char| c.is_ascii_uppercase()) {
        Some("crates have no capital letters in their names")
    } else if !name.chars().all(allowed) || check_service_name(name).is_err() {
        Some("it may have lower-case letters, digits, - and _ only")
    } else if is_taken(name) {
        Some("the name is taken by Rust, cargo or a crate that the project uses")
    } else {
        None
    }
}

fn is_taken(name: &str) -> bool {
    TAKEN.contains(&name.replace('_', "-").as_str()) || name.starts_with("motet-")
}

/// The nearest name that would do.
fn suggestion(name: &str) -> String {
    let last = name.split(['/', '\\']).rfind(|part| !part.is_empty()).unwrap_or_default();
    let (mut words, mut before) = (String::new(), ' ');
    for c in last.chars() {
        if c.is_ascii_uppercase() && before.is_ascii_lowercase() {
            words.push('-');
        }
        before = c;
        let parted = words.is_empty() || words.ends_with('-');
        match c.to_ascii_lowercase() {
            c if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' => words.push(c),
            _ if !parted => words.push('-'),
            _ => {}
        }
    }
    words.truncate(MAX - 8);
    let mut words = words.trim_matches(['-', '_']).to_owned();
    if words.is_empty() {
        words.push_str("hello");
    }
    if !words.starts_with(|c: char| c.is_ascii_lowercase()) {
        words.insert_str(0, "a-");
    }
    if is_taken(&words) {
        words = format!("my-{words}");
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_crates_are_good() {
        for name in ["hello", "order-book", "a1", "shop_front", &"x".repeat(64)] {
            assert!(check(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_bad_name_gets_a_good_one_suggested() {
        for (name, wrong, instead) in [
            ("", "empty", "hello"),
            ("OrderBook", "capital", "order-book"),
            ("HTTP2", "capital", "http2"),
            ("my service", "lower-case", "my-service"),
            ("3d", "start with a letter", "a-3d"),
            ("-x-", "start with a letter", "x"),
            ("über", "start with a letter", "ber"),
            ("a/b", "--path", "b"),
            ("../up/", "--path", "up"),
            ("fn", "taken", "my-fn"),
            ("tokio", "taken", "my-tokio"),
            ("motet", "taken", "my-motet"),
            ("motet-core", "taken", "my-motet-core"),
            ("proc_macro", "taken", "my-proc_macro"),
            ("名前", "start with a letter", "hello"),
            ("a\nb", "lower-case", "a-b"),
        ] {
            let failure = check(name).expect_err(name);
            assert!(failure.message.contains(wrong), "{failure}");
            assert_eq!(failure.hint.as_deref(), Some(format!("try: motet new {instead}").as_str()), "{name}");
            assert!(check(instead).is_ok(), "{instead}");
        }
    }

    #[test]
    fn every_suggestion_is_a_good_name() {
        for word in TAKEN {
            assert!(check(word).is_err() && check(&suggestion(word)).is_ok(), "{word}");
        }
        assert!(check(&suggestion(&"X".repeat(500))).is_ok());
    }
}

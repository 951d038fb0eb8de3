//! Names that people type: other spellings of one name, and the name that was meant.

pub(crate) use motet_app::nearest;

/// The one name that is `wanted` in any spelling: as it stands, else without regard to case and
/// underscores (`SayHi`, `sayHi` and `say_hi` are one). `None` when there is none, or no single one.
pub(crate) fn find<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |name: &str| name.replace('_', "").to_ascii_lowercase();
    let wanted_plain = plain(wanted);
    let mut alike = Vec::new();
    for name in known {
        if name == wanted {
            return Some(name);
        }
        if plain(name) == wanted_plain {
            alike.push(name);
        }
    }
    match alike[..] {
        [one] => Some(one),
        _ => None,
    }
}

/// How many of `names` an error lists.
const LISTED: usize = 20;

/// The names in one line, the first of them if there are many.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.into_iter().collect();
    let more = names.len().saturating_sub(LISTED);
    let mut text = names[..names.len() - more].join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_in_any_spelling() {
        let known = ["say_hi", "hello", "/say/bye"];
        for (wanted, found) in [
            ("say_hi", Some("say_hi")),
            ("SayHi", Some("say_hi")),
            ("Hello", Some("hello")),
            ("/say/bye", Some("/say/bye")),
            ("bye", None),
        ] {
            assert_eq!(find(wanted, known), found, "{wanted}");
        }
        assert_eq!(find("AB", ["ab", "a_b"]), None, "two are meant");
        assert_eq!(find("ab", ["a_b", "ab"]), Some("ab"), "one is it");
    }

    #[test]
    fn many_names_are_cut() {
        let names: Vec<_> = (0..25).map(|n| n.to_string()).collect();
        assert!(list(names.iter().map(|name| &**name)).ends_with("18, 19 and 5 more"));
        assert_eq!(list(["a", "b"]), "a, b");
    }
}

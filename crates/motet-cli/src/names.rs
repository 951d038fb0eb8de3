//! Names that people type: other spellings of one name, and the name that was meant.

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

/// The known name that `wanted` most likely stands for: at most a third of its letters, and never
/// more than three, have to change.
pub(crate) fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (wanted.chars().count() / 3).clamp(1, 3);
    let near = known.into_iter().map(|name| (distance(wanted, name), name));
    near.filter(|(far, _)| *far <= allowed).min_by_key(|(far, _)| *far).map(|(_, name)| name)
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

/// How many letters must be inserted, removed, replaced or swapped with their neighbour, case apart;
/// on the first 64 letters.
fn distance(a: &str, b: &str) -> usize {
    let letters = |text: &str| text.chars().flat_map(char::to_lowercase).take(64).collect::<Vec<_>>();
    let (a, b) = (letters(a), letters(b));
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        rows[i][0] = i;
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
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
    fn a_slip_of_the_finger_is_found_and_another_word_is_not() {
        let known = ["billing", "greeter", "orders"];
        for (wanted, meant) in
            [("greter", Some("greeter")), ("rgeeter", Some("greeter")), ("order", Some("orders")), ("mail", None)]
        {
            assert_eq!(nearest(wanted, known), meant, "{wanted}");
        }
    }

    #[test]
    fn many_names_are_cut() {
        let names: Vec<_> = (0..25).map(|n| n.to_string()).collect();
        assert!(list(names.iter().map(|name| &**name)).ends_with("18, 19 and 5 more"));
        assert_eq!(list(["a", "b"]), "a, b");
    }
}

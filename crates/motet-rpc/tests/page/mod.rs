//! Reads the examples and tables of a page in `docs/`. The page is the source: tests compare the
//! code with it, never the other way round.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test binary uses a part")]

use std::collections::BTreeMap;

/// Who sends the bytes of an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The side that dialled: lines that begin with `>`.
    Caller,
    /// The other side: lines that begin with `<`.
    Server,
}

/// A page of `docs/`.
pub fn read(name: &str) -> String {
    let path = format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The blocks of a page that begin with three backticks and `hex NAME`, by name: who sends what, in
/// turns.
pub fn examples(page: &str) -> BTreeMap<String, Vec<(Side, Vec<u8>)>> {
    let mut all = BTreeMap::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(name) = line.strip_prefix("```hex ") else { continue };
        let mut turns: Vec<(Side, Vec<u8>)> = Vec::new();
        let mut side = Side::Caller;
        for line in lines.by_ref().take_while(|line| !line.starts_with("```")) {
            let line = match line.split_at_checked(1) {
                Some((">", rest)) => (side = Side::Caller, rest).1,
                Some(("<", rest)) => (side = Side::Server, rest).1,
                _ => line,
            };
            let bytes = bytes(line).unwrap_or_else(|| panic!("{name}: {line}"));
            match turns.last_mut() {
                Some((last, all)) if *last == side => all.extend(bytes),
                _ if bytes.is_empty() => {}
                _ => turns.push((side, bytes)),
            }
        }
        assert!(all.insert(name.to_owned(), turns).is_none(), "two examples are called {name}");
    }
    all
}

/// The bytes of a line: hexadecimal pairs, `61*70` for one that is repeated, text in single quotes,
/// and what follows `#` is for people.
pub fn bytes(line: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() && !rest.starts_with('#') {
        if let Some(quoted) = rest.strip_prefix('\'') {
            let (text, behind) = quoted.split_once('\'')?;
            bytes.extend_from_slice(text.as_bytes());
            rest = behind.trim_start();
            continue;
        }
        let (word, behind) = rest.split_once(' ').unwrap_or((rest, ""));
        let (pair, times) = word.split_once('*').unwrap_or((word, "1"));
        let byte = u8::from_str_radix(pair, 16).ok().filter(|_| pair.len() == 2)?;
        bytes.extend(std::iter::repeat_n(byte, times.parse().ok()?));
        rest = behind.trim_start();
    }
    Some(bytes)
}

/// The rows of the table that follows the line `heading`: their cells, without the backticks around
/// a whole cell.
pub fn table(page: &str, heading: &str) -> Vec<Vec<String>> {
    let mut lines = page.lines().skip_while(|line| *line != heading).skip(1).skip_while(|line| !line.starts_with('|'));
    assert!(lines.next().is_some(), "there is no table behind {heading:?}");
    lines
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let line = line.trim_matches('|').replace("\\|", "\u{0}");
            line.split('|').map(|cell| cell.replace('\u{0}', "|").trim().to_owned()).map(code).collect()
        })
        .collect()
}

fn code(cell: String) -> String {
    match cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`')) {
        Some(code) if !code.contains('`') => code.to_owned(),
        _ => cell,
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(" ")
}

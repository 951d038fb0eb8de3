//! Finding one's way in JSON text that was checked before: where its members and elements are. It looks
//! at structure alone and makes nothing of values, which whoever reads them does.

/// Whether a byte ends a run of plain text inside of quotes. Control characters may not stand there.
fn is_special(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < 0x20
}

/// The highest bit of each byte that is special, of eight at once. Those above the lowest one that is set
/// may be set without reason: a borrow goes upwards.
fn special_bits(bytes: [u8; 8]) -> u64 {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHEST: u64 = EACH << 7;
    let word = u64::from_le_bytes(bytes);
    // Without a borrow a byte's highest bit is set by this if the byte is less than `limit`, at most 128.
    let less = |word: u64, limit: u8| word.wrapping_sub(EACH * u64::from(limit)) & !word & HIGHEST;
    let equal = |byte: u8| less(word ^ (EACH * u64::from(byte)), 1);
    equal(b'"') | equal(b'\\') | less(word, 0x20)
}

/// How many bytes of plain text stand at the front.
pub(crate) fn plain(text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let found = special_bits(*word);
        if found != 0 {
            return at * 8 + (found.trailing_zeros() / 8) as usize;
        }
    }
    words.len() * 8 + rest.iter().take_while(|byte| !is_special(**byte)).count()
}

/// A place in the text.
#[derive(Clone, Copy)]
struct Scan<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    fn new(text: &'a [u8]) -> Scan<'a> {
        Scan { text, at: 0 }
    }

    /// The next byte behind white space; it stays.
    fn peek(&mut self) -> Option<u8> {
        let rest = self.text.get(self.at..)?;
        self.at += rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count();
        self.text.get(self.at).copied()
    }

    /// Takes this byte off, if it is the next one behind white space.
    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// The text in quotes, as it stands there.
    fn text(&mut self) -> Option<&'a [u8]> {
        if !self.take(b'"') {
            return None;
        }
        let from = self.at;
        loop {
            self.at += plain(self.text.get(self.at..)?);
            match self.text.get(self.at)? {
                b'"' => {
                    self.at += 1;
                    return self.text.get(from..self.at - 1);
                }
                b'\\' => self.at += 2,
                _ => return None,
            }
        }
    }

    /// The next value, and whether `null` stands anywhere in it.
    fn value(&mut self) -> Option<(&'a [u8], bool)> {
        self.peek()?;
        let (from, mut depth, mut null) = (self.at, 0_usize, false);
        loop {
            match self.peek()? {
                b'"' => {
                    self.text()?;
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                    continue;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                b',' | b':' if depth > 0 => {
                    self.at += 1;
                    continue;
                }
                first => {
                    null |= first == b'n';
                    let word = self.text[self.at..].iter();
                    let word = word.take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)).count();
                    if word == 0 {
                        return None;
                    }
                    self.at += word;
                }
            }
            if depth == 0 {
                return Some((&self.text[from..self.at], null));
            }
        }
    }
}

/// Calls `f` with the members of an object: key and value as they stand there, and whether `null` stands
/// anywhere in the value. `None` where it is no object or a key is written with escapes; some members may
/// have been told of by then.
pub(crate) fn members<'a>(object: &'a [u8], mut f: impl FnMut(&'a [u8], &'a [u8], bool)) -> Option<()> {
    let mut scan = Scan::new(object);
    if !scan.take(b'{') {
        return None;
    }
    if scan.take(b'}') {
        return scan.peek().is_none().then_some(());
    }
    loop {
        let key = scan.text().filter(|key| !key.contains(&b'\\'))?;
        if !scan.take(b':') {
            return None;
        }
        let (value, null) = scan.value()?;
        f(key, value, null);
        if !scan.take(b',') {
            let whole = scan.take(b'}') && scan.peek().is_none();
            return whole.then_some(());
        }
    }
}

/// The elements of an array, as they stand there; `None` where it is none.
pub(crate) fn elements(array: &[u8]) -> Option<Vec<&[u8]>> {
    let mut scan = Scan::new(array);
    if !scan.take(b'[') {
        return None;
    }
    let mut all = Vec::new();
    if !scan.take(b']') {
        loop {
            all.push(scan.value()?.0);
            if !scan.take(b',') {
                break;
            }
        }
        if !scan.take(b']') {
            return None;
        }
    }
    scan.peek().is_none().then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(object: &str) -> Option<Vec<(String, String, bool)>> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        let mut all = Vec::new();
        members(object.as_bytes(), |key, value, null| all.push((text(key), text(value), null))).map(|()| all)
    }

    #[test]
    fn members_and_elements_are_found_as_they_stand() {
        let object = r#" { "a" : 1 , "b":"x\"}{,\\","c":[{"d":null}, -1.5e+3],"":{} } "#;
        let expected = [
            ("a", "1", false),
            ("b", r#""x\"}{,\\""#, false),
            ("c", r#"[{"d":null}, -1.5e+3]"#, true),
            ("", "{}", false),
        ];
        let expected = expected.map(|(key, value, null)| (key.to_owned(), value.to_owned(), null));
        assert_eq!(told(object).as_deref(), Some(&expected[..]));
        assert_eq!(told("{}"), Some(Vec::new()));
        let text: Vec<&[u8]> = vec![b"[1]", b"\"a]\"", b"null", b"{\"b\":[]}"];
        assert_eq!(elements(b" [[1], \"a]\",null ,{\"b\":[]}]"), Some(text));
        assert_eq!(elements(b"[]"), Some(Vec::new()));
    }

    #[test]
    fn what_is_none_is_said_to_be_none() {
        for text in [
            "",
            "[]",
            "{",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1",
            "{\"a\":1,}",
            "{\"a\":1}x",
            "{\"a\":\"x}",
            "{\"\\u0061\":1}",
        ] {
            assert_eq!(told(text), None, "{text}");
        }
        for text in ["", "{}", "[", "[1", "[1,]", "[1]x", "[\"]", "[\"\\", "[]]"] {
            assert_eq!(elements(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn plain_text_ends_at_every_special_byte_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            for at in 0..30 {
                for others in [b'x', b' ', b'#', b'!', 0x7f, 0x80, 0xa2, 0xff] {
                    let mut text = vec![others; 30];
                    text[at] = byte;
                    text[29] = b'"';
                    assert_eq!(plain(&text), if is_special(byte) { at.min(29) } else { 29 }, "{byte} at {at}");
                }
            }
        }
        assert_eq!(plain("李白 ok\u{7f}".as_bytes()), "李白 ok\u{7f}".len());
    }
}

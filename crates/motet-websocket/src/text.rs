//! Text that arrives in pieces.

/// A text under way, checked as it comes: what cannot become UTF-8 any more fails at once.
#[derive(Debug, Default)]
pub(crate) struct TextBuilder {
    text: String,
    /// The beginning of a character whose end has not come yet.
    begun: [u8; 4],
    begun_len: usize,
}

/// The bytes are no UTF-8.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotUtf8;

impl TextBuilder {
    /// How many bytes there are.
    pub(crate) fn len(&self) -> usize {
        self.text.len() + self.begun_len
    }

    /// Makes room for so many bytes more.
    pub(crate) fn reserve(&mut self, room: usize) {
        self.text.reserve(room);
    }

    /// Takes more bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), NotUtf8> {
        let mut rest = bytes;
        while self.begun_len > 0 {
            let [next, after @ ..] = rest else { return Ok(()) };
            rest = after;
            self.push_begun(*next)?;
        }
        match str::from_utf8(rest) {
            Ok(text) => self.text.push_str(text),
            Err(error) if error.error_len().is_some() => return Err(NotUtf8),
            Err(error) => {
                let (text, begun) = rest.split_at(error.valid_up_to());
                self.text.push_str(str::from_utf8(text).map_err(|_| NotUtf8)?);
                self.begun[..begun.len()].copy_from_slice(begun);
                self.begun_len = begun.len();
            }
        }
        Ok(())
    }

    /// Adds a byte to the character that is begun. No character is longer than its four bytes: by the
    /// fourth it is whole or wrong.
    fn push_begun(&mut self, byte: u8) -> Result<(), NotUtf8> {
        self.begun[self.begun_len] = byte;
        self.begun_len += 1;
        match str::from_utf8(&self.begun[..self.begun_len]) {
            Ok(character) => {
                self.text.push_str(character);
                self.begun_len = 0;
                Ok(())
            }
            Err(error) if error.error_len().is_some() => Err(NotUtf8),
            Err(_) => Ok(()),
        }
    }

    /// The whole text.
    pub(crate) fn finish(self) -> Result<String, NotUtf8> {
        if self.begun_len == 0 { Ok(self.text) } else { Err(NotUtf8) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<String, NotUtf8> {
        let mut builder = TextBuilder::default();
        pieces.into_iter().try_for_each(|piece| builder.push(piece))?;
        builder.finish()
    }

    #[test]
    fn text_in_any_pieces_is_the_same_text() {
        let text = "κόσμε, 日本語 🎼 \u{10FFFF} end";
        for size in 1..text.len() {
            assert_eq!(built(text.as_bytes().chunks(size)).as_deref(), Ok(text), "pieces of {size}");
        }
    }

    #[test]
    fn the_first_byte_that_cannot_be_fails() {
        let wrong: [&[u8]; 9] = [
            b"\x80",
            b"\xC0\xAF",
            b"\xE0\x80\xAF",
            b"\xED\xA0\x80",
            b"\xF0\x80\x80\x80",
            b"\xF4\x90\x80\x80",
            b"\xF5",
            b"\xFF",
            b"\xC3\x28",
        ];
        for bytes in wrong {
            let mut builder = TextBuilder::default();
            builder.push("ok \u{20AC}".as_bytes()).expect("valid");
            let at = bytes.iter().position(|byte| builder.push(&[*byte]).is_err());
            assert!(at.is_some_and(|at| at <= 1), "{bytes:x?} failed at {at:?}");
        }
    }

    #[test]
    fn a_character_without_its_end_fails_at_the_end() {
        assert_eq!(built([&b"abc\xE2\x82"[..]]), Err(NotUtf8));
    }
}

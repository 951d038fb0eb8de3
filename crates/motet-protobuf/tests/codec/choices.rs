//! Random values out of a string of bytes: shrinking the bytes shrinks the value.

pub(crate) struct Choices<'c> {
    bytes: std::slice::Iter<'c, u8>,
    depth: u32,
}

impl<'c> Choices<'c> {
    pub(crate) fn new(bytes: &'c [u8]) -> Self {
        Self { bytes: bytes.iter(), depth: 0 }
    }

    /// Zero once the bytes are used up.
    pub(crate) fn byte(&mut self) -> u8 {
        self.bytes.next().copied().unwrap_or(0)
    }

    pub(crate) fn one_of(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count
    }

    /// Numbers of every magnitude, negative ones too.
    pub(crate) fn number(&mut self) -> u64 {
        let number = match self.one_of(5) {
            0 => 0,
            1 => self.byte().into(),
            2 => u16::from_le_bytes([self.byte(), self.byte()]).into(),
            3 => u64::from_le_bytes(std::array::from_fn(|_| self.byte())),
            _ => u64::MAX >> self.one_of(64),
        };
        if self.one_of(2) == 1 { number.wrapping_neg() } else { number }
    }

    pub(crate) fn text(&mut self) -> String {
        match self.one_of(8) {
            7 => "long ".repeat(40),
            len => (0..len).map(|_| ['a', 'ß', '語', '\0'][self.one_of(4)]).collect(),
        }
    }

    /// A message inside another; deep down it is the default.
    pub(crate) fn nested<T: Default>(&mut self, choose: fn(&mut Self) -> T) -> T {
        if self.depth == 3 {
            return T::default();
        }
        self.depth += 1;
        let value = choose(self);
        self.depth -= 1;
        value
    }
}

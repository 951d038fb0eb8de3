//! The fields of a message, in the order of its descriptor.

use serde::de::{DeserializeSeed, SeqAccess};

use super::reader::Reader;
use super::value::{ABSENT, PRESENT, Value};
use crate::Error;
use crate::desc::MessageDesc;

/// Answers serde's request for each field in turn. The bytes are expected in the same order; what
/// is missing reads as zero, and what comes too late is a [`disorder`](Error::disorder).
pub(super) struct Message<'r, 'b> {
    pub(super) reader: &'r mut Reader<'b>,
    desc: &'static MessageDesc,
    /// Position of the field that serde asks for next.
    at: usize,
    /// The tag that was read and whose value comes next; 0 at the end.
    tag: u32,
    /// Position of the field with that tag, where it is known to be further on.
    ahead: usize,
}

impl<'r, 'b> Message<'r, 'b> {
    /// The message whose first tag has been read. It is made where it stays: moving it costs as
    /// much as reading a small message.
    #[inline]
    pub(super) fn new(reader: &'r mut Reader<'b>, desc: &'static MessageDesc, tag: u32) -> Self {
        Self { reader, desc, at: 0, tag, ahead: 0 }
    }

    /// Reads what is left: only unknown fields may be.
    #[inline]
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        if self.tag == 0 { Ok(()) } else { self.skip_rest() }
    }

    #[cold]
    fn skip_rest(&mut self) -> Result<(), Error> {
        let mut tag = self.tag;
        while tag != 0 {
            if self.desc.index_of(tag >> 3).is_some() {
                return Err(Error::disorder());
            }
            self.reader.skip(tag)?;
            tag = self.reader.tag()?;
        }
        Ok(())
    }

    /// Whether the field at `at`, whose tag is not the one that was read, comes after unknown ones.
    #[inline(never)]
    fn seek(&mut self, at: usize) -> Result<bool, Error> {
        while self.tag != 0 {
            match self.desc.index_of(self.tag >> 3) {
                Some(index) if index > at => {
                    self.ahead = index;
                    return Ok(false);
                }
                Some(index) if index == at && self.tag == self.desc.fields[at].tag => {
                    return Ok(true);
                }
                // Behind its place, or a list that is not packed, or of the wrong wire type.
                Some(_) => return Err(Error::disorder()),
                None => {
                    self.reader.skip(self.tag)?;
                    self.tag = self.reader.tag()?;
                }
            }
        }
        self.ahead = usize::MAX;
        Ok(false)
    }
}

impl<'de> SeqAccess<'de> for Message<'_, '_> {
    type Error = Error;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let at = self.at;
        let Some(field) = self.desc.fields.get(at) else { return Ok(None) };
        self.at += 1;
        if self.tag != field.tag && (self.ahead > at || !self.seek(at)?) {
            return match seed.deserialize(Value::<ABSENT> { reader: &mut *self.reader, field }) {
                Ok(value) => Ok(Some(value)),
                Err(error) => Err(error.in_field(field.json_name())),
            };
        }
        match seed.deserialize(Value::<PRESENT> { reader: &mut *self.reader, field }) {
            Ok(value) => {
                self.tag = self.reader.tag()?;
                Ok(Some(value))
            }
            Err(error) => Err(error.in_field(field.json_name())),
        }
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.desc.fields.len() - self.at)
    }
}

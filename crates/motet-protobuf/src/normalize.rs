//! Puts the fields of a message into the order in which its type declares them.
//!
//! Protobuf lets fields stand in any order and merges what stands twice. serde asks for one field
//! after another, so such input is rewritten first: every field once and in its place, lists in one
//! piece and packed where they can be, parts of a message joined, unknown fields left out. Packing
//! a single element adds its length, nothing else makes the output longer than the input.

use crate::desc::{Card, Coding, FieldDesc, FieldType, Leaf, MessageDesc, MessageKind};
use crate::wire::{self, LENGTH, MAX_VARINT};
use crate::{Error, Limits};

/// `bytes`, a message of type `ty`, in order.
pub(crate) fn normalize(ty: FieldType, bytes: &[u8], limits: Limits) -> Result<Vec<u8>, Error> {
    let Leaf::Message(desc) = ty.leaf() else { return Err(Error::disorder()) };
    let mut normalizer = Normalizer { out: Vec::with_capacity(bytes.len()), memory: limits.memory };
    normalizer.message(desc(), &[bytes], limits.depth)?;
    Ok(normalizer.out)
}

struct Normalizer {
    out: Vec<u8>,
    memory: usize,
}

/// A field as it was found.
struct Record<'b> {
    index: usize,
    wire_type: u8,
    /// Without the length prefix, if it had one.
    value: &'b [u8],
}

impl Normalizer {
    fn message(&mut self, desc: &'static MessageDesc, parts: &[&[u8]], depth: u32) -> Result<(), Error> {
        let mut records = self.records(desc, parts, depth)?;
        if desc.kind() == MessageKind::Oneof {
            keep_last_variant(&mut records);
        }
        // Stable: the elements of a list keep their order.
        records.sort_by_key(|record| record.index);
        for records in records.chunk_by(|a, b| a.index == b.index) {
            let field = &desc.fields[records[0].index];
            self.field(field, records, depth).map_err(|error| error.in_field(field.json_name()))?;
        }
        Ok(())
    }

    fn records<'b>(
        &mut self,
        desc: &'static MessageDesc,
        parts: &[&'b [u8]],
        depth: u32,
    ) -> Result<Vec<Record<'b>>, Error> {
        let mut records = Vec::new();
        for part in parts {
            let mut rest = *part;
            loop {
                let tag = wire::take_tag(&mut rest)?;
                if tag == 0 {
                    break;
                }
                let wire_type = (tag & 7) as u8;
                let value = match wire_type {
                    LENGTH => wire::take_delimited(&mut rest)?,
                    _ => wire::skip(&mut rest, tag, depth)?,
                };
                if let Some(index) = desc.index_of(tag >> 3) {
                    self.charge(size_of::<Record<'_>>())?;
                    records.push(Record { index, wire_type, value });
                }
            }
        }
        Ok(records)
    }

    /// All that was found of one field.
    fn field(&mut self, field: &'static FieldDesc, records: &[Record<'_>], depth: u32) -> Result<(), Error> {
        let wire_type = field.coding.wire_type();
        let packed = |record: &Record<'_>| field.is_packed() && record.wire_type == LENGTH;
        if records.iter().any(|record| record.wire_type != wire_type && !packed(record)) {
            let expected = field.ty().leaf().expected();
            return Err(Error::mismatch(format!("{expected}, found another wire type")));
        }
        let is_single = matches!(field.ty().card(), Card::One | Card::Optional);
        match field.ty().leaf() {
            Leaf::Message(desc) if is_single => {
                let parts: Vec<_> = records.iter().map(|record| record.value).collect();
                self.nested(field, desc(), &parts, depth)
            }
            Leaf::Message(desc) => {
                records.iter().try_for_each(|record| self.nested(field, desc(), &[record.value], depth))
            }
            _ if field.is_packed() => {
                self.delimited(field, records.iter().map(|record| record.value));
                Ok(())
            }
            _ => {
                let records = if is_single { &records[records.len() - 1..] } else { records };
                records.iter().for_each(|record| self.value(field, record.value));
                Ok(())
            }
        }
    }

    fn nested(
        &mut self,
        field: &'static FieldDesc,
        desc: &'static MessageDesc,
        parts: &[&[u8]],
        depth: u32,
    ) -> Result<(), Error> {
        let depth = depth.checked_sub(1).ok_or_else(Error::too_deep)?;
        self.varint(field.tag.into());
        let start = self.out.len();
        // Mostly the length takes as many bytes as before, and nothing has to move.
        let width = wire::varint_len(parts.iter().map(|part| part.len() as u64).sum());
        self.out.resize(start + width, 0);
        self.message(desc, parts, depth)?;
        let len = (self.out.len() - start - width) as u64;
        let mut prefix = [0; MAX_VARINT];
        let needed = wire::put_varint(&mut prefix, len);
        self.out.splice(start..start + width, prefix[..needed].iter().copied());
        Ok(())
    }

    fn value(&mut self, field: &FieldDesc, value: &[u8]) {
        match field.coding {
            Coding::Length => self.delimited(field, std::iter::once(value)),
            _ => {
                self.varint(field.tag.into());
                self.out.extend_from_slice(value);
            }
        }
    }

    fn delimited<'b>(&mut self, field: &FieldDesc, parts: impl Iterator<Item = &'b [u8]> + Clone) {
        self.varint(field.tag.into());
        self.varint(parts.clone().map(|part| part.len() as u64).sum());
        parts.for_each(|part| self.out.extend_from_slice(part));
    }

    fn varint(&mut self, value: u64) {
        let mut bytes = [0; MAX_VARINT];
        let len = wire::put_varint(&mut bytes, value);
        self.out.extend_from_slice(&bytes[..len]);
    }

    fn charge(&mut self, size: usize) -> Result<(), Error> {
        self.memory = self.memory.checked_sub(size).ok_or_else(Error::too_large)?;
        Ok(())
    }
}

/// Of a oneof the last variant counts, all of its parts since another stood there.
fn keep_last_variant(records: &mut Vec<Record<'_>>) {
    if let Some(last) = records.last() {
        let index = last.index;
        let others = records.iter().rposition(|record| record.index != index);
        records.drain(..others.map_or(0, |other| other + 1));
    }
}

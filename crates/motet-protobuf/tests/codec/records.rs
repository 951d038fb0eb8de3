//! Takes a message apart and puts it together differently, with the same meaning.

use motet_protobuf::{Card, Leaf, MessageDesc, Scalar};

use crate::choices::Choices;

/// The same message with its fields shuffled, its parts split, its lists packed differently and
/// unknown fields in between.
pub(crate) fn disorder(desc: &MessageDesc, bytes: &[u8], choices: &mut Choices<'_>) -> Vec<u8> {
    let mut records = Vec::new();
    for (tag, value) in records_of(bytes) {
        split(desc, tag, value, choices, &mut records);
    }
    let mut out = Vec::new();
    while !records.is_empty() {
        let record = records.remove(choices.one_of(records.len().min(3)));
        out.extend(record);
        if choices.one_of(6) == 5 {
            out.extend(unknown(choices));
        }
    }
    out
}

fn split(desc: &MessageDesc, tag: u64, value: &[u8], choices: &mut Choices<'_>, records: &mut Vec<Vec<u8>>) {
    let Some(field) = desc.field((tag >> 3) as u32) else { return records.push(record(tag, value)) };
    match (field.ty().card(), field.ty().leaf()) {
        (Card::List, Leaf::Scalar(scalar)) => {
            let elements = elements(scalar, value);
            let at = choices.one_of(elements.len() + 1);
            let (packed, single) = elements.split_at(at);
            records.push(record(tag, &packed.concat()));
            let wire_type = wire_type(scalar);
            records.extend(single.iter().map(|element| [varint(tag & !7 | wire_type), element.to_vec()].concat()));
        }
        (card, Leaf::Message(inner)) => {
            let value = disorder(inner(), value, choices);
            let can_split = matches!(card, Card::One | Card::Optional) && choices.one_of(2) == 1;
            let parts = records_of(&value);
            let at = if can_split { choices.one_of(parts.len() + 1) } else { 0 };
            let bytes =
                |parts: &[(u64, &[u8])]| parts.iter().flat_map(|(tag, value)| record(*tag, value)).collect::<Vec<_>>();
            // An empty first half would replace the variant of a oneof: then it stays whole.
            if at > 0 {
                records.push(record(tag, &bytes(&parts[..at])));
            }
            records.push(record(tag, &bytes(&parts[at..])));
        }
        _ => records.push(record(tag, value)),
    }
}

fn unknown(choices: &mut Choices<'_>) -> Vec<u8> {
    let number = 900 << 3;
    match choices.one_of(5) {
        0 => [varint(number), varint(u64::MAX)].concat(),
        1 => [varint(number | 1), vec![9; 8]].concat(),
        2 => record(number | 2, b"unknown"),
        3 => [varint(number | 3), record(10, b"in a group"), varint(number | 4)].concat(),
        _ => [varint(number | 5), vec![9; 4]].concat(),
    }
}

fn wire_type(scalar: Scalar) -> u64 {
    match width(scalar) {
        Some(4) => 5,
        Some(_) => 1,
        None => 0,
    }
}

fn width(scalar: Scalar) -> Option<usize> {
    match scalar {
        Scalar::Fixed32 | Scalar::Sfixed32 | Scalar::Float => Some(4),
        Scalar::Fixed64 | Scalar::Sfixed64 | Scalar::Double => Some(8),
        _ => None,
    }
}

fn elements(scalar: Scalar, mut packed: &[u8]) -> Vec<&[u8]> {
    let mut elements = Vec::new();
    while !packed.is_empty() {
        let len =
            width(scalar).unwrap_or_else(|| 1 + packed.iter().position(|byte| *byte < 0x80).expect("a whole varint"));
        let (element, rest) = packed.split_at(len);
        elements.push(element);
        packed = rest;
    }
    elements
}

/// Tags and values; a value with a length comes without it.
fn records_of(mut bytes: &[u8]) -> Vec<(u64, &[u8])> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let tag = take_varint(&mut bytes);
        let start = bytes;
        let value = match tag & 7 {
            0 => {
                take_varint(&mut bytes);
                &start[..start.len() - bytes.len()]
            }
            1 => take(&mut bytes, 8),
            2 => {
                let len = take_varint(&mut bytes) as usize;
                take(&mut bytes, len)
            }
            3 => {
                // The one group that `unknown` makes, up to its end.
                let end = bytes.windows(2).position(|end| end == &varint(tag + 1)[..]).expect("an end") + 2;
                take(&mut bytes, end)
            }
            _ => take(&mut bytes, 4),
        };
        records.push((tag, value));
    }
    records
}

fn record(tag: u64, value: &[u8]) -> Vec<u8> {
    let len = if tag & 7 == 2 { varint(value.len() as u64) } else { Vec::new() };
    [varint(tag), len, value.to_vec()].concat()
}

fn take<'b>(bytes: &mut &'b [u8], len: usize) -> &'b [u8] {
    let (taken, rest) = bytes.split_at(len);
    *bytes = rest;
    taken
}

fn take_varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = take(bytes, 1)[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

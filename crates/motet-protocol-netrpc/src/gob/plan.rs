//! Writing a value the way one of its type was written before: straight into the output, without
//! finding its types again.
//!
//! A [`Plan`] is made of a value and its shape. It takes those values alone that have exactly that
//! shape, so that what is written is the same with and without it; every other one is refused and
//! written the long way, by [`ser`](super::ser).

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use bytes::{BufMut, BytesMut};
use serde::ser::{Impossible, Serialize, SerializeMap, SerializeSeq, SerializeStruct, Serializer};
use serde_json::Value;

use super::{
    Error, One, Table, go_name,
    one::write_message,
    put_int, put_uint,
    ser::{Node, shaped, to_node},
    shape::{Hint, Shape},
    wire::{put_bytes, put_float},
};

/// How many kinds of values of one type are remembered: an `Option` can be there or not.
const MAX_PLANS: usize = 4;

/// How values of one type were written so far.
#[derive(Debug)]
pub(crate) struct Plans {
    schema: Value,
    known: [OnceLock<Known>; MAX_PLANS],
}

#[derive(Debug)]
struct Known {
    plan: Plan,
    table: Arc<Table>,
    /// How long the last value was.
    length: AtomicUsize,
}

/// For how long a value room is made before it is written.
const MOST_ROOM: usize = 16 << 10;

impl Plans {
    /// For values with this schema.
    pub(crate) fn new(schema: Value) -> Plans {
        Plans { schema, known: Default::default() }
    }

    /// Appends a value with the definitions of its types.
    ///
    /// # Errors
    /// The value cannot be written; nothing is appended.
    pub(crate) fn write(&self, value: &impl Serialize, out: &mut BytesMut) -> Result<(), Error> {
        let begun = out.len();
        for known in self.known() {
            let definitions = &known.table.definitions;
            out.reserve(definitions.len() + known.length.load(Relaxed).min(MOST_ROOM));
            out.extend_from_slice(definitions);
            let write = |out: &mut BytesMut| {
                if !known.table.is_struct() {
                    out.put_u8(0);
                }
                value.serialize(Put { plan: &known.plan, place: Place::Item, out })
            };
            match write_message(known.table.id, out, write) {
                Ok(()) => {
                    known.length.store(out.len() - begun - definitions.len(), Relaxed);
                    return Ok(());
                }
                Err(_) => out.truncate(begun),
            }
        }
        let (node, hint) = (to_node(value)?, Hint::new(&self.schema));
        let (shape, one) = shaped(&node, hint)?;
        out.put_slice(&one.to_bytes());
        if let Some(free) = self.known.iter().find(|known| known.get().is_none()) {
            // Another thread may have been faster.
            let length = AtomicUsize::new(one.value.len());
            let _ = free.set(Known { plan: Plan::new(&node, &shape, hint), table: one.table, length });
        }
        Ok(())
    }

    /// Reads the messages of one value that was probably written by [`Plans::write`].
    ///
    /// # Errors
    /// They are no valid gob.
    pub(crate) fn read(&self, bytes: &bytes::Bytes) -> Result<One, Error> {
        self.known().find_map(|known| One::parse_as(&known.table, bytes)).map_or_else(|| One::parse(bytes), Ok)
    }

    fn known(&self) -> impl Iterator<Item = &Known> {
        self.known.iter().map_while(OnceLock::get)
    }
}

/// What values have a shape, and how they are written.
#[derive(Debug)]
struct Plan {
    what: What,
    /// Whether nothing has it too.
    none: bool,
}

#[derive(Debug)]
enum What {
    /// The shape, and what the schema says of numbers.
    Scalar(Shape, Shape),
    /// The elements, and whether there may be none.
    Slice(Box<Plan>, bool),
    /// Keys and values, and whether there may be none.
    Map(Box<(Plan, Plan)>, bool),
    /// The name and the fields with their numbers; what nobody knows the type of has none.
    Struct(&'static str, Vec<(&'static str, u64, Plan)>),
    /// No value; or those of shapes that are written the long way.
    Never,
}

fn is_scalar(shape: &Shape) -> bool {
    matches!(shape, Shape::Bool | Shape::Int | Shape::Uint | Shape::Float | Shape::Bytes | Shape::String)
}

impl Plan {
    fn new(node: &Node, shape: &Shape, hint: Hint<'_>) -> Plan {
        let hint = hint.resolved();
        let expected = hint.shape(0);
        let none = expected == *shape;
        let what = match (node, shape) {
            (Node::Some(inner), shape) => return Plan::new(inner, shape, hint),
            (Node::None, shape) => return Plan::of_shape(shape, hint),
            (_, shape) if is_scalar(shape) => What::Scalar(shape.clone(), expected),
            (Node::Seq(items), Shape::Slice(of)) => {
                let items_hint = hint.part("items");
                let plan = match items.first() {
                    Some(first) => Plan::new(first, of, items_hint),
                    None => Plan::of_shape(of, items_hint),
                };
                What::Slice(plan.into(), items_hint.shape(0) == **of)
            }
            (Node::Map(entries), Shape::Map(key, value)) => {
                let values_hint = hint.part("additionalProperties");
                let plans = match entries.first() {
                    Some((k, v)) => (Plan::new(k, key, Hint::NONE), Plan::new(v, value, values_hint)),
                    None => (Plan::of_shape(key, Hint::NONE), Plan::of_shape(value, values_hint)),
                };
                What::Map(plans.into(), **key == Shape::String && values_hint.shape(0) == **value)
            }
            (Node::Struct(name, values), Shape::Struct(known, fields)) if name == known => {
                structure(name, values, fields, hint)
            }
            _ => What::Never,
        };
        Plan { what, none }
    }

    /// Of a shape of which there was no value.
    fn of_shape(shape: &Shape, hint: Hint<'_>) -> Plan {
        let hint = hint.resolved();
        let expected = hint.shape(0);
        let none = expected == *shape;
        let what = match shape {
            shape if is_scalar(shape) => What::Scalar(shape.clone(), expected),
            Shape::Slice(of) => {
                let items_hint = hint.part("items");
                What::Slice(Plan::of_shape(of, items_hint).into(), items_hint.shape(0) == **of)
            }
            _ => What::Never,
        };
        Plan { what, none }
    }
}

fn structure(name: &'static str, values: &[(&'static str, Node)], shapes: &[(String, Shape)], hint: Hint<'_>) -> What {
    let (mut fields, mut shapes) = (Vec::new(), shapes.iter().zip(1..).peekable());
    for (name, node) in values {
        let hint = hint.property(name);
        match shapes.next_if(|((known, _), _)| *known == go_name(name)) {
            Some(((_, shape), number)) => fields.push((*name, number, Plan::new(node, shape, hint))),
            None => fields.push((*name, 0, Plan::of_shape(&Shape::Unknown, hint))),
        }
    }
    match shapes.next() {
        None => What::Struct(name, fields),
        // Fields of several values together, or two of one name.
        Some(_) => What::Never,
    }
}

/// Where a value stands.
enum Place<'a> {
    /// Among the elements of something, or at the top: it is there even if it is zero.
    Item,
    /// A field with its number, and that of the last one that was written. A zero is left out unless it
    /// was given expressly.
    Field { number: u64, last: &'a mut u64, given: bool },
}

/// Writes one value.
struct Put<'a> {
    plan: &'a Plan,
    place: Place<'a>,
    out: &'a mut BytesMut,
}

/// The value has another shape: it is written the long way, which says what is wrong if anything is.
fn other<T>() -> Result<T, Error> {
    Err(Error::OtherShape)
}

impl Put<'_> {
    /// Whether it is to be written; if so, its field's number is.
    fn begins(&mut self, is_zero: bool) -> bool {
        if let Place::Field { number, last, given } = &mut self.place {
            if is_zero && !*given {
                return false;
            }
            put_uint(*number - std::mem::replace(*last, *number), self.out);
        }
        true
    }

    fn scalar(mut self, shape: &Shape, is_zero: bool, put: impl FnOnce(&mut BytesMut)) -> Result<(), Error> {
        match &self.plan.what {
            What::Scalar(known, _) if known == shape => {}
            _ => return other(),
        }
        if self.begins(is_zero) {
            put(self.out);
        }
        Ok(())
    }

    /// What the schema says of numbers here.
    fn expected(&self) -> Option<&Shape> {
        match &self.plan.what {
            What::Scalar(_, expected) => Some(expected),
            _ => None,
        }
    }
}

impl<'a> Serializer for Put<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = PutItems<'a>;
    type SerializeTuple = Impossible<(), Error>;
    type SerializeTupleStruct = Impossible<(), Error>;
    type SerializeTupleVariant = Impossible<(), Error>;
    type SerializeMap = PutEntries<'a>;
    type SerializeStruct = PutFields<'a>;
    type SerializeStructVariant = Impossible<(), Error>;

    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.scalar(&Shape::Bool, !value, |out| put_uint(value.into(), out))
    }

    fn serialize_i8(self, value: i8) -> Result<(), Error> {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<(), Error> {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<(), Error> {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<(), Error> {
        match self.expected() {
            Some(Shape::Float) => self.scalar(&Shape::Float, value == 0, |out| put_float(value as f64, out)),
            _ => self.scalar(&Shape::Int, value == 0, |out| put_int(value, out)),
        }
    }

    fn serialize_i128(self, value: i128) -> Result<(), Error> {
        i64::try_from(value).or_else(|_| other()).and_then(|value| self.serialize_i64(value))
    }

    fn serialize_u8(self, value: u8) -> Result<(), Error> {
        self.serialize_u64(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<(), Error> {
        self.serialize_u64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<(), Error> {
        self.serialize_u64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<(), Error> {
        match (self.expected(), i64::try_from(value)) {
            (Some(Shape::Float), _) => self.scalar(&Shape::Float, value == 0, |out| put_float(value as f64, out)),
            (Some(Shape::Int), Ok(value)) => self.scalar(&Shape::Int, value == 0, |out| put_int(value, out)),
            _ => self.scalar(&Shape::Uint, value == 0, |out| put_uint(value, out)),
        }
    }

    fn serialize_u128(self, value: u128) -> Result<(), Error> {
        u64::try_from(value).or_else(|_| other()).and_then(|value| self.serialize_u64(value))
    }

    fn serialize_f32(self, value: f32) -> Result<(), Error> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<(), Error> {
        self.scalar(&Shape::Float, value.to_bits() == 0, |out| put_float(value, out))
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), Error> {
        self.scalar(&Shape::String, value.is_empty(), |out| put_bytes(value.as_bytes(), out))
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        self.scalar(&Shape::Bytes, value.is_empty(), |out| put_bytes(value, out))
    }

    fn serialize_none(self) -> Result<(), Error> {
        if !self.plan.none {
            return other();
        }
        if let Place::Item = self.place {
            put_uint(0, self.out);
        }
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(mut self, value: &T) -> Result<(), Error> {
        if let Place::Field { given, .. } = &mut self.place {
            *given = true;
        }
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        other()
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        other()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Error> {
        other()
    }

    fn serialize_seq(mut self, len: Option<usize>) -> Result<PutItems<'a>, Error> {
        let plan = self.plan;
        let (What::Slice(of, may_be_empty), Some(left)) = (&plan.what, len) else { return other() };
        if left == 0 && !may_be_empty {
            return other();
        }
        if self.begins(left == 0) {
            put_uint(left as u64, self.out);
        }
        Ok(PutItems { of, left, out: self.out })
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Error> {
        other()
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Error> {
        other()
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        other()
    }

    fn serialize_map(mut self, len: Option<usize>) -> Result<PutEntries<'a>, Error> {
        let plan = self.plan;
        let (What::Map(of, may_be_empty), Some(left)) = (&plan.what, len) else { return other() };
        if left == 0 && !may_be_empty {
            return other();
        }
        if self.begins(left == 0) {
            put_uint(left as u64, self.out);
        }
        Ok(PutEntries { of, left, out: self.out })
    }

    fn serialize_struct(mut self, name: &'static str, _: usize) -> Result<PutFields<'a>, Error> {
        let plan = self.plan;
        match &plan.what {
            What::Struct(known, fields) if *known == name => {
                self.begins(false);
                Ok(PutFields { fields: fields.iter(), last: 0, out: self.out })
            }
            _ => other(),
        }
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Error> {
        other()
    }

    fn is_human_readable(&self) -> bool {
        true
    }
}

struct PutItems<'a> {
    of: &'a Plan,
    left: usize,
    out: &'a mut BytesMut,
}

impl SerializeSeq for PutItems<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.left = self.left.checked_sub(1).ok_or(Error::OtherShape)?;
        value.serialize(Put { plan: self.of, place: Place::Item, out: self.out })
    }

    fn end(self) -> Result<(), Error> {
        if self.left == 0 { Ok(()) } else { other() }
    }
}

struct PutEntries<'a> {
    of: &'a (Plan, Plan),
    left: usize,
    out: &'a mut BytesMut,
}

impl SerializeMap for PutEntries<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.left = self.left.checked_sub(1).ok_or(Error::OtherShape)?;
        key.serialize(Put { plan: &self.of.0, place: Place::Item, out: self.out })
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(Put { plan: &self.of.1, place: Place::Item, out: self.out })
    }

    fn end(self) -> Result<(), Error> {
        if self.left == 0 { Ok(()) } else { other() }
    }
}

struct PutFields<'a> {
    fields: std::slice::Iter<'a, (&'static str, u64, Plan)>,
    last: u64,
    out: &'a mut BytesMut,
}

impl SerializeStruct for PutFields<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        let Some((known, number, plan)) = self.fields.next() else { return other() };
        if *known != name {
            return other();
        }
        let place = Place::Field { number: *number, last: &mut self.last, given: false };
        value.serialize(Put { plan, place, out: self.out })
    }

    fn end(mut self) -> Result<(), Error> {
        if self.fields.next().is_some() {
            return other();
        }
        put_uint(0, self.out);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(serde::Serialize)]
    struct Item {
        text: &'static str,
        number: i32,
        ratio: f64,
        list: Vec<u64>,
        maybe: Option<u8>,
    }

    fn item(text: &'static str, number: i32, list: &[u64], maybe: Option<u8>) -> Item {
        Item { text, number, ratio: f64::from(number), list: list.to_vec(), maybe }
    }

    #[test]
    fn values_of_one_type_are_written_by_one_plan() {
        let plans = Plans::new(json!({ "properties": {
            "list": { "type": "array", "items": { "type": "integer", "format": "uint64" } },
            "maybe": { "type": ["integer", "null"], "format": "uint8" },
        } }));
        let mut out = BytesMut::new();
        for value in [item("", 0, &[], None), item("a", -1, &[0, 300], Some(0)), item("b", 7, &[1], None)] {
            out.clear();
            plans.write(&value, &mut out).expect("written");
            let table = &plans.known().next().expect("the first value made it").table;
            assert!(One::parse_as(table, &out.clone().freeze()).is_some());
        }
        assert_eq!(plans.known().count(), 1);
    }

    #[test]
    fn plans_are_few_whatever_comes() {
        let (plans, mut out) = (Plans::new(Value::Null), BytesMut::new());
        for n in 0..20 {
            let value: std::collections::BTreeMap<String, Vec<bool>> = [(n.to_string(), vec![true; n])].into();
            plans.write(&value, &mut out).expect("written");
            plans.write(&n.to_string(), &mut out).expect("written");
            plans.write(&(n as f64), &mut out).expect("written");
            plans.write(&[n; 2], &mut out).expect("written");
            plans.write(&(n as i64, "x"), &mut out).expect("written");
            plans.write(&vec![n; n], &mut out).expect("written");
        }
        assert_eq!(plans.known().count(), MAX_PLANS);
    }
}

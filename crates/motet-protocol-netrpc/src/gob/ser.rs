//! From serde to a value that is to be written.

use bytes::{BufMut, BytesMut};
use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::{
    Error, One, Table, Types, go_name, put_int, put_uint,
    shape::{Hint, Shape, shape_of},
    wire::{put_bytes, put_float},
};

/// A value as serde shows it. Its types are known when all of it is there.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    None,
    Some(Box<Node>),
    Unit,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Bytes(Vec<u8>),
    Text(String),
    Seq(Vec<Node>),
    Tuple(Vec<Node>),
    Map(Vec<(Node, Node)>),
    Struct(&'static str, Vec<(&'static str, Node)>),
    Variant(&'static str, Box<Node>),
}

/// Writes a value with the types that it shows.
pub(crate) fn to_one(value: &impl Serialize) -> Result<One, Error> {
    shaped(&to_node(value)?, Hint::NONE).map(|(_, one)| one)
}

/// The value as serde shows it.
pub(crate) fn to_node(value: &impl Serialize) -> Result<Node, Error> {
    value.serialize(Nodes)
}

/// Writes a value with the types that it has, and says which; what it does not show of them is in the
/// schema.
pub(crate) fn shaped(node: &Node, hint: Hint<'_>) -> Result<(Shape, One), Error> {
    let shape = shape_of(node, hint, 0)?;
    if shape == Shape::Unknown {
        return Ok((shape, One::empty()));
    }
    let (mut types, mut out) = (Types::default(), BytesMut::new());
    let id = shape.define(&mut types, &mut Vec::new())?;
    if !matches!(shape, Shape::Struct(..)) {
        out.put_u8(0);
    }
    write(node, &shape, &mut out)?;
    Ok((shape, One { table: Table::new(types, id)?, value: out.freeze() }))
}

fn mismatch() -> Error {
    Error::new("gob carries no collection whose elements differ in kind")
}

fn write(node: &Node, shape: &Shape, out: &mut BytesMut) -> Result<(), Error> {
    match (node, shape) {
        (Node::Some(inner), shape) => write(inner, shape, out)?,
        (Node::None, shape) => write_zero(shape, out),
        (node, Shape::Interface) => write_interface(node, out)?,
        (Node::Bool(value), Shape::Bool) => put_uint(u64::from(*value), out),
        (Node::Int(value), Shape::Int) => put_int(*value, out),
        (Node::Uint(value), Shape::Int) => put_int(i64::try_from(*value).map_err(|_| mismatch())?, out),
        (Node::Uint(value), Shape::Uint) => put_uint(*value, out),
        (Node::Float(value), Shape::Float) => put_float(*value, out),
        (Node::Int(value), Shape::Float) => put_float(*value as f64, out),
        (Node::Uint(value), Shape::Float) => put_float(*value as f64, out),
        (Node::Bytes(value), Shape::Bytes) => put_bytes(value, out),
        (Node::Text(value), Shape::String) => put_bytes(value.as_bytes(), out),
        (Node::Seq(items) | Node::Tuple(items), Shape::Slice(of) | Shape::Array(of, _)) => {
            put_uint(items.len() as u64, out);
            items.iter().try_for_each(|item| write(item, of, out))?;
        }
        (Node::Map(entries), Shape::Map(key, value)) => {
            put_uint(entries.len() as u64, out);
            for (k, v) in entries {
                write(k, key, out)?;
                write(v, value, out)?;
            }
        }
        (Node::Unit, Shape::Struct(..)) => put_uint(0, out),
        (Node::Variant(name, content), Shape::Struct(_, fields)) => {
            let name = go_name(name);
            write_fields(fields, |field| (*field == name).then_some(&**content), true, out)?;
        }
        (Node::Struct(_, values), Shape::Struct(_, fields)) => {
            let names: Vec<_> = values.iter().map(|(name, _)| go_name(name)).collect();
            let find = |field: &str| names.iter().position(|name| name == field).map(|at| &values[at].1);
            write_fields(fields, find, false, out)?;
        }
        (Node::Map(entries), Shape::Struct(_, fields)) => {
            let is = |key: &Node, field: &str| matches!(key, Node::Text(name) if go_name(name) == field);
            let find = |field: &str| entries.iter().find(|(key, _)| is(key, field)).map(|(_, value)| value);
            write_fields(fields, find, false, out)?;
        }
        _ => return Err(mismatch()),
    }
    Ok(())
}

/// Writes those fields that are there and not zero, or all that are there.
fn write_fields<'a>(
    fields: &[(String, Shape)],
    find: impl Fn(&str) -> Option<&'a Node>,
    zeros: bool,
    out: &mut BytesMut,
) -> Result<(), Error> {
    let mut last = 0;
    for (at, (name, shape)) in fields.iter().enumerate() {
        if let Some(node) = find(name).filter(|node| zeros || !is_zero(node)) {
            put_uint((at + 1 - last) as u64, out);
            last = at + 1;
            write(node, shape, out)?;
        }
    }
    put_uint(0, out);
    Ok(())
}

/// Whether a field is left out, as Go does; a `Some` never is.
fn is_zero(node: &Node) -> bool {
    match node {
        Node::None => true,
        Node::Bool(value) => !value,
        Node::Int(value) => *value == 0,
        Node::Uint(value) => *value == 0,
        // Minus zero is a value of its own.
        Node::Float(value) => value.to_bits() == 0,
        Node::Bytes(value) => value.is_empty(),
        Node::Text(value) => value.is_empty(),
        Node::Seq(items) => items.is_empty(),
        Node::Map(entries) => entries.is_empty(),
        Node::Some(_) | Node::Unit | Node::Tuple(_) | Node::Struct(..) | Node::Variant(..) => false,
    }
}

/// The zero of a type that an element must have although there is none.
fn write_zero(shape: &Shape, out: &mut BytesMut) {
    match shape {
        Shape::Array(of, len) => {
            put_uint(*len as u64, out);
            (0..*len).for_each(|_| write_zero(of, out));
        }
        _ => put_uint(0, out),
    }
}

/// A value in an interface: the name by which every Go program knows its type, the type, and the value
/// as a message of its own.
fn write_interface(node: &Node, out: &mut BytesMut) -> Result<(), Error> {
    let shape = shape_of(node, Hint::NONE, 0)?;
    let (name, id) = match shape {
        Shape::Bool => ("bool", super::types::BOOL),
        Shape::Int => ("int64", super::types::INT),
        Shape::Uint => ("uint64", super::types::UINT),
        Shape::Float => ("float64", super::types::FLOAT),
        Shape::Bytes => ("[]uint8", super::types::BYTES),
        Shape::String => ("string", super::types::STRING),
        _ => return Err(mismatch()),
    };
    let mut value = BytesMut::from(&[0][..]);
    write(node, &shape, &mut value)?;
    put_bytes(name.as_bytes(), out);
    put_int(id, out);
    put_bytes(&value, out);
    Ok(())
}

/// Makes nodes.
struct Nodes;

type Built = Result<Node, Error>;

impl Serializer for Nodes {
    type Ok = Node;
    type Error = Error;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Items;
    type SerializeMap = Entries;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Fields;

    fn serialize_bool(self, value: bool) -> Built {
        Ok(Node::Bool(value))
    }

    fn serialize_i8(self, value: i8) -> Built {
        Ok(Node::Int(value.into()))
    }

    fn serialize_i16(self, value: i16) -> Built {
        Ok(Node::Int(value.into()))
    }

    fn serialize_i32(self, value: i32) -> Built {
        Ok(Node::Int(value.into()))
    }

    fn serialize_i64(self, value: i64) -> Built {
        Ok(Node::Int(value))
    }

    fn serialize_i128(self, value: i128) -> Built {
        i64::try_from(value).map(Node::Int).map_err(|_| Error::new("an integer has more than 64 bits"))
    }

    fn serialize_u8(self, value: u8) -> Built {
        Ok(Node::Uint(value.into()))
    }

    fn serialize_u16(self, value: u16) -> Built {
        Ok(Node::Uint(value.into()))
    }

    fn serialize_u32(self, value: u32) -> Built {
        Ok(Node::Uint(value.into()))
    }

    fn serialize_u64(self, value: u64) -> Built {
        Ok(Node::Uint(value))
    }

    fn serialize_u128(self, value: u128) -> Built {
        u64::try_from(value).map(Node::Uint).map_err(|_| Error::new("an integer has more than 64 bits"))
    }

    fn serialize_f32(self, value: f32) -> Built {
        Ok(Node::Float(value.into()))
    }

    fn serialize_f64(self, value: f64) -> Built {
        Ok(Node::Float(value))
    }

    fn serialize_char(self, value: char) -> Built {
        Ok(Node::Text(value.into()))
    }

    fn serialize_str(self, value: &str) -> Built {
        Ok(Node::Text(value.to_owned()))
    }

    fn serialize_bytes(self, value: &[u8]) -> Built {
        Ok(Node::Bytes(value.to_vec()))
    }

    fn serialize_none(self) -> Built {
        Ok(Node::None)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Built {
        match value.serialize(Nodes)? {
            // Two kinds of nothing are one in gob.
            Node::None => Ok(Node::None),
            node => Ok(Node::Some(node.into())),
        }
    }

    fn serialize_unit(self) -> Built {
        Ok(Node::Unit)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Built {
        Ok(Node::Unit)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Built {
        Ok(Node::Text(variant.to_owned()))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Built {
        value.serialize(Nodes)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Built {
        Ok(Node::Variant(variant, value.serialize(Nodes)?.into()))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items, Error> {
        Ok(Items { variant: None, tuple: false, items: Vec::new() })
    }

    fn serialize_tuple(self, _: usize) -> Result<Items, Error> {
        Ok(Items { variant: None, tuple: true, items: Vec::new() })
    }

    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Items, Error> {
        self.serialize_tuple(len)
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, variant: &'static str, _: usize) -> Result<Items, Error> {
        Ok(Items { variant: Some(variant), tuple: true, items: Vec::new() })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries, Error> {
        Ok(Entries { key: None, entries: Vec::new() })
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Fields, Error> {
        Ok(Fields { variant: None, name, fields: Vec::new() })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Fields, Error> {
        Ok(Fields { variant: Some(variant), name: "", fields: Vec::new() })
    }

    fn is_human_readable(&self) -> bool {
        true
    }
}

fn in_variant(variant: Option<&'static str>, node: Node) -> Node {
    match variant {
        Some(variant) => Node::Variant(variant, node.into()),
        None => node,
    }
}

struct Items {
    variant: Option<&'static str>,
    tuple: bool,
    items: Vec<Node>,
}

impl Items {
    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.items.push(value.serialize(Nodes)?);
        Ok(())
    }

    fn done(self) -> Node {
        in_variant(self.variant, if self.tuple { Node::Tuple(self.items) } else { Node::Seq(self.items) })
    }
}

macro_rules! items {
    ($($of:ident $add:ident),*) => {$(
        impl $of for Items {
            type Ok = Node;
            type Error = Error;

            fn $add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.add(value)
            }

            fn end(self) -> Built {
                Ok(self.done())
            }
        }
    )*};
}

items!(
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field
);

struct Entries {
    key: Option<Node>,
    entries: Vec<(Node, Node)>,
}

impl SerializeMap for Entries {
    type Ok = Node;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.key = Some(key.serialize(Nodes)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let key = self.key.take().ok_or_else(|| Error::new("a value came before its key"))?;
        self.entries.push((key, value.serialize(Nodes)?));
        Ok(())
    }

    fn end(self) -> Built {
        Ok(Node::Map(self.entries))
    }
}

struct Fields {
    variant: Option<&'static str>,
    name: &'static str,
    fields: Vec<(&'static str, Node)>,
}

macro_rules! fields {
    ($($of:ident),*) => {$(
        impl $of for Fields {
            type Ok = Node;
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
                self.fields.push((name, value.serialize(Nodes)?));
                Ok(())
            }

            fn end(self) -> Built {
                Ok(in_variant(self.variant, Node::Struct(self.name, self.fields)))
            }
        }
    )*};
}

fields!(SerializeStruct, SerializeStructVariant);

//! The types of a value that is to be written: found in the value, and in its schema where the value
//! does not say.

use serde_json::Value;

use super::{
    Error, Type, Types,
    ser::Node,
    types::{BOOL, BYTES, FLOAT, INT, INTERFACE, STRING, UINT},
    wire::MAX_DEPTH,
};

/// A type that is not numbered yet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    /// Nothing is known of it: `None`, or the elements of what is empty.
    Unknown,
    Bool,
    Int,
    Uint,
    Float,
    Bytes,
    String,
    Interface,
    Array(Box<Shape>, usize),
    Slice(Box<Shape>),
    Map(Box<Shape>, Box<Shape>),
    Struct(String, Vec<(String, Shape)>),
}

/// A schema, and the document that its references lead into.
#[derive(Clone, Copy)]
pub(crate) struct Hint<'a> {
    schema: &'a Value,
    root: &'a Value,
    /// Whether an object of which no schema is known is a struct: so it is in JSON.
    objects: bool,
}

impl<'a> Hint<'a> {
    pub(crate) const NONE: Hint<'static> = Hint { schema: &Value::Null, root: &Value::Null, objects: false };

    pub(crate) fn new(root: &'a Value) -> Hint<'a> {
        Hint { schema: root, root, objects: false }
    }

    /// The same for a value that was JSON.
    pub(crate) fn of_json(mut self) -> Hint<'a> {
        self.objects = true;
        self
    }

    fn to(mut self, schema: Option<&'a Value>) -> Hint<'a> {
        self.schema = schema.unwrap_or(&Value::Null);
        self
    }

    /// The schema behind references and beside `null`.
    pub(super) fn resolved(self) -> Hint<'a> {
        let mut at = self;
        // A chain of references is short; one that is a circle says nothing.
        for _ in 0..8 {
            let reference = at.schema.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'));
            let variants = at.schema.get("anyOf").and_then(Value::as_array);
            let next = match (reference, variants) {
                (Some(path), _) => self.root.pointer(path),
                (None, Some(variants)) => {
                    let mut other = variants.iter().filter(|variant| variant["type"] != "null");
                    other.next().filter(|_| other.next().is_none())
                }
                (None, None) => return at,
            };
            let Some(schema) = next else { return self.to(None) };
            at.schema = schema;
        }
        self.to(None)
    }

    pub(super) fn part(self, key: &str) -> Hint<'a> {
        self.to(self.schema.get(key))
    }

    pub(super) fn property(self, name: &str) -> Hint<'a> {
        self.to(self.schema.get("properties").and_then(|properties| properties.get(name)))
    }

    /// Whether it is an object of named fields.
    pub(super) fn is_struct(self) -> bool {
        let known = self.schema.get("properties").is_some_and(Value::is_object);
        known || (self.objects && self.schema.get("additionalProperties").is_none())
    }

    /// The type that it describes, as far as it is finite.
    pub(super) fn shape(self, depth: usize) -> Shape {
        let own = self.resolved();
        let ty = match own.schema.get("type") {
            Some(Value::String(ty)) => ty.as_str(),
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).find(|ty| *ty != "null").unwrap_or(""),
            _ => "",
        };
        match ty {
            // Deeper ones are of a type that holds itself.
            _ if depth > 8 => Shape::Unknown,
            "boolean" => Shape::Bool,
            "integer" => {
                let format = own.schema.get("format").and_then(Value::as_str).unwrap_or_default();
                if format.starts_with("uint") { Shape::Uint } else { Shape::Int }
            }
            "number" => Shape::Float,
            "string" => Shape::String,
            "array" => match own.part("items").shape(depth + 1) {
                Shape::Unknown => Shape::Unknown,
                of => Shape::Slice(of.into()),
            },
            "object" if own.schema.get("properties").is_some() => {
                let properties = own.schema["properties"].as_object();
                let field = |(name, schema): (&String, &'a Value)| {
                    let shape = own.to(Some(schema)).shape(depth + 1);
                    (shape != Shape::Unknown).then(|| (super::go_name(name), shape))
                };
                Shape::Struct(String::new(), properties.into_iter().flatten().filter_map(field).collect())
            }
            "object" => match own.part("additionalProperties").shape(depth + 1) {
                Shape::Unknown => Shape::Unknown,
                of => Shape::Map(Shape::String.into(), of.into()),
            },
            _ => Shape::Unknown,
        }
    }
}

/// The type of a value.
pub(crate) fn shape_of(node: &Node, hint: Hint<'_>, depth: usize) -> Result<Shape, Error> {
    if depth > MAX_DEPTH {
        return Err(Error::new("the value nests too deep for gob"));
    }
    let hint = hint.resolved();
    let expected = || hint.shape(0);
    Ok(match node {
        Node::None => expected(),
        Node::Some(inner) => shape_of(inner, hint, depth + 1)?,
        Node::Unit => Shape::Struct(String::new(), Vec::new()),
        Node::Bool(_) => Shape::Bool,
        Node::Int(_) | Node::Uint(_) if expected() == Shape::Float => Shape::Float,
        Node::Uint(value) if expected() == Shape::Int && i64::try_from(*value).is_ok() => Shape::Int,
        Node::Int(_) => Shape::Int,
        Node::Uint(_) => Shape::Uint,
        Node::Float(_) => Shape::Float,
        Node::Bytes(_) => Shape::Bytes,
        Node::Text(_) => Shape::String,
        Node::Seq(items) | Node::Tuple(items) => {
            let mut of = if items.is_empty() { hint.part("items").shape(0) } else { Shape::Unknown };
            for item in items {
                of = unify(of, shape_of(item, hint.part("items"), depth + 1)?)?;
            }
            match node {
                Node::Tuple(_) => Shape::Array(of.into(), items.len()),
                _ => Shape::Slice(of.into()),
            }
        }
        Node::Map(entries) if hint.is_struct() => {
            let mut fields = Vec::new();
            for (key, value) in entries {
                let Node::Text(name) = key else { return Err(Error::new("a field's name is no text")) };
                fields.push((name.as_str(), value));
            }
            structure("", fields.into_iter(), hint, depth)?
        }
        Node::Map(entries) => {
            let (mut key, mut value) = (Shape::Unknown, Shape::Unknown);
            if entries.is_empty() {
                (key, value) = (Shape::String, hint.part("additionalProperties").shape(0));
            }
            for (k, v) in entries {
                key = unify(key, shape_of(k, Hint::NONE, depth + 1)?)?;
                value = unify(value, shape_of(v, hint.part("additionalProperties"), depth + 1)?)?;
            }
            Shape::Map(key.into(), value.into())
        }
        Node::Struct(name, fields) => structure(name, fields.iter().map(|(name, value)| (*name, value)), hint, depth)?,
        Node::Variant(name, content) => {
            Shape::Struct(String::new(), vec![(super::go_name(name), shape_of(content, Hint::NONE, depth + 1)?)])
        }
    })
}

fn structure<'a>(
    name: &str,
    fields: impl Iterator<Item = (&'a str, &'a Node)>,
    hint: Hint<'_>,
    depth: usize,
) -> Result<Shape, Error> {
    let mut shapes = Vec::new();
    for (name, value) in fields {
        match shape_of(value, hint.property(name), depth + 1)? {
            // What nobody knows the type of is not there: whoever reads it finds none.
            Shape::Unknown => {}
            shape => shapes.push((super::go_name(name), shape)),
        }
    }
    Ok(Shape::Struct(name.to_owned(), shapes))
}

/// The type of which values of both are.
fn unify(a: Shape, b: Shape) -> Result<Shape, Error> {
    use Shape::{Array, Bool, Bytes, Float, Int, Interface, Map, Slice, String, Struct, Uint, Unknown};
    Ok(match (a, b) {
        (Unknown, other) | (other, Unknown) => other,
        (a, b) if a == b => a,
        (Int, Uint) | (Uint, Int) => Int,
        (Int | Uint, Float) | (Float, Int | Uint) => Float,
        (Slice(a), Slice(b)) => Slice(unify(*a, *b)?.into()),
        (Array(a, n), Array(b, m)) if n == m => Array(unify(*a, *b)?.into(), n),
        (Map(ka, va), Map(kb, vb)) => Map(unify(*ka, *kb)?.into(), unify(*va, *vb)?.into()),
        (Struct(name, mut fields), Struct(_, others)) => {
            for (field, shape) in others {
                match fields.iter_mut().find(|(known, _)| *known == field) {
                    Some((_, known)) => *known = unify(std::mem::replace(known, Unknown), shape)?,
                    None => fields.push((field, shape)),
                }
            }
            Struct(name, fields)
        }
        (
            Bool | Int | Uint | Float | Bytes | String | Interface,
            Bool | Int | Uint | Float | Bytes | String | Interface,
        ) => Interface,
        _ => return Err(Error::new("gob carries no collection whose elements differ in kind")),
    })
}

impl Shape {
    /// Gives the shape numbers, the same ones to the same shapes.
    pub(crate) fn define(&self, types: &mut Types, known: &mut Vec<(Type, i64)>) -> Result<i64, Error> {
        let ty = match self {
            Shape::Bool => return Ok(BOOL),
            Shape::Int => return Ok(INT),
            Shape::Uint => return Ok(UINT),
            Shape::Float => return Ok(FLOAT),
            Shape::Bytes => return Ok(BYTES),
            Shape::String => return Ok(STRING),
            Shape::Interface | Shape::Unknown => return Ok(INTERFACE),
            Shape::Array(of, len) => Type::Array(of.define(types, known)?, *len as u64),
            Shape::Slice(of) => Type::Slice(of.define(types, known)?),
            Shape::Map(key, value) => Type::Map(key.define(types, known)?, value.define(types, known)?),
            Shape::Struct(name, fields) => {
                let fields = fields.iter().map(|(name, shape)| Ok((name.clone(), shape.define(types, known)?)));
                Type::Struct(name.clone(), fields.collect::<Result<_, Error>>()?)
            }
        };
        if let Some((_, id)) = known.iter().find(|(other, _)| *other == ty) {
            return Ok(*id);
        }
        let id = types.free_id();
        types.insert(id, ty.clone())?;
        known.push((ty, id));
        Ok(id)
    }
}

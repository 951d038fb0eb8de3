//! Types as a stream defines them.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};

use bytes::{BufMut, BytesMut};
use motet_core::Map;

use super::{
    Error, Reader, put_int, put_uint, same_name,
    wire::{MAX_DEPTH, put_bytes},
};

pub(crate) const BOOL: i64 = 1;
pub(crate) const INT: i64 = 2;
pub(crate) const UINT: i64 = 3;
pub(crate) const FLOAT: i64 = 4;
pub(crate) const BYTES: i64 = 5;
pub(crate) const STRING: i64 = 6;
pub(crate) const COMPLEX: i64 = 7;
pub(crate) const INTERFACE: i64 = 8;
/// The first number that a stream gives away; older versions of Go begin one later.
pub(crate) const FIRST_ID: i64 = 64;

/// How many types one stream may define, and how many fields one struct may have.
const MAX_TYPES: usize = 4096;
const MAX_FIELDS: usize = 1000;
/// How much memory the types of one stream may take, in bytes, a hundred structs of 40 fields: a stream keeps them to its
/// end, and a value that can hold anything goes on with all of them.
const MAX_BYTES: usize = 256 << 10;

/// A type. The numbers are those of other types.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Type {
    Bool,
    Int,
    Uint,
    Float,
    Bytes,
    String,
    Complex,
    Interface,
    Array(i64, u64),
    Slice(i64),
    Map(i64, i64),
    /// The name and the fields in order.
    Struct(String, Vec<(String, i64)>),
    /// What a `GobEncoder` or `BinaryMarshaler` of Go wrote.
    Opaque,
    /// What a `TextMarshaler` of Go wrote.
    Text,
}

impl Type {
    /// The types it is made of.
    pub(crate) fn parts(&self) -> Vec<i64> {
        match self {
            Type::Array(of, _) | Type::Slice(of) => vec![*of],
            Type::Map(key, value) => vec![*key, *value],
            Type::Struct(_, fields) => fields.iter().map(|(_, id)| *id).collect(),
            _ => Vec::new(),
        }
    }

    /// What it takes of memory, about.
    fn size(&self) -> usize {
        const EACH: usize = 48;
        EACH + match self {
            Type::Struct(name, fields) => name.len() + fields.iter().map(|(name, _)| EACH + name.len()).sum::<usize>(),
            _ => 0,
        }
    }

    /// The same with other numbers for its parts.
    pub(crate) fn with_parts(&self, mut f: impl FnMut(i64) -> Result<i64, Error>) -> Result<Type, Error> {
        Ok(match self {
            Type::Array(of, len) => Type::Array(f(*of)?, *len),
            Type::Slice(of) => Type::Slice(f(*of)?),
            Type::Map(key, value) => Type::Map(f(*key)?, f(*value)?),
            Type::Struct(name, fields) => {
                let fields = fields.iter().map(|(name, id)| Ok((name.clone(), f(*id)?)));
                Type::Struct(name.clone(), fields.collect::<Result<_, Error>>()?)
            }
            other => other.clone(),
        })
    }

    /// Appends the message that defines this type under a number.
    pub(crate) fn write_definition(&self, id: i64, out: &mut BytesMut) {
        let mut body = BytesMut::new();
        put_int(-id, &mut body);
        self.write_wire_type(id, &mut body);
        put_uint(body.len() as u64, out);
        out.put_slice(&body);
    }

    /// A value of Go's `wireType`, whose fields are the kinds of types.
    fn write_wire_type(&self, id: i64, out: &mut BytesMut) {
        let common = |kind: u64, name: &str, out: &mut BytesMut| {
            put_uint(kind + 1, out);
            put_uint(1, out);
            if name.is_empty() {
                put_uint(2, out);
            } else {
                put_uint(1, out);
                put_bytes(name.as_bytes(), out);
                put_uint(1, out);
            }
            put_int(id, out);
            put_uint(0, out);
        };
        let part = |part: i64, out: &mut BytesMut| {
            put_uint(1, out);
            put_int(part, out);
        };
        match self {
            Type::Array(of, len) => {
                common(0, "", out);
                part(*of, out);
                part(len.cast_signed(), out);
            }
            Type::Slice(of) => {
                common(1, "", out);
                part(*of, out);
            }
            Type::Struct(name, fields) => {
                common(2, name, out);
                if !fields.is_empty() {
                    put_uint(1, out);
                    put_uint(fields.len() as u64, out);
                }
                for (name, id) in fields {
                    put_uint(1, out);
                    put_bytes(name.as_bytes(), out);
                    part(*id, out);
                    put_uint(0, out);
                }
            }
            Type::Map(key, value) => {
                common(3, "", out);
                part(*key, out);
                part(*value, out);
            }
            Type::Text => common(6, "", out),
            _ => common(5, "", out),
        }
        put_uint(0, out);
        put_uint(0, out);
    }
}

/// The types that a stream has defined so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Types {
    all: Map<i64, Type>,
    /// What they take of memory, about.
    bytes: usize,
    columns: Columns,
}

/// How a receiver knows the fields of a struct.
#[derive(Debug)]
pub(crate) struct Names {
    /// The name of each; `None` for one that it does not have.
    pub(crate) all: Box<[Option<&'static str>]>,
    /// Whether they are all that it has, in its order: then they are offered without their names, which is
    /// much faster, until it refuses that.
    in_order: AtomicBool,
}

impl Names {
    pub(crate) fn is_in_order(&self) -> bool {
        self.in_order.load(Relaxed)
    }
}

/// The fields of structs that receivers have asked for.
#[derive(Debug, Default)]
struct Columns {
    all: Mutex<Vec<Column>>,
    /// How often fields without names were refused.
    refusals: AtomicUsize,
}

#[derive(Debug)]
struct Column {
    id: i64,
    receiver: &'static [&'static str],
    names: Arc<Names>,
}

/// How many fields are kept so, of all structs together.
const MAX_COLUMNS: usize = 4096;

impl Clone for Columns {
    fn clone(&self) -> Columns {
        Columns::default()
    }
}

impl Types {
    /// How a receiver knows the fields of a struct, found once for each receiver.
    pub(crate) fn names(&self, id: i64, fields: &[(String, i64)], receiver: &'static [&'static str]) -> Arc<Names> {
        let mut columns = self.columns.all.lock().unwrap_or_else(PoisonError::into_inner);
        let known = columns.iter().find(|known| known.id == id && std::ptr::eq(known.receiver, receiver));
        if let Some(known) = known {
            return known.names.clone();
        }
        let find = |(name, _): &(String, i64)| receiver.iter().find(|known| same_name(known, name)).copied();
        let all: Box<[_]> = fields.iter().map(find).collect();
        let kept = columns.iter().map(|known| known.names.all.len().max(1)).sum::<usize>();
        let is_kept = kept + all.len() < MAX_COLUMNS;
        // What is not kept could not be told that it was refused.
        let in_order = is_kept && all.iter().copied().eq(receiver.iter().map(|name| Some(*name)));
        let names = Arc::new(Names { all, in_order: in_order.into() });
        if is_kept {
            columns.push(Column { id, receiver, names: names.clone() });
        }
        names
    }

    /// Offers a receiver its fields with their names from now on.
    pub(crate) fn refuse(&self, names: &Names) {
        names.in_order.store(false, Relaxed);
        self.columns.refusals.fetch_add(1, Relaxed);
    }

    /// How often fields without names were refused.
    pub(crate) fn refusals(&self) -> usize {
        self.columns.refusals.load(Relaxed)
    }
}

impl Types {
    pub(crate) fn get(&self, id: i64) -> Result<&Type, Error> {
        Ok(match id {
            BOOL => &Type::Bool,
            INT => &Type::Int,
            UINT => &Type::Uint,
            FLOAT => &Type::Float,
            BYTES => &Type::Bytes,
            STRING => &Type::String,
            COMPLEX => &Type::Complex,
            INTERFACE => &Type::Interface,
            id => return self.all.get(&id).ok_or_else(|| Error::new("a type is not defined")),
        })
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = i64> {
        self.all.keys().copied()
    }

    /// A number that is free.
    pub(crate) fn free_id(&self) -> i64 {
        self.ids().max().unwrap_or(FIRST_ID) + 1
    }

    pub(crate) fn insert(&mut self, id: i64, ty: Type) -> Result<(), Error> {
        if id < FIRST_ID || id > i64::from(i32::MAX) {
            return Err(Error::new("the number of a type is out of range"));
        }
        self.bytes += ty.size();
        if self.all.len() >= MAX_TYPES || self.bytes > MAX_BYTES {
            return Err(Error::new("too many types"));
        }
        if self.all.insert(id, ty).is_some() {
            return Err(Error::new("a type is defined twice"));
        }
        Ok(())
    }

    /// Takes a definition in: what follows the negative number in its message.
    pub(crate) fn define(&mut self, id: i64, input: &mut Reader<'_>) -> Result<(), Error> {
        let ty = read_wire_type(input)?;
        self.insert(id, ty)
    }

    /// All types that a value of this type is made of.
    fn reachable(&self, id: i64) -> Result<motet_core::Set<i64>, Error> {
        let mut seen = motet_core::Set::default();
        let mut waiting = vec![id];
        while let Some(id) = waiting.pop() {
            if seen.insert(id) {
                waiting.extend(self.get(id)?.parts());
            }
        }
        Ok(seen)
    }

    /// The definitions that a value of this type needs, in order; all there are if it can hold an
    /// interface, and with it values of any type.
    pub(crate) fn closure(&self, id: i64) -> Result<Vec<i64>, Error> {
        let found = self.reachable(id)?;
        let open = found.contains(&INTERFACE);
        let mut ids: Vec<_> =
            if open { self.ids().collect() } else { found.into_iter().filter(|id| *id >= FIRST_ID).collect() };
        ids.sort_unstable();
        Ok(ids)
    }

    /// Passes over a value. `basic` asks that interfaces hold values of built-in types only.
    pub(crate) fn skip(&self, id: i64, input: &mut Reader<'_>, basic: bool, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(Error::new("the value nests too deep"));
        }
        input.step()?;
        let skip = |id, input: &mut Reader<'_>| self.skip(id, input, basic, depth + 1);
        match self.get(id)? {
            Type::Bool | Type::Int | Type::Uint | Type::Float => input.uint().map(drop),
            Type::Bytes | Type::String | Type::Opaque | Type::Text => input.bytes().map(drop),
            Type::Complex => input.uint().and_then(|_| input.uint()).map(drop),
            Type::Array(of, _) | Type::Slice(of) => (0..input.count()?).try_for_each(|_| skip(*of, input)),
            Type::Map(key, value) => {
                (0..input.count()?).try_for_each(|_| skip(*key, input).and_then(|()| skip(*value, input)))
            }
            Type::Struct(_, fields) => {
                let mut at = Field::default();
                while let Some(n) = at.next(fields.len(), input)? {
                    skip(fields[n].1, input)?;
                }
                Ok(())
            }
            Type::Interface => {
                if input.bytes()?.is_empty() {
                    return Ok(());
                }
                let id = input.int()?;
                if basic && !(BOOL..=STRING).contains(&id) {
                    return Err(Error::new("an interface holds a value of a type that cannot be passed on"));
                }
                if id < 0 {
                    inline_definitions(id, input, |_, _| Ok(()))?;
                }
                input.bytes().map(drop)
            }
        }
    }
}

impl Types {
    /// Takes in what a value defines on its way: an interface may bring the type of what it holds.
    pub(crate) fn absorb(&mut self, id: i64, input: &mut Reader<'_>, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(Error::new("the value nests too deep"));
        }
        input.step()?;
        match self.get(id)?.clone() {
            Type::Array(of, _) | Type::Slice(of) => {
                (0..input.count()?).try_for_each(|_| self.absorb(of, input, depth + 1))
            }
            Type::Map(key, value) => (0..input.count()?).try_for_each(|_| {
                self.absorb(key, input, depth + 1)?;
                self.absorb(value, input, depth + 1)
            }),
            Type::Struct(_, fields) => {
                let mut at = Field::default();
                while let Some(n) = at.next(fields.len(), input)? {
                    self.absorb(fields[n].1, input, depth + 1)?;
                }
                Ok(())
            }
            Type::Interface => {
                if input.bytes()?.is_empty() {
                    return Ok(());
                }
                let mut id = input.int()?;
                if id < 0 {
                    id = inline_definitions(id, input, |id, ty| match self.all.get(&id) {
                        Some(known) if *known == ty => Ok(()),
                        _ => self.insert(id, ty),
                    })?;
                }
                let mut inside = Reader::new(input.bytes()?);
                self.top(id, &mut inside)?;
                self.absorb(id, &mut inside, depth + 1)
            }
            _ => self.skip(id, input, false, depth),
        }
    }

    /// As [`Types::absorb`], for a whole value, if it can hold an interface.
    pub(crate) fn absorb_value(&mut self, id: i64, value: &[u8]) -> Result<(), Error> {
        if !self.is_open(id)? {
            return Ok(());
        }
        let mut input = Reader::new(value);
        self.top(id, &mut input)?;
        self.absorb(id, &mut input, 0)
    }

    /// Passes over the 0 before a value that is no struct.
    pub(crate) fn top(&self, id: i64, input: &mut Reader<'_>) -> Result<(), Error> {
        if !matches!(self.get(id)?, Type::Struct(..)) && input.byte()? != 0 {
            return Err(Error::new("a value that is no struct must begin with 0"));
        }
        Ok(())
    }

    /// Whether a value of this type can hold an interface.
    pub(crate) fn is_open(&self, id: i64) -> Result<bool, Error> {
        Ok(self.reachable(id)?.contains(&INTERFACE))
    }
}

/// Reads definitions that stand in an interface, and gives the number of the type that follows them.
pub(crate) fn inline_definitions(
    mut id: i64,
    input: &mut Reader<'_>,
    mut f: impl FnMut(i64, Type) -> Result<(), Error>,
) -> Result<i64, Error> {
    while id < 0 {
        let ty = read_wire_type(input)?;
        f(id.saturating_neg(), ty)?;
        // Go ends its message here and begins another, unless it is inside of an interface already.
        if input.is_empty() {
            return Err(Error::GoesOn);
        }
        // The length of what follows.
        input.uint()?;
        id = input.int()?;
    }
    Ok(id)
}

/// Reads the numbers of a struct's fields, which are written as distances.
#[derive(Default)]
pub(crate) struct Field(usize);

impl Field {
    /// The next field that is there; `None` at the end.
    pub(crate) fn next(&mut self, fields: usize, input: &mut Reader<'_>) -> Result<Option<usize>, Error> {
        let distance = usize::try_from(input.uint()?).unwrap_or(usize::MAX);
        if distance == 0 {
            return Ok(None);
        }
        self.0 = self
            .0
            .checked_add(distance)
            .filter(|at| *at <= fields)
            .ok_or_else(|| Error::new("a field's number is beyond its struct"))?;
        Ok(Some(self.0 - 1))
    }
}

fn unknown() -> Error {
    Error::new("the definition of a type is malformed")
}

fn read_wire_type(input: &mut Reader<'_>) -> Result<Type, Error> {
    let mut kind = Field::default();
    let mut found = None;
    while let Some(kind) = kind.next(7, input)? {
        if found.is_some() {
            return Err(unknown());
        }
        found = Some(read_kind(kind, input)?);
    }
    found.ok_or_else(unknown)
}

/// A value of one of the structs that `wireType` consists of. Their first field is the `CommonType`.
fn read_kind(kind: usize, input: &mut Reader<'_>) -> Result<Type, Error> {
    let (mut name, mut fields, mut numbers) = (String::new(), Vec::new(), [0; 3]);
    let count = match kind {
        0 | 3 => 3,
        1 | 2 => 2,
        _ => 1,
    };
    let mut at = Field::default();
    while let Some(field) = at.next(count, input)? {
        match (kind, field) {
            (_, 0) => name = read_common(input)?,
            (2, _) => fields = read_fields(input)?,
            (_, field) => numbers[field] = input.int()?,
        }
    }
    Ok(match kind {
        0 => Type::Array(numbers[1], u64::try_from(numbers[2]).map_err(|_| unknown())?),
        1 => Type::Slice(numbers[1]),
        2 => Type::Struct(name, fields),
        3 => Type::Map(numbers[1], numbers[2]),
        6 => Type::Text,
        _ => Type::Opaque,
    })
}

/// The name; the number is known already.
fn read_common(input: &mut Reader<'_>) -> Result<String, Error> {
    let mut name = String::new();
    let mut at = Field::default();
    while let Some(field) = at.next(2, input)? {
        match field {
            0 => name = input.text()?.to_owned(),
            _ => drop(input.int()?),
        }
    }
    Ok(name)
}

fn read_fields(input: &mut Reader<'_>) -> Result<Vec<(String, i64)>, Error> {
    let count = input.count()?;
    if count > MAX_FIELDS {
        return Err(Error::new("a struct has too many fields"));
    }
    let one = |_| {
        let (mut name, mut id) = (String::new(), 0);
        let mut at = Field::default();
        while let Some(field) = at.next(2, input)? {
            match field {
                0 => name = input.text()?.to_owned(),
                _ => id = input.int()?,
            }
        }
        Ok((name, id))
    };
    (0..count).map(one).collect()
}

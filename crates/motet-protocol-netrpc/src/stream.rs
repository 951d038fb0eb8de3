//! The two directions of a connection: each is one stream of gob, with types of its own.

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use motet_core::{Map, Set};
use motet_rpc::exchange::Fault;
use serde::{Deserialize, Serialize};

use crate::gob::{self, FIRST_ID, One, Reader, Table, Type, Types};

/// How many types one side defines in a connection's life.
const MAX_OWN_TYPES: usize = 4096;
/// How many bytes the definitions of those types may have that are kept ready for further values, in each
/// direction of a connection. Those of 40 fields have about 600.
const MAX_READY: usize = 64 << 10;

/// The header of a call, and of a reply with its error.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Header {
    pub(crate) service_method: String,
    pub(crate) seq: u64,
    pub(crate) error: String,
}

/// What comes: messages cut from the stream, and the types that they define.
pub(crate) struct Arriving {
    types: Types,
    /// Those that cannot hold an interface.
    closed: Set<i64>,
    ready: Ready<i64, Arc<Table>>,
    max_message: usize,
    /// A value that goes on in the next message, and of how many it consists so far.
    begun: Option<(Arrived, usize)>,
}

/// A value that came.
pub(crate) struct Arrived {
    id: i64,
    /// What stands behind the type's number.
    value: Bytes,
}

impl Arriving {
    pub(crate) fn new(max_message: usize) -> Arriving {
        Arriving { types: Types::default(), closed: Set::default(), ready: Ready::default(), max_message, begun: None }
    }

    /// The next value; `None` until it is there.
    pub(crate) fn next(&mut self, input: &mut BytesMut) -> Result<Option<Arrived>, Fault> {
        while let Some(message) = self.cut(input)? {
            if let Some((arrived, parts)) = self.begun.take() {
                let mut value = BytesMut::from(&arrived.value[..]);
                gob::join(&mut value, &message);
                if value.len() > self.max_message || parts == gob::MAX_PARTS {
                    return Err(Fault::over_limit("a value is too long"));
                }
                let arrived = Arrived { id: arrived.id, value: value.freeze() };
                match self.whole(arrived, parts + 1) {
                    Some(arrived) => return Ok(Some(arrived)),
                    None => continue,
                }
            }
            let mut inside = Reader::new(&message);
            let id = inside.int().map_err(|_| Fault::malformed("a message has no type"))?;
            if id >= 0 {
                let arrived = Arrived { id, value: message.slice_ref(inside.rest()) };
                match self.whole(arrived, 1) {
                    Some(arrived) => return Ok(Some(arrived)),
                    None => continue,
                }
            }
            let defined = self.types.define(id.saturating_neg(), &mut inside);
            if defined.is_err() || !inside.is_empty() {
                return Err(Fault::malformed("the definition of a type is malformed, twice there, or one too many"));
            }
        }
        Ok(None)
    }

    /// Keeps a value that goes on in the next message, and takes in the types that it defines.
    fn whole(&mut self, arrived: Arrived, parts: usize) -> Option<Arrived> {
        if self.closed.contains(&arrived.id) {
            return Some(arrived);
        }
        // What a type is made of does not change once all of it is defined.
        if self.types.is_open(arrived.id) == Ok(false) {
            self.closed.insert(arrived.id);
            return Some(arrived);
        }
        match self.types.absorb_value(arrived.id, &arrived.value) {
            Err(gob::Error::GoesOn) => {
                self.begun = Some((arrived, parts));
                None
            }
            // Whoever reads the value says what is wrong with it.
            _ => Some(arrived),
        }
    }

    /// The next message without its length.
    fn cut(&self, input: &mut BytesMut) -> Result<Option<Bytes>, Fault> {
        let Some(first) = input.first() else { return Ok(None) };
        let prefix = if *first < 0x80 { 1 } else { 1 + usize::from(first.wrapping_neg()) };
        if prefix > 9 {
            return Err(Fault::malformed("a message's length has more than 8 bytes"));
        }
        if input.len() < prefix {
            return Ok(None);
        }
        let length = Reader::new(&input[..prefix]).uint().map_err(|_| Fault::malformed("a length is malformed"))?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > self.max_message {
            return Err(Fault::over_limit("a message is too long"));
        }
        if length == 0 {
            return Err(Fault::malformed("a message is empty"));
        }
        if input.len() < prefix + length {
            return Ok(None);
        }
        input.advance(prefix);
        Ok(Some(input.split_to(length).freeze()))
    }

    /// Reads a header: a struct whatever its number.
    pub(crate) fn header(&self, arrived: &Arrived) -> Result<Header, Fault> {
        let malformed = |_| Fault::malformed("a header is malformed");
        gob::read(&self.types, arrived.id, &arrived.value).map_err(malformed)
    }

    /// The value with the definitions of its types.
    ///
    /// # Errors
    /// A type is not defined.
    pub(crate) fn one(&mut self, arrived: Arrived) -> Result<One, gob::Error> {
        let Arrived { id, value } = arrived;
        if let Some(table) = self.ready.get(&id) {
            return Ok(One { table: table.clone(), value });
        }
        let mut types = Types::default();
        for id in self.types.closure(id)? {
            types.insert(id, self.types.get(id)?.clone())?;
        }
        let table = Table::new(types, id)?;
        // What can hold an interface may hold types that are defined later.
        if !table.is_open {
            self.ready.keep(id, table.clone(), table.definitions.len());
        }
        Ok(One { table, value })
    }
}

/// What was made ready for values of a type; all is dropped when it takes too much.
struct Ready<K, V> {
    all: Map<K, V>,
    size: usize,
}

impl<K, V> Default for Ready<K, V> {
    fn default() -> Self {
        Ready { all: Map::default(), size: 0 }
    }
}

impl<K: Eq + std::hash::Hash, V> Ready<K, V> {
    /// What an entry takes beside its definitions, at least.
    const ENTRY: usize = 256;

    fn get(&self, key: &K) -> Option<&V> {
        self.all.get(key)
    }

    fn keep(&mut self, key: K, value: V, definitions: usize) {
        let size = Self::ENTRY + definitions;
        if self.size + size > MAX_READY {
            (self.all, self.size) = (Map::default(), 0);
        }
        if size <= MAX_READY {
            self.size += size;
            self.all.insert(key, value);
        }
    }
}

/// What goes: the types that were defined, by what they are made of.
#[derive(Default)]
pub(crate) struct Leaving {
    numbers: Map<Type, i64>,
    /// The number of the header's type.
    header: Option<i64>,
    /// The numbers of tables, by where they lie; they are kept, so that no other comes to lie there.
    ready: Ready<usize, (Arc<Table>, i64)>,
}

impl Leaving {
    /// Appends a header, which always has the same name.
    pub(crate) fn header(&mut self, name: &str, header: &Header, out: &mut BytesMut) {
        let id = match self.header {
            Some(id) => id,
            None => {
                let mut fields = vec![("ServiceMethod".to_owned(), gob::STRING), ("Seq".to_owned(), gob::UINT)];
                if name == "Response" {
                    fields.push(("Error".to_owned(), gob::STRING));
                }
                let id = self.number(Type::Struct(name.to_owned(), fields), out);
                *self.header.insert(id)
            }
        };
        let written = gob::write_message(id, out, |out| {
            write_header(header, out);
            Ok(())
        });
        written.expect("a header is always written");
    }

    /// The number of a value's type; the definitions that the peer does not know yet are appended to
    /// `definitions`.
    ///
    /// # Errors
    /// The value cannot be passed on. Types may have been defined all the same.
    pub(crate) fn define(&mut self, one: &One, definitions: &mut BytesMut) -> Result<i64, gob::Error> {
        let table = &one.table;
        let key = Arc::as_ptr(table).addr();
        let id = match self.ready.get(&key) {
            Some((_, id)) => *id,
            None => {
                let id = self.intern(&table.types, table.id, &mut Map::default(), 0, definitions)?;
                self.ready.keep(key, (table.clone(), id), table.definitions.len());
                id
            }
        };
        if table.is_open {
            // What it holds must have a type that every stream knows: numbers are not looked for in values.
            let mut input = Reader::new(&one.value);
            table.types.top(table.id, &mut input)?;
            table.types.skip(table.id, &mut input, true, 0)?;
        }
        Ok(id)
    }

    /// The number of a type in this stream.
    fn intern(
        &mut self,
        types: &Types,
        id: i64,
        done: &mut Map<i64, i64>,
        depth: usize,
        out: &mut BytesMut,
    ) -> Result<i64, gob::Error> {
        if id < FIRST_ID {
            return Ok(id);
        }
        if let Some(own) = done.get(&id) {
            return Ok(*own);
        }
        if depth > gob::MAX_DEPTH {
            return Err(gob::Error::new("a type that holds itself cannot be passed on"));
        }
        let ty = types.get(id)?.with_parts(|part| self.intern(types, part, done, depth + 1, out))?;
        if self.numbers.len() >= MAX_OWN_TYPES && !self.numbers.contains_key(&ty) {
            return Err(gob::Error::new("this connection has defined too many types; give optional fields a schema"));
        }
        let own = self.number(ty, out);
        done.insert(id, own);
        Ok(own)
    }

    fn number(&mut self, ty: Type, out: &mut BytesMut) -> i64 {
        if let Some(id) = self.numbers.get(&ty) {
            return *id;
        }
        let id = FIRST_ID + 1 + self.numbers.len() as i64;
        ty.write_definition(id, out);
        self.numbers.insert(ty, id);
        id
    }
}

/// Appends the fields of a header.
fn write_header(header: &Header, out: &mut BytesMut) {
    use gob::{put_text, put_uint};
    let mut last = 0;
    let mut distance = |at: u64, out: &mut BytesMut| put_uint(at - std::mem::replace(&mut last, at), out);
    if !header.service_method.is_empty() {
        distance(1, out);
        put_text(&header.service_method, out);
    }
    if header.seq > 0 {
        distance(2, out);
        put_uint(header.seq, out);
    }
    if !header.error.is_empty() {
        distance(3, out);
        put_text(&header.error, out);
    }
    put_uint(0, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_ready_is_bounded() {
        let mut ready = Ready::default();
        for n in 0..10_000_usize {
            ready.keep(n, (), n % 2000);
            assert!(ready.size <= MAX_READY && ready.all.len() <= MAX_READY / Ready::<usize, ()>::ENTRY);
            assert!(ready.get(&n).is_some());
        }
        ready.keep(0, (), MAX_READY);
        assert!(ready.get(&0).is_none(), "too large by itself");
    }

    /// A stream of struct types that each hold the one before: all of them are read, few are kept ready.
    #[test]
    fn values_of_ever_more_types_are_read() {
        let (mut arriving, mut input) = (Arriving::new(1 << 20), BytesMut::new());
        for n in 0..300_i64 {
            let id = FIRST_ID + 1 + n;
            let of = if n == 0 { gob::INT } else { id - 1 };
            Type::Struct(String::new(), vec![("Inner".to_owned(), of)]).write_definition(id, &mut input);
            gob::write_value(id, &[0], &mut input);
        }
        for n in 0..300 {
            let arrived = arriving.next(&mut input).expect("gob").expect("a value");
            let one = arriving.one(arrived).expect("its types are defined");
            assert_eq!((one.table.id, one.table.types.ids().count()), (FIRST_ID + 1 + n, 1 + n as usize));
            assert!(arriving.ready.size <= MAX_READY);
        }
    }
}

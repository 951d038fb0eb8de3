//! The two directions of a connection: each is one stream of gob, with types of its own.

use bytes::{Buf, Bytes, BytesMut};
use motet_core::Map;
use motet_rpc::exchange::Fault;
use serde::{Deserialize, Serialize};

use crate::gob::{self, FIRST_ID, One, Reader, Type, Types};

/// How many types one side defines in a connection's life.
const MAX_OWN_TYPES: usize = 4096;

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

impl Arrived {
    pub(crate) fn len(&self) -> usize {
        self.value.len()
    }
}

impl Arriving {
    pub(crate) fn new(max_message: usize) -> Arriving {
        Arriving { types: Types::default(), max_message, begun: None }
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
    pub(crate) fn one(&self, arrived: &Arrived) -> Result<One, gob::Error> {
        let mut types = Types::default();
        for id in self.types.closure(arrived.id)? {
            types.insert(id, self.types.get(id)?.clone())?;
        }
        Ok(One { types, id: arrived.id, value: arrived.value.clone() })
    }
}

/// What goes: the types that were defined, by what they are made of.
#[derive(Default)]
pub(crate) struct Leaving {
    numbers: Map<Type, i64>,
}

impl Leaving {
    /// Appends a header.
    pub(crate) fn header(&mut self, name: &str, header: &Header, out: &mut BytesMut) {
        use gob::{put_text, put_uint};
        let mut fields = vec![("ServiceMethod".to_owned(), gob::STRING), ("Seq".to_owned(), gob::UINT)];
        if name == "Response" {
            fields.push(("Error".to_owned(), gob::STRING));
        }
        let id = self.number(Type::Struct(name.to_owned(), fields), out);
        let mut value = BytesMut::new();
        let mut last = 0;
        let mut distance = |at: u64, value: &mut BytesMut| put_uint(at - std::mem::replace(&mut last, at), value);
        if !header.service_method.is_empty() {
            distance(1, &mut value);
            put_text(&header.service_method, &mut value);
        }
        if header.seq > 0 {
            distance(2, &mut value);
            put_uint(header.seq, &mut value);
        }
        if !header.error.is_empty() {
            distance(3, &mut value);
            put_text(&header.error, &mut value);
        }
        put_uint(0, &mut value);
        gob::write_value(id, &value, out);
    }

    /// Appends a value, and before it the types that the peer does not know yet.
    ///
    /// # Errors
    /// The value cannot be passed on. Types may have been defined all the same.
    pub(crate) fn value(&mut self, one: &One, out: &mut BytesMut) -> Result<(), gob::Error> {
        let id = self.intern(&one.types, one.id, &mut Map::default(), 0, out)?;
        if one.types.is_open(one.id)? {
            // What it holds must have a type that every stream knows: numbers are not looked for in values.
            let mut input = Reader::new(&one.value);
            one.types.top(one.id, &mut input)?;
            one.types.skip(one.id, &mut input, true, 0)?;
        }
        gob::write_value(id, &one.value, out);
        Ok(())
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

//! The types of a value, made ready once for all values of its type.

use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};

use super::{Error, FIRST_ID, Type, Types};

/// A type with all that it is made of, and how it is defined. Values of one type share it.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) types: Types,
    pub(crate) id: i64,
    /// The messages that define it: what stands before a value.
    pub(crate) definitions: Bytes,
    /// Whether its values can hold an interface, and with it values of other types.
    pub(crate) is_open: bool,
    /// The type as the only field of a struct, by the first name that was asked for.
    wrapped: OnceLock<(String, Arc<Table>)>,
    /// The type of the only field.
    bare: OnceLock<Arc<Table>>,
}

impl Table {
    /// # Errors
    /// A type is not defined.
    pub(crate) fn new(types: Types, id: i64) -> Result<Arc<Table>, Error> {
        let mut definitions = BytesMut::new();
        for id in types.closure(id)? {
            types.get(id)?.write_definition(id, &mut definitions);
        }
        let (definitions, is_open) = (definitions.freeze(), types.is_open(id)?);
        Ok(Arc::new(Table { types, id, definitions, is_open, wrapped: OnceLock::new(), bare: OnceLock::new() }))
    }

    /// The empty struct, which Go calls `struct{}`.
    pub(crate) fn empty() -> Arc<Table> {
        let mut types = Types::default();
        types.insert(FIRST_ID + 1, Type::Struct(String::new(), Vec::new())).expect("the table was empty");
        Table::new(types, FIRST_ID + 1).expect("its type is defined")
    }

    pub(crate) fn is_struct(&self) -> bool {
        matches!(self.types.get(self.id), Ok(Type::Struct(..)))
    }

    /// The struct's fields.
    pub(crate) fn fields(&self) -> &[(String, i64)] {
        match self.types.get(self.id) {
            Ok(Type::Struct(_, fields)) => fields,
            _ => &[],
        }
    }

    /// The type as the only field of a struct.
    pub(crate) fn wrapped(&self, field: &str) -> Result<Arc<Table>, Error> {
        if let Some((_, known)) = self.wrapped.get().filter(|(known, _)| known == field) {
            return Ok(known.clone());
        }
        let mut types = self.types.clone();
        let wrapper = types.free_id();
        types.insert(wrapper, Type::Struct(String::new(), vec![(field.to_owned(), self.id)]))?;
        let made = Table::new(types, wrapper)?;
        let _ = self.wrapped.set((field.to_owned(), made.clone()));
        Ok(made)
    }

    /// The type of the struct's only field; `None` where it is no such struct.
    pub(crate) fn bare(&self) -> Option<Arc<Table>> {
        let [(_, id)] = self.fields() else { return None };
        if let Some(known) = self.bare.get() {
            return Some(known.clone());
        }
        let made = Table::new(self.types.clone(), *id).ok()?;
        let _ = self.bare.set(made.clone());
        Some(made)
    }
}

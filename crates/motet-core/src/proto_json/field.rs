//! Fields: values with the way in which they are written, as serde wants them.

use std::{fmt, marker::PhantomData};

use schemars::{Schema, SchemaGenerator};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, DeserializeSeed, Visitor},
};

use super::ProtoJson;

/// A way to write values of type `T`.
pub trait As<T>: Sized {
    /// As [`ProtoJson::write`].
    ///
    /// # Errors
    /// As there.
    fn write<S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error>;

    /// As [`ProtoJson::read`].
    ///
    /// # Errors
    /// As there.
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error>;

    /// As [`ProtoJson::schema`].
    fn schema(generator: &mut SchemaGenerator) -> Schema;

    /// As [`ProtoJson::is_absent`].
    fn is_absent(value: &T) -> bool;

    /// As [`ProtoJson::null`].
    fn null() -> Option<T> {
        None
    }
}

/// As its type says.
#[derive(Debug)]
pub enum Auto {}

impl<T: ProtoJson> As<T> for Auto {
    fn write<S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        value.write(serializer)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        T::read(deserializer)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        T::schema(generator)
    }

    fn is_absent(value: &T) -> bool {
        value.is_absent()
    }

    fn null() -> Option<T> {
        T::null()
    }
}

/// A number that stands for a value of the enum `E`.
#[derive(Debug)]
pub struct Enum<E>(PhantomData<fn() -> E>);

/// An enum's values and their names.
pub trait NamedEnum {
    /// Numbers and names, as declared.
    const VALUES: &'static [(i32, &'static str)];
}

impl<E: NamedEnum> As<i32> for Enum<E> {
    fn write<S: Serializer>(value: &i32, serializer: S) -> Result<S::Ok, S::Error> {
        let named = E::VALUES.iter().find(|(number, _)| number == value);
        match named.filter(|_| serializer.is_human_readable()) {
            Some((_, name)) => serializer.serialize_str(name),
            None => serializer.serialize_i32(*value),
        }
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
        struct Read<E>(PhantomData<fn() -> E>);
        impl<E: NamedEnum> Visitor<'_> for Read<E> {
            type Value = i32;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name or number of an enum's value")
            }

            fn visit_str<X: de::Error>(self, name: &str) -> Result<i32, X> {
                let named = E::VALUES.iter().find(|(_, known)| *known == name);
                named.map(|(number, _)| *number).ok_or_else(|| X::custom("no value of the enum has this name"))
            }

            fn visit_i64<X: de::Error>(self, number: i64) -> Result<i32, X> {
                i32::try_from(number).map_err(|_| X::custom("an enum's number is a 32-bit integer"))
            }

            fn visit_u64<X: de::Error>(self, number: u64) -> Result<i32, X> {
                i32::try_from(number).map_err(|_| X::custom("an enum's number is a 32-bit integer"))
            }
        }
        deserializer.deserialize_any(Read::<E>(PhantomData))
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<_> = E::VALUES.iter().map(|(_, name)| *name).collect();
        schemars::json_schema!({ "type": "string", "enum": names })
    }

    fn is_absent(value: &i32) -> bool {
        *value == 0
    }
}

impl<E: NamedEnum> As<Option<i32>> for Enum<E> {
    fn write<S: Serializer>(value: &Option<i32>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => <Self as As<i32>>::write(value, serializer),
            None => serializer.serialize_unit(),
        }
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i32>, D::Error> {
        <Self as As<i32>>::read(deserializer).map(Some)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        <Self as As<i32>>::schema(generator)
    }

    fn is_absent(value: &Option<i32>) -> bool {
        value.is_none()
    }
}

/// The only value of `google.protobuf.NullValue`.
#[derive(Debug)]
pub enum Null {}

macro_rules! null {
    ($($ty:ty: $absent:expr, $value:expr;)+) => {$(
        impl As<$ty> for Null {
            fn write<S: Serializer>(_: &$ty, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_unit()
            }

            fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<$ty, D::Error> {
                de::IgnoredAny::deserialize(deserializer).map(|_| $value)
            }

            fn schema(_: &mut SchemaGenerator) -> Schema {
                schemars::json_schema!({ "type": "null" })
            }

            fn is_absent(value: &$ty) -> bool {
                let absent: fn(&$ty) -> bool = $absent;
                absent(value)
            }

            fn null() -> Option<$ty> {
                Some($value)
            }
        }
    )+};
}

null! {
    i32: |_| true, 0;
    Option<i32>: Option::is_none, Some(0);
}

/// A value to be written so.
#[derive(Debug)]
pub struct Value<'a, A, T>(&'a T, PhantomData<fn() -> A>);

impl<'a, A, T> Value<'a, A, T> {
    /// The value.
    pub fn new(value: &'a T) -> Self {
        Value(value, PhantomData)
    }
}

impl<A: As<T>, T> Serialize for Value<'_, A, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        A::write(self.0, serializer)
    }
}

/// Reads a field's value; `None` where it is null.
#[derive(Debug)]
pub struct Field<A, T>(PhantomData<fn() -> (A, T)>);

impl<A, T> Default for Field<A, T> {
    fn default() -> Self {
        Field(PhantomData)
    }
}

impl<'de, A: As<T>, T> DeserializeSeed<'de> for Field<A, T> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de, A: As<T>, T> Visitor<'de> for Field<A, T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or null")
    }

    fn visit_none<E: de::Error>(self) -> Result<Option<T>, E> {
        Ok(A::null())
    }

    fn visit_unit<E: de::Error>(self) -> Result<Option<T>, E> {
        Ok(A::null())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        A::read(deserializer).map(Some)
    }
}

/// A value that may not be null: an element of a list.
pub(super) struct Element<A, T>(pub(super) PhantomData<fn() -> (A, T)>);

impl<'de, A: As<T>, T> DeserializeSeed<'de> for Element<A, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        Field::<A, T>::default().deserialize(deserializer)?.ok_or_else(|| de::Error::custom("an element is null"))
    }
}

/// The name of a field.
#[derive(Debug)]
pub struct Key(String);

impl Key {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Key)
    }
}

/// What is said where something else than an object stands.
///
/// # Errors
/// The formatter's.
pub fn expect_object(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    write!(f, "an object, the message {name}")
}

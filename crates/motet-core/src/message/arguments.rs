//! An object whose fields are a tuple: the arguments of a method, the fields of a typed error.

use std::{borrow::Cow, fmt, marker::PhantomData};

use bytes::Bytes;
use motet_protobuf::{Describe, FieldDesc, FieldType, Shape, order, single};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
    ser::SerializeStruct,
};

use super::{MessageType, Portable};
use crate::{
    Codec, Family,
    validate::{Report, Validate},
};

/// The names of the fields of [`Arguments`], in order: at most eight.
pub trait Names: Send + Sync + 'static {
    /// The name of the object, such as `HelloRequest`.
    const NAME: &'static str;
    /// The names of the fields.
    const FIELDS: &'static [&'static str];
    /// The positions of the fields whose values must never be shown.
    const SENSITIVE: &'static [usize] = &[];
    /// The module that declares it.
    const MODULE: &'static str = "";

    /// Whether the field at this position must never be shown.
    fn is_sensitive(at: usize) -> bool {
        Self::SENSITIVE.contains(&at)
    }
}

/// An object with the fields that `N` names and the values of the tuple `A`. It is read by name
/// or, from an array, by position, and what is broken in it is found at the field's name.
pub struct Arguments<N, A> {
    values: A,
    names: PhantomData<fn() -> N>,
}

impl<N, A> Arguments<N, A> {
    /// The object of these values.
    pub fn new(values: A) -> Arguments<N, A> {
        Arguments { values, names: PhantomData }
    }

    /// The values.
    pub fn into_values(self) -> A {
        self.values
    }
}

/// Shows the names only: the values may be sensitive.
impl<N: Names, A> fmt::Debug for Arguments<N, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", N::NAME, N::FIELDS)
    }
}

/// Reads the position of a field from its name or number.
struct Key<'a>(&'a [&'static str]);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|field| *field == name))
    }

    fn visit_bytes<E: de::Error>(self, name: &[u8]) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|field| field.as_bytes() == name))
    }

    fn visit_u64<E: de::Error>(self, at: u64) -> Result<Self::Value, E> {
        Ok(usize::try_from(at).ok().filter(|at| *at < self.0.len()))
    }
}

/// Reads the tuple `A` from an object whose fields have these names, or from an array.
struct Read<'a, A> {
    names: &'a [&'static str],
    values: PhantomData<fn() -> A>,
}

impl<A> Clone for Read<'_, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A> Copy for Read<'_, A> {}

/// Arguments whose names are known at run time only, as a closure's are.
pub trait ArgumentTuple: Sized + Send + Sync + 'static {
    /// Reads them from a body that is an object with these names, or an array in their order. Binary
    /// protobuf goes by position alone.
    ///
    /// # Errors
    /// InvalidArgument naming the argument, never quoting the input.
    fn read(names: &[&'static str], codec: &Codec, bytes: &Bytes) -> crate::Result<Self>;

    /// Checks the constraints declared on their types.
    ///
    /// # Errors
    /// InvalidArgument listing field and rule.
    fn check(&self, names: &[&'static str]) -> crate::Result<()>;

    /// The JSON schema of the object with these names.
    fn schema(names: &[&'static str]) -> serde_json::Value;
}

impl ArgumentTuple for () {
    fn read(_: &[&'static str], codec: &Codec, bytes: &Bytes) -> crate::Result<()> {
        MessageType::empty(Family::Serde).decode(codec, bytes).map(drop)
    }

    fn check(&self, _: &[&'static str]) -> crate::Result<()> {
        Ok(())
    }

    fn schema(_: &[&'static str]) -> serde_json::Value {
        MessageType::empty(Family::Serde).schema()
    }
}

/// What the n-th argument is called where its name plays no part.
enum Positional {}

impl Names for Positional {
    const NAME: &'static str = "Arguments";
    const FIELDS: &'static [&'static str] =
        &["argument1", "argument2", "argument3", "argument4", "argument5", "argument6", "argument7", "argument8"];
}

fn read_named<A>(names: &[&'static str], codec: &Codec, bytes: &Bytes) -> crate::Result<A>
where
    A: 'static,
    for<'a, 'de> Read<'a, A>: DeserializeSeed<'de, Value = A>,
    Arguments<Positional, A>: de::DeserializeOwned + Shape,
{
    if *codec == Codec::PROTOBUF {
        return codec.decode::<Arguments<Positional, A>>(bytes).map(Arguments::into_values);
    }
    codec.decode_seed(bytes, names, Read { names, values: PhantomData })
}

/// The value of a field that did not come: `None` for an option, else an error that names it.
fn missing<'de, T: Deserialize<'de>, E: de::Error>(name: &'static str) -> Result<T, E> {
    struct Absent<E>(&'static str, PhantomData<E>);
    impl<'de, E: de::Error> Deserializer<'de> for Absent<E> {
        type Error = E;
        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, E> {
            Err(E::missing_field(self.0))
        }
        fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
            visitor.visit_none()
        }
        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
            unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
        }
    }
    T::deserialize(Absent(name, PhantomData))
}

fn object(names: &[&'static str], fields: Vec<Schema>, sensitive: &dyn Fn(usize) -> bool) -> Schema {
    let (mut properties, mut required) = (serde_json::Map::new(), Vec::new());
    for (at, (name, mut field)) in names.iter().zip(fields).enumerate() {
        if !is_optional(&field) {
            required.push(*name);
        }
        if sensitive(at) {
            field.insert("x-sensitive".to_owned(), true.into());
            field.insert("writeOnly".to_owned(), true.into());
        }
        properties.insert((*name).to_owned(), field.to_value());
    }
    schemars::json_schema!({ "type": "object", "properties": properties, "required": required })
}

fn is_optional(schema: &Schema) -> bool {
    let null = |value: &serde_json::Value| value == "null" || value.get("type").is_some_and(|ty| ty == "null");
    ["type", "anyOf"].iter().any(|key| schema.get(*key).and_then(|v| v.as_array()).is_some_and(|v| v.iter().any(null)))
}

macro_rules! arguments {
    ($($len:literal: $($name:ident $local:ident $at:tt $number:literal),+;)+) => {$(
        impl<N: Names, $($name: Serialize),+> Serialize for Arguments<N, ($($name,)+)> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut object = serializer.serialize_struct(N::NAME, $len)?;
                $(object.serialize_field(N::FIELDS[$at], &self.values.$at)?;)+
                object.end()
            }
        }

        impl<'de, N: Names, $($name: Deserialize<'de>),+> Deserialize<'de> for Arguments<N, ($($name,)+)> {
            fn deserialize<De: Deserializer<'de>>(deserializer: De) -> Result<Self, De::Error> {
                let read = Read::<($($name,)+)> { names: N::FIELDS, values: PhantomData };
                deserializer.deserialize_struct(N::NAME, N::FIELDS, read).map(Arguments::new)
            }
        }

        impl<'de, $($name: Deserialize<'de>),+> DeserializeSeed<'de> for Read<'_, ($($name,)+)> {
            type Value = ($($name,)+);

            fn deserialize<De: Deserializer<'de>>(self, deserializer: De) -> Result<Self::Value, De::Error> {
                deserializer.deserialize_any(self)
            }
        }

        impl<'de, $($name: Deserialize<'de>),+> Visitor<'de> for Read<'_, ($($name,)+)> {
            type Value = ($($name,)+);

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an object with {}", self.names.join(", "))
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Self::Value, S::Error> {
                Ok(($(match seq.next_element::<$name>()? {
                    Some(value) => value,
                    None => missing(self.names[$at])?,
                },)+))
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                $(let mut $local: Option<$name> = None;)+
                while let Some(at) = map.next_key_seed(Key(self.names))? {
                    match at {
                        $(Some($at) if $local.is_some() => {
                            return Err(de::Error::duplicate_field(self.names[$at]));
                        })+
                        $(Some($at) => $local = Some(map.next_value()?),)+
                        _ => { map.next_value::<IgnoredAny>()?; }
                    }
                }
                Ok(($(match $local {
                    Some(value) => value,
                    None => missing(self.names[$at])?,
                },)+))
            }
        }

        impl<$($name: Portable),+> ArgumentTuple for ($($name,)+) {
            fn read(names: &[&'static str], codec: &Codec, bytes: &Bytes) -> crate::Result<Self> {
                read_named(names, codec, bytes)
            }

            fn check(&self, names: &[&'static str]) -> crate::Result<()> {
                let mut report = Report::default();
                $(report.field(names[$at], |report| self.$at.validate(report));)+
                if report.is_empty() { Ok(()) } else { Err(report.into_status()) }
            }

            fn schema(names: &[&'static str]) -> serde_json::Value {
                let mut generator = SchemaGenerator::default();
                let fields = vec![$(generator.subschema_for::<$name>()),+];
                let mut schema = object(names, fields, &|_| false);
                let definitions = generator.take_definitions(true);
                if !definitions.is_empty() {
                    schema.insert("$defs".to_owned(), definitions.into());
                }
                schema.to_value()
            }
        }

        impl<N: Names, $($name: Shape),+> Describe for Arguments<N, ($($name,)+)> {
            const NAME: &'static str = N::NAME;
            const MODULE: &'static str = N::MODULE;
            const FIELDS: &'static [FieldDesc] = &[$(field::<N, $name>($at, $number)),+];
            const ORDER: &'static [u16] = &order::<$len>(Self::FIELDS);
        }

        impl<N: Names, $($name: Shape),+> Shape for Arguments<N, ($($name,)+)> {
            type Card = single::One;
            const TYPE: FieldType = FieldType::message::<Self>();
        }

        impl<N: Names, $($name: JsonSchema),+> JsonSchema for Arguments<N, ($($name,)+)> {
            fn schema_name() -> Cow<'static, str> {
                N::NAME.into()
            }

            fn schema_id() -> Cow<'static, str> {
                std::any::type_name::<Self>().into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                object(N::FIELDS, vec![$(generator.subschema_for::<$name>()),+], &N::is_sensitive)
            }
        }

        impl<N: Names, $($name: Validate),+> Validate for Arguments<N, ($($name,)+)> {
            fn validate(&self, report: &mut Report) {
                $(report.field(N::FIELDS[$at], |report| self.values.$at.validate(report));)+
            }
        }
    )+};
}

const fn field<N: Names, T: Shape>(at: usize, number: u32) -> FieldDesc {
    let field = FieldDesc::of::<T>(N::FIELDS[at], number);
    let mut n = 0;
    while n < N::SENSITIVE.len() {
        if N::SENSITIVE[n] == at {
            return field.with_sensitive();
        }
        n += 1;
    }
    field
}

arguments! {
    1: A a 0 1;
    2: A a 0 1, B b 1 2;
    3: A a 0 1, B b 1 2, C c 2 3;
    4: A a 0 1, B b 1 2, C c 2 3, D d 3 4;
    5: A a 0 1, B b 1 2, C c 2 3, D d 3 4, E e 4 5;
    6: A a 0 1, B b 1 2, C c 2 3, D d 3 4, E e 4 5, F f 5 6;
    7: A a 0 1, B b 1 2, C c 2 3, D d 3 4, E e 4 5, F f 5 6, G g 6 7;
    8: A a 0 1, B b 1 2, C c 2 3, D d 3 4, E e 4 5, F f 5 6, G g 6 7, H h 7 8;
}

//! An object whose fields are a tuple: the arguments of a method, the fields of a typed error.

use std::{borrow::Cow, fmt, marker::PhantomData};

use motet_protobuf::{Describe, FieldDesc, FieldType, Shape, order, single};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor},
    ser::SerializeStruct,
};

use crate::validate::{Report, Validate};

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

/// The position of a field, from its name or number.
struct Key<N>(Option<usize>, PhantomData<fn() -> N>);

impl<'de, N: Names> Deserialize<'de> for Key<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read<N>(PhantomData<fn() -> N>);
        impl<N: Names> Visitor<'_> for Read<N> {
            type Value = Key<N>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a field name")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Key<N>, E> {
                Ok(Key(N::FIELDS.iter().position(|field| *field == name), PhantomData))
            }
            fn visit_bytes<E: de::Error>(self, name: &[u8]) -> Result<Key<N>, E> {
                Ok(Key(N::FIELDS.iter().position(|field| field.as_bytes() == name), PhantomData))
            }
            fn visit_u64<E: de::Error>(self, at: u64) -> Result<Key<N>, E> {
                Ok(Key(usize::try_from(at).ok().filter(|at| *at < N::FIELDS.len()), PhantomData))
            }
        }
        deserializer.deserialize_identifier(Read(PhantomData))
    }
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

fn schema<N: Names>(fields: Vec<Schema>) -> Schema {
    let required: Vec<_> = N::FIELDS.iter().zip(&fields).filter(|(_, schema)| !is_optional(schema)).collect();
    let required: Vec<_> = required.into_iter().map(|(name, _)| *name).collect();
    let mut properties = serde_json::Map::new();
    for (at, (name, mut field)) in N::FIELDS.iter().zip(fields).enumerate() {
        if N::is_sensitive(at) {
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
                struct Read<N, A>(PhantomData<fn() -> (N, A)>);
                impl<'de, N: Names, $($name: Deserialize<'de>),+> Visitor<'de> for Read<N, ($($name,)+)> {
                    type Value = Arguments<N, ($($name,)+)>;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        write!(f, "an object with {}", N::FIELDS.join(", "))
                    }

                    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Self::Value, S::Error> {
                        Ok(Arguments::new(($(match seq.next_element::<$name>()? {
                            Some(value) => value,
                            None => missing(N::FIELDS[$at])?,
                        },)+)))
                    }

                    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                        $(let mut $local: Option<$name> = None;)+
                        while let Some(Key(at, _)) = map.next_key::<Key<N>>()? {
                            match at {
                                $(Some($at) if $local.is_some() => {
                                    return Err(de::Error::duplicate_field(N::FIELDS[$at]));
                                })+
                                $(Some($at) => $local = Some(map.next_value()?),)+
                                _ => { map.next_value::<IgnoredAny>()?; }
                            }
                        }
                        Ok(Arguments::new(($(match $local {
                            Some(value) => value,
                            None => missing(N::FIELDS[$at])?,
                        },)+)))
                    }
                }
                deserializer.deserialize_struct(N::NAME, N::FIELDS, Read(PhantomData))
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
                schema::<N>(vec![$(generator.subschema_for::<$name>()),+])
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

//! Options, boxes, lists and maps.
#![expect(clippy::disallowed_types, reason = "prost's maps")]

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    hash::{BuildHasher, Hash},
    marker::PhantomData,
    str::FromStr,
};

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{
    Deserializer, Serialize, Serializer,
    de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor},
    ser::{SerializeMap as _, SerializeSeq as _},
};

use super::{
    ProtoJson,
    field::{As, Auto, Element, Enum, NamedEnum, Value},
};

impl<T: ProtoJson> ProtoJson for Option<T> {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Some(value) => value.write(serializer),
            None => serializer.serialize_unit(),
        }
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read(deserializer).map(Some)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        T::schema(generator)
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }

    fn null() -> Option<Self> {
        T::null().map(Some)
    }
}

impl<T: ProtoJson> ProtoJson for Box<T> {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).write(serializer)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read(deserializer).map(Box::new)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        T::schema(generator)
    }

    fn is_absent(&self) -> bool {
        (**self).is_absent()
    }

    fn null() -> Option<Self> {
        T::null().map(Box::new)
    }
}

/// Reads a list.
struct List<A, T>(PhantomData<fn() -> (A, T)>);

impl<'de, A: As<T>, T> Visitor<'de> for List<A, T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Vec<T>, S::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element_seed(Element::<A, T>(PhantomData))? {
            list.push(value);
        }
        Ok(list)
    }
}

fn write_list<A: As<T>, T, S: Serializer>(list: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    let mut seq = serializer.serialize_seq(Some(list.len()))?;
    for value in list {
        seq.serialize_element(&Value::<A, T>::new(value))?;
    }
    seq.end()
}

impl<T: ProtoJson> ProtoJson for Vec<T> {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write_list::<Auto, T, S>(self, serializer)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(List::<Auto, T>(PhantomData))
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array", "items": T::schema(generator) })
    }

    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

impl<E: NamedEnum> As<Vec<i32>> for Enum<E> {
    fn write<S: Serializer>(value: &Vec<i32>, serializer: S) -> Result<S::Ok, S::Error> {
        write_list::<Self, i32, S>(value, serializer)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<i32>, D::Error> {
        deserializer.deserialize_seq(List::<Self, i32>(PhantomData))
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array", "items": <Self as As<i32>>::schema(generator) })
    }

    fn is_absent(value: &Vec<i32>) -> bool {
        value.is_empty()
    }
}

/// Reads a map's key: text in JSON, of its own type elsewhere.
struct MapKey<K>(PhantomData<fn() -> K>);

impl<'de, K: FromStr> DeserializeSeed<'de> for MapKey<K> {
    type Value = K;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<K, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<K: FromStr> Visitor<'_> for MapKey<K> {
    type Value = K;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map's key")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<K, E> {
        text.parse().map_err(|_| E::custom("this is no key of the map"))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<K, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<K, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<K, E> {
        self.visit_str(if value { "true" } else { "false" })
    }
}

/// Reads a map.
struct Map<A, K, V, M>(Types<(A, K, V, M)>);

type Types<T> = PhantomData<fn() -> T>;

impl<'de, A: As<V>, K: FromStr, V, M: Default + Extend<(K, V)>> Visitor<'de> for Map<A, K, V, M> {
    type Value = M;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object, a map")
    }

    fn visit_map<X: MapAccess<'de>>(self, mut map: X) -> Result<M, X::Error> {
        let mut all = M::default();
        while let Some(key) = map.next_key_seed(MapKey(PhantomData))? {
            all.extend([(key, map.next_value_seed(Element::<A, V>(PhantomData))?)]);
        }
        Ok(all)
    }
}

fn write_map<'a, A, K, V, S>(
    entries: impl ExactSizeIterator<Item = (&'a K, &'a V)>,
    serializer: S,
) -> Result<S::Ok, S::Error>
where
    A: As<V>,
    K: Serialize + 'a,
    V: 'a,
    S: Serializer,
{
    let mut map = serializer.serialize_map(Some(entries.len()))?;
    for (key, value) in entries {
        map.serialize_entry(key, &Value::<A, V>::new(value))?;
    }
    map.end()
}

macro_rules! maps {
    ($([$($generics:tt)*] $map:ident<$($parameter:ident),+> ($($bound:tt)+);)+) => {$(
        impl<K: Serialize + FromStr + $($bound)+, V: ProtoJson, $($generics)*> ProtoJson for $map<$($parameter),+> {
            fn write<Ser: Serializer>(&self, serializer: Ser) -> Result<Ser::Ok, Ser::Error> {
                write_map::<Auto, K, V, Ser>(self.iter(), serializer)
            }

            fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_map(Map::<Auto, K, V, Self>(PhantomData))
            }

            fn schema(generator: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "object", "additionalProperties": V::schema(generator) })
            }

            fn is_absent(&self) -> bool {
                self.is_empty()
            }
        }
    )+};
}

maps! {
    [H: BuildHasher + Default] HashMap<K, V, H> (Eq + Hash);
    [] BTreeMap<K, V> (Ord);
}

macro_rules! enum_maps {
    ($($map:ident ($($bound:tt)+);)+) => {$(
        impl<E: NamedEnum, K: Serialize + FromStr + $($bound)+> As<$map<K, i32>> for Enum<E> {
            fn write<S: Serializer>(value: &$map<K, i32>, serializer: S) -> Result<S::Ok, S::Error> {
                write_map::<Self, K, i32, S>(value.iter(), serializer)
            }

            fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<$map<K, i32>, D::Error> {
                deserializer.deserialize_map(Map::<Self, K, i32, $map<K, i32>>(PhantomData))
            }

            fn schema(generator: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "object", "additionalProperties": <Self as As<i32>>::schema(generator) })
            }

            fn is_absent(value: &$map<K, i32>) -> bool {
                value.is_empty()
            }
        }
    )+};
}

enum_maps! {
    HashMap (Eq + Hash);
    BTreeMap (Ord);
}

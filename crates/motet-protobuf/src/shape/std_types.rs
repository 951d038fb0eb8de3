//! Shapes of the standard library's types and of byte buffers.
#![expect(clippy::disallowed_types, reason = "users' own maps and sets have a shape whatever their hasher")]

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::rc::Rc;
use std::sync::Arc;

use super::single::{List, Map, One, Optional, Single};
use super::{Describe, Shape};
use crate::desc::{Card, FieldDesc, FieldType, Leaf, MessageKind, Scalar, order};

macro_rules! one {
    ($($($ty:ty),+ => $leaf:expr;)+) => {$($(
        impl Shape for $ty {
            type Card = One;
            const TYPE: FieldType = FieldType::one($leaf);
        }
    )+)+};
}

one! {
    bool => Leaf::Scalar(Scalar::Bool);
    i8, i16, i32 => Leaf::Scalar(Scalar::Int32);
    i64, isize => Leaf::Scalar(Scalar::Int64);
    u16, u32, char => Leaf::Scalar(Scalar::Uint32);
    u64, usize => Leaf::Scalar(Scalar::Uint64);
    f32 => Leaf::Scalar(Scalar::Float);
    f64 => Leaf::Scalar(Scalar::Double);
    String, str, Cow<'_, str> => Leaf::String;
    IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6 => Leaf::String;
    bytes::Bytes, bytes::BytesMut, serde_bytes::ByteBuf => Leaf::Bytes;
}

impl Shape for u8 {
    type Card = One;
    const TYPE: FieldType = FieldType::one(Leaf::Scalar(Scalar::Uint32));
    const BYTE: bool = true;
}

impl<const N: usize> Shape for serde_bytes::ByteArray<N> {
    type Card = One;
    const TYPE: FieldType = FieldType::one(Leaf::Bytes);
}

macro_rules! same {
    ($($wrapper:ident),+) => {$(
        impl<T: Shape + ?Sized> Shape for $wrapper<T> {
            type Card = T::Card;
            const TYPE: FieldType = T::TYPE;
        }
    )+};
}

same!(Box, Arc, Rc);

impl<T: Shape<Card: Single>> Shape for Option<T> {
    type Card = Optional;
    const TYPE: FieldType = T::TYPE.times(Card::Optional);
}

const fn list_of<T: Shape>() -> FieldType {
    if T::BYTE { FieldType::one(Leaf::Bytes) } else { T::TYPE.times(Card::List) }
}

macro_rules! list {
    ($([$($generics:tt)*] $ty:ty;)+) => {$(
        impl<T: Shape<Card: Single>, $($generics)*> Shape for $ty {
            type Card = List;
            const TYPE: FieldType = list_of::<T>();
        }
    )+};
}

list! {
    [] Vec<T>;
    [] [T];
    [const N: usize] [T; N];
    [] VecDeque<T>;
    [] LinkedList<T>;
    [] BinaryHeap<T>;
    [] BTreeSet<T>;
    [S] HashSet<T, S>;
}

/// One entry of a map.
struct Entry<K, V>(PhantomData<(K, V)>);

impl<K: Shape, V: Shape> Describe for Entry<K, V> {
    const NAME: &'static str = "";
    const FIELDS: &'static [FieldDesc] = &[FieldDesc::of::<K>("key", 1), FieldDesc::of::<V>("value", 2)];
    const ORDER: &'static [u16] = &[0, 1];
    const KIND: MessageKind = MessageKind::Entry;
}

const fn map_of<K: Shape, V: Shape>() -> FieldType {
    match K::TYPE.leaf() {
        Leaf::String => {}
        Leaf::Scalar(Scalar::Float | Scalar::Double) | Leaf::Bytes | Leaf::Message(_) | Leaf::Enum(_) => {
            panic!("a map's key is an integer, a bool or a string")
        }
        Leaf::Scalar(_) => {}
    }
    FieldType::message::<Entry<K, V>>().times(Card::Map)
}

impl<K: Shape<Card: Single>, V: Shape<Card: Single>, S> Shape for HashMap<K, V, S> {
    type Card = Map;
    const TYPE: FieldType = map_of::<K, V>();
}

impl<K: Shape<Card: Single>, V: Shape<Card: Single>> Shape for BTreeMap<K, V> {
    type Card = Map;
    const TYPE: FieldType = map_of::<K, V>();
}

macro_rules! tuple {
    ($len:literal: $($field:ident $name:literal $number:literal),*) => {
        impl<$($field: Shape),*> Describe for ($($field,)*) {
            const NAME: &'static str = "";
            const FIELDS: &'static [FieldDesc] = &[$(FieldDesc::of::<$field>($name, $number)),*];
            const ORDER: &'static [u16] = &order::<$len>(Self::FIELDS);
            const KIND: MessageKind = MessageKind::Tuple;
        }

        impl<$($field: Shape),*> Shape for ($($field,)*) {
            type Card = One;
            const TYPE: FieldType = FieldType::message::<Self>();
        }
    };
}

tuple!(0:);
tuple!(1: A "item1" 1);
tuple!(2: A "item1" 1, B "item2" 2);
tuple!(3: A "item1" 1, B "item2" 2, C "item3" 3);
tuple!(4: A "item1" 1, B "item2" 2, C "item3" 3, D "item4" 4);
tuple!(5: A "item1" 1, B "item2" 2, C "item3" 3, D "item4" 4, E "item5" 5);
tuple!(6: A "item1" 1, B "item2" 2, C "item3" 3, D "item4" 4, E "item5" 5, F "item6" 6);
tuple!(7: A "item1" 1, B "item2" 2, C "item3" 3, D "item4" 4, E "item5" 5, F "item6" 6, G "item7" 7);
tuple!(8: A "item1" 1, B "item2" 2, C "item3" 3, D "item4" 4, E "item5" 5, F "item6" 6, G "item7" 7,
    H "item8" 8);

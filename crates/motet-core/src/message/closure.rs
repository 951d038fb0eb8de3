//! What closures take and give: carriers found by the type alone, for generic code.
#![expect(clippy::disallowed_types, reason = "users' own maps and sets travel too")]

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use super::{Carry, InValue, Message, Plain, PlainFormat, Portable, SerdeFormat, Unit, Whole};

/// A value that a closure may take or give: a message is the body itself, a scalar or a collection
/// travels as `{"value": …}`, `()` as the empty object, [`Plain`] as JSON or MessagePack.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be what a closure takes or gives",
    label = "no message, scalar or collection",
    note = "a struct of your own becomes a message by `#[motet::message]`",
    note = "an enum, tuple or other type travels as `motet::Value<{Self}>`, the object {{\"value\": …}}",
    note = "a type that has only serde and JsonSchema travels as `motet::Plain<{Self}>`"
)]
pub trait Carried: Sized + Send + 'static {
    /// How it travels.
    type Carrier: Carry<Value = Self>;
}

#[diagnostic::do_not_recommend]
impl<T: Message + Portable> Carried for T {
    type Carrier = Whole<SerdeFormat, T>;
}

impl<T> Carried for Plain<T>
where
    Plain<T>: serde::Serialize + serde::de::DeserializeOwned + schemars::JsonSchema + Send + Sync + 'static,
{
    type Carrier = Whole<PlainFormat, Plain<T>>;
}

impl Carried for () {
    type Carrier = Unit<SerdeFormat>;
}

macro_rules! in_value {
    ($([$($generics:tt)*] $ty:ty;)+) => {$(
        impl<$($generics)*> Carried for $ty
        where
            $ty: Portable,
        {
            type Carrier = InValue<SerdeFormat, $ty>;
        }
    )+};
}

in_value! {
    [] bool; [] char; [] i8; [] i16; [] i32; [] i64; [] isize; [] u8; [] u16; [] u32; [] u64; [] usize;
    [] f32; [] f64; [] String;
    [] std::net::IpAddr; [] std::net::Ipv4Addr; [] std::net::Ipv6Addr; [] std::net::SocketAddr;
    [T] Option<T>; [T] Vec<T>; [T] VecDeque<T>; [T] BTreeSet<T>; [T, S] HashSet<T, S>;
    [K, V] BTreeMap<K, V>; [K, V, S] HashMap<K, V, S>;
}

//! How a declared value becomes the object that travels.

use std::{fmt, marker::PhantomData};

use bytes::Bytes;
use motet_protobuf::Shape;
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use super::{Arguments, Empty, MessageType, Names, Value};
use crate::{ArgumentDescriptor, BodyShape, Codec, Family, Payload, Result, validate::Validate};

/// How a declared value (the arguments of a method, its reply, an item of its streams) becomes a
/// body, which is always an object, and back. Carriers have no size; their types are all they are.
pub trait Carry: Copy + Default + Send + Sync + 'static {
    /// What the method declares.
    type Value: Send + 'static;
    /// What travels.
    type Body: Send + Sync + 'static;

    /// How the body relates to the value.
    const SHAPE: BodyShape;
    /// How the body is written and read.
    const MESSAGE: MessageType<Self::Body>;

    /// The body of a value.
    fn wrap(value: Self::Value) -> Self::Body;

    /// The value of a body.
    fn unwrap(body: Self::Body) -> Self::Value;

    /// The arguments in order, where the value is what a method is called with.
    fn arguments() -> Vec<ArgumentDescriptor> {
        Vec::new()
    }

    /// The payload of a value; nothing is encoded yet.
    #[inline(always)]
    fn payload(value: Self::Value, codec: Codec) -> Payload {
        Payload::typed(Self::wrap(value), &Self::MESSAGE, codec)
    }

    /// The value of a payload.
    ///
    /// # Errors
    /// InvalidArgument when the bytes are no such message.
    #[inline(always)]
    fn take(payload: Payload) -> Result<Self::Value> {
        payload.take(&Self::MESSAGE).map(Self::unwrap)
    }

    /// As [`Carry::take`], and the constraints declared on the type hold.
    ///
    /// # Errors
    /// InvalidArgument, listing field and rule where constraints are broken.
    #[inline(always)]
    fn receive(payload: Payload) -> Result<Self::Value> {
        let body = payload.take(&Self::MESSAGE)?;
        Self::MESSAGE.check(&body)?;
        Ok(Self::unwrap(body))
    }
}

/// What may stand in a message: serde, a protobuf shape, a JSON schema and a constraint check.
/// `#[motet::message]` gives a type all of it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot travel as binary protobuf",
    label = "no message, number, text or collection of these",
    note = "a type of your own gets all it needs from `#[motet::message]`",
    note = "a type that has only serde and JsonSchema travels as JSON or MessagePack inside `motet::Plain<{Self}>`",
    note = "`#[motet::service(codec = \"msgpack\")]` asks no more than serde and JsonSchema of all types of a service"
)]
pub trait Portable: Serialize + DeserializeOwned + Shape + JsonSchema + Validate + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Shape + JsonSchema + Validate + Send + Sync + 'static> Portable for T {}

/// A codec family as a type: how it carries a body `B`.
pub trait Format<B>: Send + Sync + 'static {
    /// How the body is written and read.
    const MESSAGE: MessageType<B>;
}

/// The family of `#[motet::message]` types.
pub enum SerdeFormat {}

/// The family of types with serde and a JSON schema only. `CHECKED` says whether their constraints
/// are known.
pub enum PlainFormat<const CHECKED: bool = false> {}

/// The family of prost types.
pub enum ProtoFormat {}

/// The family of prost types that have serde as well.
pub enum ProtoSerdeFormat {}

impl<B: Serialize + DeserializeOwned + Shape + JsonSchema + Validate> Format<B> for SerdeFormat {
    const MESSAGE: MessageType<B> = MessageType::serde();
}

impl<B: Serialize + DeserializeOwned + JsonSchema> Format<B> for PlainFormat<false> {
    const MESSAGE: MessageType<B> = MessageType::plain();
}

impl<B: Serialize + DeserializeOwned + JsonSchema + Validate> Format<B> for PlainFormat<true> {
    const MESSAGE: MessageType<B> = MessageType::plain().with_check(|value| crate::validate::check(value));
}

impl<B: prost::Message + Default> Format<B> for ProtoFormat {
    const MESSAGE: MessageType<B> = MessageType::proto();
}

impl<B: prost::Message + Default + Serialize + DeserializeOwned + JsonSchema> Format<B> for ProtoSerdeFormat {
    const MESSAGE: MessageType<B> = MessageType::proto_with_serde();
}

macro_rules! carriers {
    ($($(#[$doc:meta])+ $name:ident<$($parameter:ident),*>;)+) => {$(
        $(#[$doc])+
        pub struct $name<$($parameter),*>(PhantomData<fn() -> ($($parameter,)*)>);

        impl<$($parameter),*> $name<$($parameter),*> {
            /// The carrier.
            pub const NEW: Self = $name(PhantomData);
        }

        impl<$($parameter),*> Clone for $name<$($parameter),*> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<$($parameter),*> Default for $name<$($parameter),*> {
            fn default() -> Self {
                Self::NEW
            }
        }

        impl<$($parameter),*> Copy for $name<$($parameter),*> {}

        impl<$($parameter),*> fmt::Debug for $name<$($parameter),*> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(std::any::type_name::<Self>())
            }
        }
    )+};
}

carriers! {
    /// The value is the body.
    Whole<F, T>;
    /// The body is `{"value": …}`.
    InValue<F, T>;
    /// The body is the empty object; `()` is the value.
    Unit<F>;
    /// The body is an object of named fields, the value the tuple of them.
    Named<F, N, A>;
    /// What `C` carries is the only argument of a method, named by `N`.
    Lone<N, C>;
    /// Bytes as they are, of any content type.
    RawCarry<>;
}

impl<F, T> Carry for Whole<F, T>
where
    F: Format<T>,
    T: Send + Sync + 'static,
{
    type Value = T;
    type Body = T;
    const SHAPE: BodyShape = BodyShape::Message;
    const MESSAGE: MessageType<T> = F::MESSAGE;

    fn wrap(value: T) -> T {
        value
    }

    fn unwrap(body: T) -> T {
        body
    }
}

impl<F, T> Carry for InValue<F, T>
where
    F: Format<Value<T>>,
    T: Send + Sync + 'static,
{
    type Value = T;
    type Body = Value<T>;
    const SHAPE: BodyShape = BodyShape::Value;
    const MESSAGE: MessageType<Value<T>> = F::MESSAGE;

    fn wrap(value: T) -> Value<T> {
        Value { value }
    }

    fn unwrap(body: Value<T>) -> T {
        body.value
    }
}

impl<F: Format<Empty>> Carry for Unit<F> {
    type Value = ();
    type Body = Empty;
    const SHAPE: BodyShape = BodyShape::Empty;
    const MESSAGE: MessageType<Empty> = MessageType::empty(F::MESSAGE.family);

    fn wrap((): ()) -> Empty {
        Empty {}
    }

    fn unwrap(_: Empty) {}
}

impl<F, N, A> Carry for Named<F, N, A>
where
    F: Format<Arguments<N, A>>,
    N: Names,
    A: Send + Sync + 'static,
{
    type Value = A;
    type Body = Arguments<N, A>;
    const SHAPE: BodyShape = BodyShape::Arguments;
    const MESSAGE: MessageType<Arguments<N, A>> = F::MESSAGE;

    fn wrap(value: A) -> Arguments<N, A> {
        Arguments::new(value)
    }

    fn unwrap(body: Arguments<N, A>) -> A {
        body.into_values()
    }

    fn arguments() -> Vec<ArgumentDescriptor> {
        described::<N>()
    }
}

impl<N: Names, C: Carry> Carry for Lone<N, C> {
    type Value = (C::Value,);
    type Body = C::Body;
    const SHAPE: BodyShape = C::SHAPE;
    const MESSAGE: MessageType<C::Body> = C::MESSAGE;

    fn wrap((value,): (C::Value,)) -> C::Body {
        C::wrap(value)
    }

    fn unwrap(body: C::Body) -> (C::Value,) {
        (C::unwrap(body),)
    }

    fn arguments() -> Vec<ArgumentDescriptor> {
        described::<N>()
    }
}

impl Carry for RawCarry {
    type Value = Bytes;
    type Body = Bytes;
    const SHAPE: BodyShape = BodyShape::Message;
    const MESSAGE: MessageType<Bytes> = MessageType::raw();

    fn wrap(value: Bytes) -> Bytes {
        value
    }

    fn unwrap(body: Bytes) -> Bytes {
        body
    }
}

fn described<N: Names>() -> Vec<ArgumentDescriptor> {
    let describe = |(at, name): (usize, &&str)| {
        let argument = ArgumentDescriptor::new(*name);
        if N::is_sensitive(at) { argument.sensitive() } else { argument }
    };
    N::FIELDS.iter().enumerate().map(describe).collect()
}

impl<T> MessageType<T> {
    /// The family of a method whose request and reply are these: what can carry both.
    pub const fn family_with<U>(&self, reply: &MessageType<U>) -> Family {
        match (self.family, reply.family) {
            (Family::Raw, _) | (_, Family::Raw) => Family::Raw,
            (Family::Proto, _) | (_, Family::Proto) => Family::Proto,
            (Family::Plain, _) | (_, Family::Plain) => Family::Plain,
            (Family::Serde, Family::Serde) => Family::Serde,
        }
    }
}

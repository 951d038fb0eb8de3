//! Which carrier a type gets, decided by method resolution.
//!
//! `(&Pick::<F, T>::NEW).pick()` finds [`IsMessage::pick`] where `T: Message`, and [`IsOther::pick`],
//! which is one reference further away, everywhere else. This works where `T` is a concrete type, so
//! only in the code that the macros write; a type alias is no obstacle.

use std::{fmt, marker::PhantomData};

use motet_core::{
    __private as private, InValue, Lone, Message, Named, Names, Plain, PlainFormat, Portable, ProtoFormat,
    ProtoSerdeFormat, Unit, Whole, validate::Validate,
};

macro_rules! tags {
    ($($(#[$doc:meta])+ $name:ident<$($parameter:ident),+>;)+) => {$(
        $(#[$doc])+
        pub struct $name<$($parameter),+>(PhantomData<fn() -> ($($parameter,)+)>);

        impl<$($parameter),+> $name<$($parameter),+> {
            /// The tag.
            pub const NEW: Self = $name(PhantomData);
        }

        impl<$($parameter),+> fmt::Debug for $name<$($parameter),+> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(std::any::type_name::<Self>())
            }
        }
    )+};
}

tags! {
    /// A codec family.
    FormatTag<F>;
    /// What else than its family requires is known of `T`: constraints, or serde.
    Checks<T>;
    /// The question how `T` is carried in family `F`.
    Pick<F, T>;
    /// `T` is the body.
    MessageTag<F, T>;
    /// `T` is a [`Plain`] and the body.
    PlainTag<T>;
    /// `T` is `()`, the empty object.
    UnitTag<F>;
    /// `T` stands in an object.
    OtherTag<F, T>;
}

impl<F> FormatTag<F> {
    /// The question how `T` is carried in this family.
    pub fn of<T>(&self) -> Pick<F, T> {
        Pick::NEW
    }

    /// `T` as the body, whatever it is.
    pub fn whole<T>(&self) -> Whole<F, T> {
        Whole::NEW
    }

    /// The only argument of a method as the body, whatever it is.
    pub fn lone<N, T>(&self) -> Lone<N, Whole<F, T>> {
        Lone::NEW
    }

    /// Named arguments.
    pub fn named<N: Names, A>(&self) -> Named<F, N, A> {
        Named::NEW
    }

    /// No arguments.
    pub fn unit(&self) -> Unit<F> {
        Unit::NEW
    }
}

/// Constraints are known.
pub trait IsChecked {
    /// The family with checks.
    fn format(&self) -> FormatTag<PlainFormat<true>> {
        FormatTag::NEW
    }
}

/// Constraints are not known.
pub trait IsUnchecked {
    /// The family without checks.
    fn format(&self) -> FormatTag<PlainFormat<false>> {
        FormatTag::NEW
    }
}

impl<T: Validate> IsChecked for Checks<T> {}
impl<T> IsUnchecked for &Checks<T> {}

/// A prost message has serde.
pub trait IsProstWithSerde {
    /// The family of those that have.
    fn proto_format(&self) -> FormatTag<ProtoSerdeFormat> {
        FormatTag::NEW
    }
}

/// A prost message has no serde.
pub trait IsProstAlone {
    /// The family of those that have none.
    fn proto_format(&self) -> FormatTag<ProtoFormat> {
        FormatTag::NEW
    }
}

impl<T> IsProstWithSerde for Checks<T> where
    T: private::serde::Serialize + private::serde::de::DeserializeOwned + private::schemars::JsonSchema
{
}
impl<T> IsProstAlone for &Checks<T> {}

/// The type is an object body by itself.
pub trait IsMessage {
    /// What it is.
    type Tag;
    /// What it is.
    fn pick(&self) -> Self::Tag;
}

/// The type is a [`Plain`].
pub trait IsPlain {
    /// What it is.
    type Tag;
    /// What it is.
    fn pick(&self) -> Self::Tag;
}

/// The type is `()`.
pub trait IsUnit {
    /// What it is.
    type Tag;
    /// What it is.
    fn pick(&self) -> Self::Tag;
}

/// The type is anything else.
pub trait IsOther {
    /// What it is.
    type Tag;
    /// What it is.
    fn pick(&self) -> Self::Tag;
}

impl<F, T: Message> IsMessage for Pick<F, T> {
    type Tag = MessageTag<F, T>;
    fn pick(&self) -> Self::Tag {
        MessageTag::NEW
    }
}

impl<F, T> IsPlain for Pick<F, Plain<T>> {
    type Tag = PlainTag<Plain<T>>;
    fn pick(&self) -> Self::Tag {
        PlainTag::NEW
    }
}

impl<F> IsUnit for Pick<F, ()> {
    type Tag = UnitTag<F>;
    fn pick(&self) -> Self::Tag {
        UnitTag::NEW
    }
}

impl<F, T> IsOther for &Pick<F, T> {
    type Tag = OtherTag<F, T>;
    fn pick(&self) -> Self::Tag {
        OtherTag::NEW
    }
}

impl<F, T> MessageTag<F, T> {
    /// As a reply or as an item of a stream.
    pub fn value(&self) -> Whole<F, T> {
        Whole::NEW
    }

    /// As the only argument.
    pub fn argument<N: Names>(&self) -> Lone<N, Whole<F, T>> {
        Lone::NEW
    }
}

impl<T> PlainTag<T> {
    /// As a reply or as an item of a stream.
    pub fn value(&self) -> Whole<PlainFormat, T> {
        Whole::NEW
    }

    /// As the only argument.
    pub fn argument<N: Names>(&self) -> Lone<N, Whole<PlainFormat, T>> {
        Lone::NEW
    }

    /// Does not compile unless it can travel as JSON and MessagePack.
    pub fn check(&self)
    where
        T: PlainPortable,
    {
    }
}

impl<F> UnitTag<F> {
    /// As a reply or as an item of a stream.
    pub fn value(&self) -> Unit<F> {
        Unit::NEW
    }

    /// As the only argument.
    pub fn argument<N: Names>(&self) -> Lone<N, Unit<F>> {
        Lone::NEW
    }

    /// It needs no shape.
    pub fn check(&self) {}
}

impl<F, T> OtherTag<F, T> {
    /// As a reply or as an item of a stream.
    pub fn value(&self) -> InValue<F, T> {
        InValue::NEW
    }

    /// As the only argument.
    pub fn argument<N: Names>(&self) -> Named<F, N, (T,)> {
        Named::NEW
    }
}

impl<F, T> MessageTag<F, T> {
    /// Does not compile unless it can travel as binary protobuf.
    pub fn check(&self)
    where
        T: Portable,
    {
    }
}

impl<F, T> OtherTag<F, T> {
    /// Does not compile unless it can travel as binary protobuf.
    pub fn check(&self)
    where
        T: Portable,
    {
    }
}

/// Does not compile unless `T` can stand in a message of several fields.
pub const fn check_portable<T: Portable>() {}

/// What stands in the messages of a service whose types have serde only.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot travel as JSON or MessagePack",
    label = "it needs serde and a JSON schema",
    note = "derive `Serialize`, `Deserialize` and `JsonSchema`, or use `#[motet::message]`, which derives all three"
)]
pub trait PlainPortable {}

#[diagnostic::do_not_recommend]
impl<T> PlainPortable for T where
    T: private::serde::Serialize
        + private::serde::de::DeserializeOwned
        + private::schemars::JsonSchema
        + Send
        + Sync
        + 'static
{
}

/// What stands in the messages of a service of prost types.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no prost message",
    label = "a `codec = \"proto\"` service takes and gives prost messages",
    note = "leave out `codec = \"proto\"` for types with `#[motet::message]`: they travel as binary protobuf as well"
)]
pub trait ProstPortable {}

#[diagnostic::do_not_recommend]
impl<T: private::prost::Message + Default + 'static> ProstPortable for T {}

/// Does not compile unless `T` can travel as JSON and MessagePack.
pub const fn check_plain<T: PlainPortable>() {}

/// Does not compile unless `T` is a prost message.
pub const fn check_prost<T: ProstPortable>() {}

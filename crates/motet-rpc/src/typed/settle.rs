//! One error for one mistake: a carrier for what the checks have refused already.

use std::{
    marker::PhantomData,
    sync::{Mutex, PoisonError},
};

use motet_core::{BodyShape, Carry, Family, MessageType, Status};

/// The question whether `C` can carry a `V`. Where the checks of the macros have refused a type, the
/// answer is a stand-in, so that the compiler says so once, and not again wherever the type is used.
#[derive(Debug)]
pub struct Settle<V, C>(C, PhantomData<fn() -> V>);

impl<V, C> Settle<V, C> {
    /// The question about this carrier.
    pub fn of(carrier: C) -> Settle<V, C> {
        Settle(carrier, PhantomData)
    }
}

/// It can.
pub trait IsCarrier {
    /// The carrier.
    type Carrier;
    /// The carrier.
    fn carrier(&self) -> Self::Carrier;
}

/// It cannot.
pub trait IsRefused {
    /// The stand-in.
    type Carrier;
    /// The stand-in.
    fn carrier(&self) -> Self::Carrier;
}

impl<V, C: Carry<Value = V>> IsCarrier for Settle<V, C> {
    type Carrier = C;
    fn carrier(&self) -> C {
        self.0
    }
}

impl<V, C> IsRefused for &Settle<V, C> {
    type Carrier = Refused<V>;
    fn carrier(&self) -> Refused<V> {
        Refused(PhantomData)
    }
}

/// The stand-in. No program that compiles has one.
#[derive(Debug)]
pub struct Refused<V>(PhantomData<fn() -> V>);

impl<V> Clone for Refused<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Refused<V> {}

impl<V> Default for Refused<V> {
    fn default() -> Self {
        Refused(PhantomData)
    }
}

impl<V: Send + 'static> Carry for Refused<V> {
    type Value = V;
    type Body = Mutex<V>;
    const SHAPE: BodyShape = BodyShape::Message;
    const MESSAGE: MessageType<Mutex<V>> = MessageType::new(
        Family::Raw,
        |_, _, _| Err(Status::internal("this type cannot travel")),
        |_, _, _| Err(Status::internal("this type cannot travel")),
        |_| Ok(()),
        || serde_json::Value::Null,
    );

    fn wrap(value: V) -> Mutex<V> {
        Mutex::new(value)
    }

    fn unwrap(body: Mutex<V>) -> V {
        body.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

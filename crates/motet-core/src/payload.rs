//! A body that may or may not be encoded yet.

use std::{any::Any, fmt, sync::Arc};

use bytes::{Bytes, BytesMut};

use crate::{Codec, MessageType, Result};

/// One message: a typed value that nobody has encoded yet, or encoded bytes. Cloning shares it.
///
/// A call inside one App moves the typed value from caller to handler untouched; a connection
/// encodes it straight into its own buffer.
#[derive(Clone)]
pub struct Payload(Repr);

#[derive(Clone)]
enum Repr {
    Encoded(Bytes, Codec),
    Typed(Arc<dyn Erased>, Codec),
}

trait Erased: Send + Sync {
    fn encode(&self, codec: &Codec, out: &mut BytesMut) -> Result<()>;
    fn value(&self) -> &dyn Any;
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

struct Typed<T>(T, MessageType<T>);

impl<T: Send + Sync + 'static> Erased for Typed<T> {
    fn encode(&self, codec: &Codec, out: &mut BytesMut) -> Result<()> {
        self.1.encode(&self.0, codec, out)
    }

    fn value(&self) -> &dyn Any {
        &self.0
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl Payload {
    /// A typed value, and the codec it would like to be carried in.
    #[inline(always)]
    pub fn typed<T: Send + Sync + 'static>(value: T, message: &MessageType<T>, codec: Codec) -> Payload {
        Payload(Repr::Typed(Arc::new(Typed(value, *message)), codec))
    }

    /// Encoded bytes.
    pub fn encoded(bytes: impl Into<Bytes>, codec: Codec) -> Payload {
        Payload(Repr::Encoded(bytes.into(), codec))
    }

    /// The codec of the bytes, or the one a typed value would like.
    #[inline]
    pub fn codec(&self) -> &Codec {
        match &self.0 {
            Repr::Encoded(_, codec) | Repr::Typed(_, codec) => codec,
        }
    }

    /// The encoded bytes; a typed value is encoded now, each time.
    ///
    /// # Errors
    /// Internal when the value cannot be written, Unimplemented when its codec cannot carry it.
    pub fn bytes(&self) -> Result<Bytes> {
        match &self.0 {
            Repr::Encoded(bytes, _) => Ok(bytes.clone()),
            Repr::Typed(value, codec) => {
                let mut out = BytesMut::new();
                value.encode(codec, &mut out)?;
                Ok(out.freeze())
            }
        }
    }

    /// Appends the message to `out` in its own codec.
    ///
    /// # Errors
    /// As [`Payload::bytes`].
    pub fn encode_into(&self, out: &mut BytesMut) -> Result<()> {
        match &self.0 {
            Repr::Encoded(bytes, _) => {
                out.extend_from_slice(bytes);
                Ok(())
            }
            Repr::Typed(value, codec) => value.encode(codec, out),
        }
    }

    /// The same message carried in another codec, if it is still a typed value; encoded bytes stay
    /// as they are.
    #[must_use]
    pub fn with_codec(self, codec: Codec) -> Payload {
        match self.0 {
            Repr::Typed(value, _) => Payload(Repr::Typed(value, codec)),
            encoded => Payload(encoded),
        }
    }

    /// Whether these are bytes that somebody else has encoded, and nobody here has looked at.
    pub fn is_encoded(&self) -> bool {
        matches!(self.0, Repr::Encoded(..))
    }

    /// The typed value, if this still is one of type `T`.
    pub fn peek<T: 'static>(&self) -> Option<&T> {
        match &self.0 {
            Repr::Typed(value, _) => value.value().downcast_ref(),
            Repr::Encoded(..) => None,
        }
    }

    /// The value: moved out where nobody shares it, else decoded.
    ///
    /// # Errors
    /// InvalidArgument when the bytes are no such message.
    #[inline(always)]
    pub fn take<T: Send + Sync + 'static>(self, message: &MessageType<T>) -> Result<T> {
        match self.0 {
            Repr::Encoded(bytes, codec) => message.decode(&codec, &bytes),
            Repr::Typed(value, codec) => take_typed(value, &codec, message),
        }
    }
}

fn take_typed<T: Send + Sync + 'static>(value: Arc<dyn Erased>, codec: &Codec, message: &MessageType<T>) -> Result<T> {
    match value.clone().into_any().downcast::<Typed<T>>() {
        Ok(typed) => {
            drop(value);
            match Arc::try_unwrap(typed) {
                Ok(Typed(value, _)) => Ok(value),
                Err(shared) => copy(&*shared, codec, message),
            }
        }
        Err(_) => copy(&*value, codec, message),
    }
}

fn copy<T>(value: &dyn Erased, codec: &Codec, message: &MessageType<T>) -> Result<T> {
    let mut out = BytesMut::new();
    value.encode(codec, &mut out)?;
    message.decode(codec, &out.freeze())
}

/// Shows size and content type, never the content.
impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Encoded(bytes, codec) => write!(f, "Payload({} bytes of {})", bytes.len(), codec.content_type()),
            Repr::Typed(_, codec) => write!(f, "Payload(typed, {})", codec.content_type()),
        }
    }
}

//! Unary calls, and what streams have in common with them.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use motet_core::{Call, Codec, Executed, Metadata, Payload, Reply, Result, Status};
use tokio::time::Instant;

use super::{connection::Inner, reply};
use crate::{
    MucpConfig,
    wire::{EOS, Envelope, Form, Said, Writer, name},
};

/// Makes a unary call.
pub(super) async fn make(inner: &Arc<Inner>, call: Call) -> Result<Reply> {
    let asking = Asking::new(inner, &call);
    let one_way = call.one_way;
    let message = call.body.one()?;
    let mut request = BytesMut::new();
    let form = asking.message(&message, &mut request)?;
    if one_way {
        inner.pool.send(&request).await?;
        return Ok(Reply::one(Payload::encoded(Bytes::new(), Codec::RAW)));
    }
    let (head, body) = inner.pool.exchange(&request).await?;
    match reply::read(&head, &body, &form, &asking.service, &inner.codecs)? {
        reply::Said::Message(message) => Ok(reply::reply(message, &head)),
        reply::Said::End => Err(Status::internal("a stream's end came where one message was expected")),
    }
}

/// A call as it is written, apart from its messages.
pub(super) struct Asking {
    config: Arc<MucpConfig>,
    host: String,
    pub(super) service: String,
    endpoint: String,
    number: String,
    metadata: Metadata,
    /// What is left of its time, in nanoseconds.
    left: Option<String>,
    one_way: bool,
    /// The form of its messages that are still values.
    pub(super) form: Form,
}

impl Asking {
    pub(super) fn new(inner: &Inner, call: &Call) -> Asking {
        let left = call.deadline.map(|deadline| deadline.at.saturating_duration_since(Instant::now()));
        Asking {
            config: inner.config.clone(),
            host: inner.host.clone(),
            service: call.method.service().to_owned(),
            endpoint: call.method.dotted(),
            number: inner.number(),
            metadata: call.metadata.clone(),
            left: left.map(|left| left.as_nanos().max(1).to_string()),
            one_way: call.one_way,
            form: inner.config.form(call),
        }
    }

    fn begin<'a>(&self, form: &Form, out: &'a mut BytesMut) -> Writer<'a> {
        let mut writer = Writer::request(&self.host, out);
        // The server's recogniser looks at the first few fields, so that these come first.
        writer.field(name::SERVICE, &self.service);
        writer.field(name::ENDPOINT, &self.endpoint);
        writer.field(name::METHOD, &self.endpoint);
        writer.field(name::ID, &self.number);
        // Servers of version 4.9 and later find no id in a unary call and take all of them for one, so
        // that a call could reach the socket of the one before it, which is closing. This they find.
        writer.field(name::STREAM, &self.number);
        writer.field(name::CONTENT_TYPE, form.content_type());
        writer.field("Accept", form.content_type());
        if let Some(left) = &self.left {
            writer.field(name::TIMEOUT, left);
        }
        if self.one_way {
            writer.field(name::ONE_WAY, "1");
        }
        writer.metadata(&self.metadata);
        writer
    }

    fn said(&self) -> Said {
        Said { method: self.endpoint.clone(), id: self.number.clone(), error: String::new() }
    }

    /// Appends a message; gives the form in which it goes.
    pub(super) fn message(&self, message: &Payload, out: &mut BytesMut) -> Result<Form> {
        let message = message.clone().with_codec(self.form.codec.clone());
        // What is encoded already stays as it is.
        let form = match *message.codec() == self.form.codec {
            true => self.form.clone(),
            false => Form::new(Envelope::Plain, message.codec().clone()),
        };
        let writer = self.begin(&form, out);
        writer
            .end(self.config.max_message(), |out| form.put_request(&self.said(), Some(&message), out))
            .map_err(|status| status.with_executed(Executed::No))?;
        Ok(form)
    }

    /// Appends the message that opens a stream: its body says nothing, servers drop it.
    pub(super) fn open(&self, out: &mut BytesMut) -> Result<()> {
        self.begin(&self.form, out).end(usize::MAX, |out| self.form.put_request(&self.said(), None, out))
    }

    /// Appends the end of a stream. Servers of go-micro since version 4.9 then close the connection
    /// behind their handler, which is how its end is known: once they have seen this one they send none.
    pub(super) fn eos(&self, out: &mut BytesMut) {
        let mut writer = self.begin(&self.form, out);
        writer.field(name::ERROR, EOS);
        writer.field("Connection", "close");
        writer.empty();
    }
}

//! How a call is answered.

use bytes::{BufMut, BytesMut};
use motet_core::{Executed, Metadata, Payload, Result, Status};

use crate::wire::{EOS, Envelope, Fields, Form, Said, Writer, name, write_error};

/// What is kept of a request to answer it. Nothing of its metadata comes back.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) form: Form,
    pub(super) said: Said,
    /// The number of its stream, if it has one.
    pub(super) stream: Option<String>,
    /// The service's own name, known once it was found.
    pub(super) service: String,
    /// Whether the connection ends behind it.
    pub(super) closes: bool,
}

impl Answer {
    pub(super) fn new(form: Form, fields: &Fields) -> Answer {
        let text = |name| fields.micro(name).unwrap_or_default().to_owned();
        let said = Said { id: text(name::ID), ..Said::default() };
        let stream = fields.micro(name::STREAM).map(str::to_owned);
        Answer { form, said, stream, service: text(name::SERVICE), closes: fields.closes() }
    }

    fn begin<'a>(&self, out: &'a mut BytesMut) -> Writer<'a> {
        let mut writer = Writer::response(out);
        // Version 1 knows the second name only.
        for (name, old, value) in
            [(name::ID, "X-Micro-Id", Some(&self.said.id)), (name::STREAM, "X-Micro-Stream", self.stream.as_ref())]
        {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                writer.field(name, value);
                writer.field(old, value);
            }
        }
        if self.closes && self.stream.is_none() {
            writer.field("Connection", "close");
        }
        writer.field("Server", "motet");
        writer
    }

    /// Appends a message.
    ///
    /// # Errors
    /// What keeps it from being written; then nothing is appended.
    pub(super) fn message(
        &self,
        message: Payload,
        metadata: &[Option<Metadata>],
        max: usize,
        out: &mut BytesMut,
    ) -> Result<()> {
        let message = message.with_codec(self.form.codec.clone());
        let other = *message.codec() != self.form.codec;
        if other && self.form.envelope != Envelope::Plain {
            let text = format!("{} carries no {}", self.form.content_type(), message.codec().content_type());
            return Err(Status::internal(text).with_executed(Executed::Yes));
        }
        let mut writer = self.begin(out);
        let content_type = if other { message.codec().content_type() } else { self.form.content_type() };
        writer.field(name::CONTENT_TYPE, content_type);
        metadata.iter().flatten().for_each(|metadata| writer.metadata(metadata));
        let written = writer.end(max, |out| self.form.put_response(&self.said, Some(&message), out));
        written.map_err(|status| status.with_executed(Executed::Yes))
    }

    /// Appends an answer that says nothing.
    pub(super) fn nothing(&self, out: &mut BytesMut) {
        self.begin(out).empty();
    }

    /// Appends an error.
    pub(super) fn error(&self, status: &Status, out: &mut BytesMut) {
        let text = write_error(status, &self.service);
        let executed = match status.executed() {
            Executed::Yes => Some("yes"),
            Executed::No => Some("no"),
            Executed::Unknown => None,
        };
        self.failed(&text, executed, status.metadata(), out);
    }

    /// Appends the end of a stream.
    pub(super) fn eos(&self, trailing: &Metadata, out: &mut BytesMut) {
        self.failed(EOS, None, trailing, out);
    }

    fn failed(&self, text: &str, executed: Option<&str>, metadata: &Metadata, out: &mut BytesMut) {
        let mut writer = self.begin(out);
        writer.field(name::ERROR, text);
        writer.field("X-Micro-Error", text);
        if let Some(executed) = executed {
            writer.field(name::EXECUTED, executed);
        }
        writer.metadata(metadata);
        let said = Said { error: text.to_owned(), ..self.said.clone() };
        if self.form.envelope == Envelope::Plain {
            return writer.empty();
        }
        writer.field(name::CONTENT_TYPE, self.form.content_type());
        // An envelope without a message can always be written.
        let _ = writer.end(usize::MAX, |out| self.form.put_response(&said, None, out));
    }
}

/// The answer to a content type that is not spoken: go-micro gives the text as the body.
pub(super) fn unspoken(text: &str, out: &mut BytesMut) {
    let mut writer = Writer::response(out);
    writer.field(name::CONTENT_TYPE, "text/plain");
    // Memory takes it.
    let _ = writer.end(usize::MAX, |out| {
        out.put_slice(text.as_bytes());
        Ok(())
    });
}

//! An answer as a reply.

use bytes::Bytes;
use motet_core::{Codecs, Executed, Payload, Reply, ReplyMeta, Result, Status};

use crate::wire::{EOS, Envelope, First, Form, Head, metadata_of, name, read_error};

/// What an answer says.
pub(super) enum Said {
    /// A message.
    Message(Payload),
    /// The end of a stream.
    End,
}

/// Reads an answer to a call that was asked in `form`.
///
/// # Errors
/// What the peer says went wrong, or what is wrong with its answer.
pub(super) fn read(head: &Head, body: &Bytes, form: &Form, service: &str, codecs: &Codecs) -> Result<Said> {
    let fields = &head.fields;
    if let First::Response(number) = head.first
        && number != 200
    {
        return Err(refused(number, body));
    }
    let failed = |text: &str| {
        let executed = match fields.get(name::EXECUTED) {
            Some("yes") => Some(Executed::Yes),
            Some("no") => Some(Executed::No),
            _ => None,
        };
        let status = read_error(text, service).with_metadata(metadata_of(fields).unwrap_or_default());
        executed.map_or(status.clone(), |executed| status.with_executed(executed))
    };
    match fields.micro(name::ERROR) {
        Some(EOS) => return Ok(Said::End),
        Some(text) => return Err(failed(text)),
        None => {}
    }
    let ran = |status: Status| status.with_executed(Executed::Yes);
    let given = fields.get(name::CONTENT_TYPE).unwrap_or(form.content_type());
    let asked_in = form.content_type();
    if given.starts_with("text/plain") && asked_in != "text/plain" {
        // What go-micro says of a content type that it does not speak.
        let text = String::from_utf8_lossy(&body[..body.len().min(1024)]).into_owned();
        return Err(Status::unimplemented(text).with_executed(Executed::No));
    }
    let form = match given.eq_ignore_ascii_case(asked_in) || form.envelope != Envelope::Plain {
        true => form.clone(),
        false => Form::of(Some(given), false, codecs).map_err(ran)?,
    };
    let (said, message) = form.open_response(body).map_err(ran)?;
    match &said.error[..] {
        "" => {}
        EOS => return Ok(Said::End),
        text => return Err(failed(text)),
    }
    Ok(Said::Message(Payload::encoded(message, form.codec)))
}

/// The status of an answer that is none of mucp's.
fn refused(number: u16, body: &Bytes) -> Status {
    let text = String::from_utf8_lossy(&body[..body.len().min(256)]);
    let shown: String = text.chars().filter(|c| !c.is_control()).collect();
    let text = format!("the node answered HTTP {number}: {shown}");
    match number {
        404 | 405 | 501 => Status::unimplemented(text).with_executed(Executed::No),
        403 => Status::permission_denied(text).with_executed(Executed::No),
        503 => Status::unavailable(text),
        _ => Status::internal(text),
    }
}

/// A reply of one message, with the metadata of its head.
pub(super) fn reply(message: Payload, head: &Head) -> Reply {
    let mut reply = Reply::one(message);
    reply.meta = meta(head);
    reply
}

/// The metadata of a head.
pub(super) fn meta(head: &Head) -> ReplyMeta {
    // The handler has run; metadata that cannot be held does not change that.
    let metadata = metadata_of(&head.fields).unwrap_or_default();
    if metadata.is_empty() {
        return ReplyMeta::none();
    }
    let meta = ReplyMeta::new();
    meta.set_initial(metadata);
    meta
}

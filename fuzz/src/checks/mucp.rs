//! Messages of mucp, their fields, envelopes and errors.

use bytes::{BufMut, Bytes, BytesMut};
use motet_core::{Code, Codecs, Payload};
use motet_protocol_mucp::wire::{
    Broken, Event, Form, Head, Parser, Side, Writer, metadata_of, read_error, write_error,
};

use super::Script;

/// The longest message that is taken here.
const MOST: usize = 64 << 10;

/// Cuts bytes as they would come in parts of this length.
fn events(side: Side, bytes: &[u8], step: usize) -> (Vec<Event>, Option<Broken>) {
    let (mut parser, mut input, mut all) = (Parser::new(side, MOST), BytesMut::new(), Vec::new());
    let mut parts = bytes.chunks(step.max(1)).peekable();
    while let Some(part) = parts.next() {
        input.extend_from_slice(part);
        loop {
            match parser.next(&mut input, parts.peek().is_none(), |length| length <= MOST) {
                // Who waits is told to go on only if nothing has come behind the head.
                Ok(Some(Event::Continue)) => {}
                Ok(Some(event)) => all.push(event),
                Ok(None) => break,
                Err(broken) => return (all, Some(broken)),
            }
        }
    }
    (all, None)
}

fn check(head: &Head, body: &Bytes) {
    let fields = &head.fields;
    drop(metadata_of(fields));
    if let Some(error) = fields.micro("Micro-Error") {
        let status = read_error(error, "");
        let again = read_error(&write_error(&status, ""), "");
        assert!(again.code() == status.code() || status.code() == Code::Unknown);
    }
    let Ok(form) = Form::of(fields.get("Content-Type"), fields.micro("Micro-Target").is_some(), &Codecs::default())
    else {
        return;
    };
    assert!(Form::of(Some(form.content_type()), false, &Codecs::default()) == Ok(form.clone()));
    drop(form.open_response(body));
    if body.is_empty() {
        return;
    }
    let Ok((said, message)) = form.open_request(body) else { return };
    // What was read survives being written and read again.
    let mut out = BytesMut::new();
    let payload = Payload::encoded(message.clone(), form.codec.clone());
    form.put_request(&said, Some(&payload), &mut out).expect("it was read");
    let (again, message_again) = form.open_request(&out.freeze()).expect("it was written");
    assert_eq!(again, said);
    assert_eq!(message_again.trim_ascii(), message.trim_ascii());
}

/// Every message is read or refused, however it is cut; what is written is one message.
pub fn mucp(data: &[u8]) {
    let mut script = Script::new(data);
    let side = if script.below(2) == 0 { Side::Requests } else { Side::Responses };
    let step = script.below(64) + 1;
    let bytes = script.take(data.len());
    let whole = events(side, bytes, bytes.len());
    assert_eq!(events(side, bytes, step), whole);
    for event in &whole.0 {
        if let Event::Message(head, body) = event {
            check(head, body);
            let mut out = BytesMut::new();
            let mut writer = Writer::response(&mut out);
            head.fields.iter().take(100).for_each(|(name, value)| writer.field(&format!("X-{}", name.len()), value));
            let written = writer.end(MOST, |out| {
                out.put_slice(body);
                Ok(())
            });
            written.expect("short enough");
            let (again, broken) = events(Side::Responses, &out, out.len());
            assert!(matches!(&again[..], [Event::Message(_, same)] if same == body) && broken.is_none());
        }
    }
}

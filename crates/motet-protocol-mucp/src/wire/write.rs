//! Writing messages.

use base64::Engine;
use bytes::{BufMut, BytesMut};
use motet_core::{Metadata, Result, Status};

use super::fields::{BASE64, is_own};

/// A body up to this length is moved to where its head ends; before a longer one stays white space.
const MOVED: usize = 16 << 10;

/// Writes one message: its first line, its fields, its body. What is written is whole after
/// [`Writer::end`] only.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut BytesMut,
    begun: usize,
}

impl<'a> Writer<'a> {
    /// Begins a request to a host as URLs have it.
    pub fn request(host: &str, out: &'a mut BytesMut) -> Writer<'a> {
        let begun = out.len();
        let mut writer = Writer { out, begun };
        writer.out.put_slice(b"POST / HTTP/1.1\r\n");
        writer.field("Host", host);
        writer.field("User-Agent", "motet");
        writer
    }

    /// Begins a response. Errors of calls are responses like others.
    pub fn response(out: &'a mut BytesMut) -> Writer<'a> {
        let begun = out.len();
        out.put_slice(b"HTTP/1.1 200 OK\r\n");
        Writer { out, begun }
    }

    /// Adds a field. Line ends in the value, which would begin another field, become spaces.
    pub fn field(&mut self, name: &str, value: &str) {
        self.out.put_slice(name.as_bytes());
        self.out.put_slice(b": ");
        self.out.extend(value.bytes().map(|byte| if matches!(byte, b'\r' | b'\n' | 0) { b' ' } else { byte }));
        self.out.put_slice(b"\r\n");
    }

    /// Adds metadata; `-bin` values as base64. What would be taken for something else is left out.
    pub fn metadata(&mut self, metadata: &Metadata) {
        for (key, value) in metadata.iter_raw() {
            if is_own(key) {
                continue;
            }
            match key.len() > 4 && key.ends_with("-bin") {
                true => self.field(key, &BASE64.encode(value)),
                false => self.field(key, &String::from_utf8_lossy(value)),
            }
        }
    }

    /// Ends the fields and adds the body, which `encode` appends. On error nothing stays.
    ///
    /// # Errors
    /// What `encode` says, and ResourceExhausted for a body of more than `max` bytes.
    pub fn end(self, max: usize, encode: impl FnOnce(&mut BytesMut) -> Result<()>) -> Result<()> {
        // The length stands before the body and is known after it: a place of ten digits is kept.
        let length = self.out.len();
        self.out.put_slice(b"Content-Length: 0000000000\r\n\r\n");
        let body = self.out.len();
        let result = encode(self.out).and_then(|()| match self.out.len() - body > max {
            true => Err(too_long(max)),
            false => Ok(()),
        });
        if let Err(status) = result {
            self.out.truncate(self.begun);
            return Err(status);
        }
        let field = format!("Content-Length: {}\r\n\r\n", self.out.len() - body);
        let spare = body - length - field.len();
        if self.out.len() - body <= MOVED {
            self.out.copy_within(body.., body - spare);
            self.out.truncate(self.out.len() - spare);
            self.out[length..length + field.len()].copy_from_slice(field.as_bytes());
        } else {
            // White space before a value means nothing (RFC 9112 §5).
            let field = format!("Content-Length: {:>10}", self.out.len() - body);
            self.out[length..length + field.len()].copy_from_slice(field.as_bytes());
        }
        Ok(())
    }

    /// Ends the message without a body.
    pub fn empty(self) {
        self.out.put_slice(b"Content-Length: 0\r\n\r\n");
    }
}

/// The status of a message that is longer than its limit.
pub(crate) fn too_long(max: usize) -> Status {
    Status::resource_exhausted(format!("the message is longer than the limit of {max} bytes"))
}

/// The whole answer to something that is no mucp, behind which the connection ends.
pub(crate) fn refusal(status: &str, text: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(bytes: &[u8]) -> impl FnOnce(&mut BytesMut) -> Result<()> {
        move |out| {
            out.put_slice(bytes);
            Ok(())
        }
    }

    #[test]
    fn a_request_and_a_response_are_plain_http() {
        let mut out = BytesMut::new();
        let mut writer = Writer::request("localhost:8080", &mut out);
        writer.field("Content-Type", "application/json");
        writer.end(10, put(b"{}\n")).expect("short");
        Writer::response(&mut out).empty();
        let expected = "POST / HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: motet\r\nContent-Type: application/json\r\n\
            Content-Length: 3\r\n\r\n{}\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }

    #[test]
    fn a_value_begins_no_other_field() {
        let mut out = BytesMut::new();
        let mut writer = Writer::response(&mut out);
        writer.field("Micro-Error", "a\r\nSet-Cookie: b\n\nc");
        writer.empty();
        assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 4, "{out:?}");
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing() {
        let mut out = BytesMut::from(&b"before"[..]);
        let status = Writer::response(&mut out).end(2, put(b"abc")).expect_err("too long");
        assert_eq!((status.code(), &out[..]), (motet_core::Code::ResourceExhausted, &b"before"[..]));
    }

    #[test]
    fn long_bodies_have_their_length_too() {
        for length in [MOVED, MOVED + 1] {
            let mut out = BytesMut::new();
            Writer::response(&mut out).end(1 << 20, put(&vec![b'x'; length])).expect("fits");
            let text = String::from_utf8_lossy(&out);
            let (head, body) = text.split_once("\r\n\r\n").expect("a head");
            assert!(head.ends_with(&length.to_string()) && body.len() == length, "{head}");
        }
    }
}

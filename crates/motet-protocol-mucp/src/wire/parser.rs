//! Cutting a stream of bytes into HTTP/1.1 messages.
//!
//! What a parser says depends on the bytes alone, not on how they are split on the way. It reads what
//! Go's HTTP library writes: lengths or chunks, any case of names, bodies that end with the connection.

use std::fmt;

use bytes::{Buf, Bytes, BytesMut};

use super::{
    Fields,
    chunks::{Chunks, Part},
};

/// The longest head, in bytes.
const MAX_HEAD: usize = 64 << 10;
/// The most fields of a head.
const MAX_FIELDS: usize = 160;
/// A body up to this length that is not taken is read to its end and dropped; a longer one ends the
/// connection.
const MAX_SKIPPED: u64 = 256 << 20;
/// Bodies shorter than this are copied out of the input, so that one that is kept does not keep all
/// that was read with it.
const COPIED: usize = 16 << 10;

/// Which side's messages are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Requests.
    Requests,
    /// Responses.
    Responses,
}

/// The first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// Of a request; whether it is a POST.
    Request(bool),
    /// Of a response, with its number.
    Response(u16),
}

/// First line and fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The first line.
    pub first: First,
    /// The fields.
    pub fields: Fields,
}

impl Head {
    /// Whether the message itself is still to come (100 and its like).
    pub fn is_informational(&self) -> bool {
        matches!(self.first, First::Response(100..=199))
    }
}

/// Why a body is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is longer than a message may be.
    TooLong,
    /// There is no memory for it.
    NoMemory,
}

/// What has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message.
    Message(Head, Bytes),
    /// The head of one that is not taken; its body is dropped as it comes.
    Refused(Head, Refused),
    /// The sender waits to be told to go on (`Expect: 100-continue`).
    Continue,
}

/// Why a connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// What came is not HTTP/1.1, or not in a way that can be read safely.
    Malformed(&'static str),
    /// It goes over a limit.
    OverLimit(&'static str),
    /// The stream ended within a message.
    Cut,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Broken::Malformed(text) | Broken::OverLimit(text) => text,
            Broken::Cut => "the connection ended within a message",
        })
    }
}

/// Where in a message the stream is.
#[derive(Debug)]
enum State {
    /// In the head, of which so much was searched for its end.
    Head(usize),
    /// In a body of this length.
    Length(Head, usize),
    /// In a body of chunks, taken so far.
    Chunks(Head, Chunks, BytesMut),
    /// In a body that ends with the connection.
    UntilEnd(Head),
    /// In a body that is dropped, of which so much is to come.
    Skip(u64),
    /// In a body of chunks that is dropped, of which so much has come.
    SkipChunks(Chunks, u64),
    /// In a body that is dropped and ends with the connection.
    SkipToEnd,
}

/// Cuts a stream into messages.
#[derive(Debug)]
pub struct Parser {
    side: Side,
    max_message: usize,
    state: State,
}

impl Parser {
    /// A parser of one side's messages, of which none is longer than `max_message` bytes.
    pub fn new(side: Side, max_message: usize) -> Parser {
        Parser { side, max_message, state: State::Head(0) }
    }

    /// Whether a message is under way.
    pub fn is_inside(&self, input: &BytesMut) -> bool {
        !input.is_empty() || !matches!(self.state, State::Head(_))
    }

    /// How many more bytes the message under way needs, where that is known.
    pub fn wants(&self, input: &BytesMut) -> usize {
        match &self.state {
            State::Length(_, length) => length.saturating_sub(input.len()),
            _ => 0,
        }
    }

    /// What the input holds; none when more is needed. `ended` says that no more will come; `allow` is
    /// asked about a body's length, or how much of it there is so far, and says whether there is memory.
    ///
    /// # Errors
    /// [`Broken`]
    pub fn next(
        &mut self,
        input: &mut BytesMut,
        ended: bool,
        mut allow: impl FnMut(usize) -> bool,
    ) -> Result<Option<Event>, Broken> {
        loop {
            match std::mem::replace(&mut self.state, State::Head(0)) {
                State::Head(searched) => match self.head(input, searched, ended)? {
                    None => return Ok(None),
                    Some(head) => {
                        let waits = head.fields.all("expect").any(|value| value.eq_ignore_ascii_case(b"100-continue"));
                        if let Some(event) = self.begin(head, &mut allow)? {
                            return Ok(Some(event));
                        }
                        if waits && input.is_empty() {
                            return Ok(Some(Event::Continue));
                        }
                    }
                },
                State::Length(head, length) => {
                    if input.len() >= length {
                        return Ok(Some(Event::Message(head, take(input, length))));
                    }
                    self.state = State::Length(head, length);
                    return more(ended);
                }
                State::Chunks(head, mut chunks, mut body) => match chunks.next(input)? {
                    Part::More => {
                        self.state = State::Chunks(head, chunks, body);
                        return more(ended);
                    }
                    Part::End => return Ok(Some(Event::Message(head, body.freeze()))),
                    Part::Data(length) => {
                        let why = match body.len() + length {
                            all if all > self.max_message => Some(Refused::TooLong),
                            all if !allow(all) => Some(Refused::NoMemory),
                            _ => None,
                        };
                        if let Some(why) = why {
                            self.state = State::SkipChunks(chunks, 0);
                            return Ok(Some(Event::Refused(head, why)));
                        }
                        body.extend_from_slice(&input[..length]);
                        input.advance(length);
                        chunks.took(length);
                        self.state = State::Chunks(head, chunks, body);
                    }
                },
                State::UntilEnd(head) => {
                    if input.len() > self.max_message || !allow(input.len()) {
                        self.state = State::SkipToEnd;
                        return Ok(Some(Event::Refused(head, Refused::TooLong)));
                    }
                    if ended {
                        let length = input.len();
                        return Ok(Some(Event::Message(head, take(input, length))));
                    }
                    self.state = State::UntilEnd(head);
                    return Ok(None);
                }
                State::Skip(0) => {}
                State::Skip(left) => {
                    let skipped = input.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    input.advance(skipped);
                    self.state = State::Skip(left - skipped as u64);
                    if left > skipped as u64 {
                        return more(ended);
                    }
                }
                State::SkipChunks(mut chunks, skipped) => match chunks.next(input)? {
                    Part::End => {}
                    Part::More => {
                        self.state = State::SkipChunks(chunks, skipped);
                        return more(ended);
                    }
                    Part::Data(length) => {
                        input.advance(length);
                        chunks.took(length);
                        let skipped = skipped + length as u64;
                        if skipped > MAX_SKIPPED {
                            return Err(Broken::OverLimit("a body is too long"));
                        }
                        self.state = State::SkipChunks(chunks, skipped);
                    }
                },
                State::SkipToEnd => {
                    input.clear();
                    self.state = State::SkipToEnd;
                    return more(ended);
                }
            }
        }
    }

    /// The head at the front, once all of it is there.
    fn head(&mut self, input: &mut BytesMut, searched: usize, ended: bool) -> Result<Option<Head>, Broken> {
        if searched == 0 {
            // Empty lines before a message are passed over (RFC 9112 §2.2).
            let blank = input.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            input.advance(blank);
        }
        let end = (searched..input.len()).find_map(|at| match &input[at..] {
            [b'\n', b'\n', ..] => Some(at + 2),
            [b'\n', b'\r', b'\n', ..] => Some(at + 3),
            _ => None,
        });
        let Some(end) = end.filter(|end| *end <= MAX_HEAD) else {
            if end.is_some() || input.len() > MAX_HEAD {
                return Err(Broken::OverLimit("a head is too long"));
            }
            self.state = State::Head(input.len().saturating_sub(2));
            return match ended && !input.is_empty() {
                true => Err(Broken::Cut),
                false => Ok(None),
            };
        };
        let bytes = input.split_to(end).freeze();
        parse(self.side, &bytes).map(Some)
    }

    /// Goes on to the body of a head; what is known to be too long is refused.
    fn begin(&mut self, head: Head, allow: &mut impl FnMut(usize) -> bool) -> Result<Option<Event>, Broken> {
        let (length, chunked) = extent(&head.fields)?;
        let bodiless = matches!(head.first, First::Response(100..=199 | 204 | 304));
        self.state = match length {
            _ if bodiless => State::Length(head, 0),
            None if chunked => State::Chunks(head, Chunks::default(), BytesMut::new()),
            None if matches!(head.first, First::Response(_)) => State::UntilEnd(head),
            None => State::Length(head, 0),
            Some(length) if length > MAX_SKIPPED => return Err(Broken::OverLimit("a body is too long")),
            Some(length) => {
                // At most 256 MiB.
                let fits = usize::try_from(length).unwrap_or(usize::MAX);
                let why = match fits {
                    fits if fits > self.max_message => Some(Refused::TooLong),
                    fits if !allow(fits) => Some(Refused::NoMemory),
                    _ => None,
                };
                if let Some(why) = why {
                    self.state = State::Skip(length);
                    return Ok(Some(Event::Refused(head, why)));
                }
                State::Length(head, fits)
            }
        };
        Ok(None)
    }
}

/// A body's length, if it is said, and whether it comes in chunks.
fn extent(fields: &Fields) -> Result<(Option<u64>, bool), Broken> {
    let mut lengths = fields.all("content-length");
    let length = lengths.next().map(decimal).transpose()?;
    if lengths.any(|other| decimal(other).ok() != length) {
        return Err(Broken::Malformed("two lengths"));
    }
    let codings: Vec<&[u8]> = fields.all("transfer-encoding").collect();
    let chunked = match codings[..] {
        [] => false,
        [one] if one.eq_ignore_ascii_case(b"chunked") => true,
        _ => return Err(Broken::Malformed("a transfer coding other than chunked")),
    };
    // What two readers could understand in two ways is understood in none.
    match chunked && length.is_some() {
        true => Err(Broken::Malformed("a length and chunks")),
        false => Ok((length, chunked)),
    }
}

/// What to say when more is needed.
fn more(ended: bool) -> Result<Option<Event>, Broken> {
    if ended { Err(Broken::Cut) } else { Ok(None) }
}

fn take(input: &mut BytesMut, length: usize) -> Bytes {
    match length < COPIED {
        true => {
            let body = Bytes::copy_from_slice(&input[..length]);
            input.advance(length);
            body
        }
        false => input.split_to(length).freeze(),
    }
}

fn decimal(text: &[u8]) -> Result<u64, Broken> {
    let digits = std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).ok_or(Broken::Malformed("a length is no number"))
}

fn parse(side: Side, bytes: &Bytes) -> Result<Head, Broken> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let (first, fields) = match side {
        Side::Requests => {
            let mut request = httparse::Request::new(&mut fields);
            request.parse(bytes).map_err(broken)?;
            (First::Request(request.method == Some("POST")), &*request.headers)
        }
        Side::Responses => {
            let mut response = httparse::Response::new(&mut fields);
            response.parse(bytes).map_err(broken)?;
            (First::Response(response.code.unwrap_or_default()), &*response.headers)
        }
    };
    let pair = |field: &httparse::Header<'_>| (bytes.slice_ref(field.name.as_bytes()), bytes.slice_ref(field.value));
    Ok(Head { first, fields: Fields(fields.iter().map(pair).collect()) })
}

fn broken(error: httparse::Error) -> Broken {
    match error {
        httparse::Error::TooManyHeaders => Broken::OverLimit("a head has too many fields"),
        _ => Broken::Malformed("this is no HTTP/1.1"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(side: Side, parts: &[&[u8]]) -> Result<Vec<Event>, Broken> {
        let (mut parser, mut input, mut all) = (Parser::new(side, 1000), BytesMut::new(), Vec::new());
        for (n, part) in parts.iter().enumerate() {
            input.extend_from_slice(part);
            while let Some(event) = parser.next(&mut input, n + 1 == parts.len(), |_| true)? {
                all.push(event);
            }
        }
        Ok(all)
    }

    fn bodies(side: Side, bytes: &[u8]) -> Result<Vec<String>, Broken> {
        let whole = events(side, &[bytes])?;
        for at in 0..bytes.len() {
            assert_eq!(events(side, &[&bytes[..at], &bytes[at..]]), Ok(whole.clone()), "split at {at}");
        }
        assert_eq!(events(side, &bytes.chunks(1).collect::<Vec<_>>()), Ok(whole.clone()));
        let body = |event| match event {
            Event::Message(_, body) => String::from_utf8_lossy(&body).into_owned(),
            other => format!("{other:?}"),
        };
        Ok(whole.into_iter().map(body).collect())
    }

    #[test]
    fn messages_are_cut_alike_at_every_split() {
        let bytes = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc\
            POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\
            POST /x HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n2;a=b\r\nab\r\n1\r\nc\r\n0\r\nTrailer: t\r\n\r\n\
            GET / HTTP/1.1\n\n";
        assert_eq!(bodies(Side::Requests, bytes), Ok(["abc", "", "abc", ""].map(String::from).to_vec()));
    }

    #[test]
    fn responses_end_with_their_length_or_with_the_connection() {
        let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n\
            HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n400 Bad Request";
        assert_eq!(bodies(Side::Responses, bytes), Ok(["", "", "400 Bad Request"].map(String::from).to_vec()));
    }

    #[test]
    fn a_body_over_the_limit_is_refused_and_dropped() {
        let after = b"POST / HTTP/1.1\r\n\r\n";
        let long = [&b"POST / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n"[..], &[b'x'; 1001], after].concat();
        let chunk = [&b"3e8\r\n"[..], &[b'x'; 1000], b"\r\n1\r\nx\r\n0\r\n\r\n", after].concat();
        let chunks = [&b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"[..], &chunk].concat();
        for bytes in [long, chunks] {
            let all = events(Side::Requests, &[&bytes]).expect("HTTP");
            assert!(matches!(&all[..], [Event::Refused(_, Refused::TooLong), Event::Message(..)]), "{all:?}");
        }
    }

    #[test]
    fn a_body_without_memory_is_refused_when_its_length_is_known() {
        let mut parser = Parser::new(Side::Requests, 1000);
        let mut input = BytesMut::from(&b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n"[..]);
        let event = parser.next(&mut input, false, |length| length < 9).expect("HTTP");
        assert!(matches!(event, Some(Event::Refused(_, Refused::NoMemory))));
    }

    #[test]
    fn who_waits_to_go_on_is_told_once() {
        let mut parser = Parser::new(Side::Requests, 1000);
        let mut input = BytesMut::from(&b"POST / HTTP/1.1\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"[..]);
        assert_eq!(parser.next(&mut input, false, |_| true), Ok(Some(Event::Continue)));
        assert_eq!(parser.next(&mut input, false, |_| true), Ok(None));
        input.extend_from_slice(b"x");
        assert!(matches!(parser.next(&mut input, false, |_| true), Ok(Some(Event::Message(..)))));
    }

    #[test]
    fn what_is_no_message_or_could_be_two_ends_the_connection() {
        for (bytes, malformed) in [
            (&b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"[..], true),
            (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", true),
            (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", true),
            (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", true),
            (b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", true),
            (b"POST / HTTP/1.1\r\nContent-Length: 999999999999\r\n\r\n", false),
            (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", true),
            (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", true),
            (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc", true),
            (b"POST / HTTP/1.1\r\n folded: x\r\n\r\n", true),
            (b"\0\0\r\n\r\n", true),
        ] {
            let error = events(Side::Requests, &[bytes]).expect_err(&String::from_utf8_lossy(bytes));
            assert_eq!(matches!(error, Broken::Malformed(_)), malformed, "{error:?}");
        }
        let many = [&b"POST / HTTP/1.1\r\n"[..], &b"a: b\r\n".repeat(MAX_FIELDS + 1), b"\r\n"].concat();
        assert_eq!(events(Side::Requests, &[&many]), Err(Broken::OverLimit("a head has too many fields")));
        let long = [&b"POST / HTTP/1.1\r\na: "[..], &[b'x'; MAX_HEAD]].concat();
        assert_eq!(events(Side::Requests, &[&long, b""]), Err(Broken::OverLimit("a head is too long")));
    }

    #[test]
    fn a_stream_that_ends_within_a_message_is_told_apart_from_one_that_ends_behind_it() {
        let bytes = b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc";
        for end in 1..bytes.len() {
            assert_eq!(events(Side::Requests, &[&bytes[..end]]), Err(Broken::Cut), "{end}");
        }
        assert_eq!(events(Side::Requests, &[bytes, b""]).map(|all| all.len()), Ok(1));
    }
}

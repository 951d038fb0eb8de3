//! Between trailers and a status.

use std::{borrow::Cow, time::Duration};

use base64::Engine;
use http::{HeaderMap, HeaderName, HeaderValue};
use motet_core::{Code, Codec, Codecs, Executed, Payload, Status, validate::Report};
use prost::Message;

use super::{
    metadata::{self, BASE64},
    micro, percent_decode, percent_encode,
    rpc::{Any, BAD_REQUEST, DETAILS, Details, ERROR_INFO, ErrorInfo, RpcStatus},
};

/// The header of the code's number.
pub const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// The header of the message.
pub const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");
const EXECUTED: HeaderName = HeaderName::from_static("motet-executed");

/// The most bytes of a message that travel, encoded. Many peers refuse trailers over 8 KiB, whole.
pub const MAX_TEXT: usize = 2 << 10;
/// The most bytes of details that travel, encoded; longer ones stay behind.
pub const MAX_DETAILS: usize = 4 << 10;
/// How many details of a peer's status are looked at.
const MAX_ANY: usize = 16;

/// Adds the status of a call that ended well.
pub fn write_ok(trailers: &mut HeaderMap) {
    trailers.insert(GRPC_STATUS, HeaderValue::from_static("0"));
}

/// Adds a status, without its metadata. `codec` is the call's: it carries the details.
pub fn write(status: &Status, codec: &Codec, trailers: &mut HeaderMap) {
    write_with(status, details(status, codec), trailers);
}

/// As [`write`], for a caller of go-micro.
pub(crate) fn write_micro(status: &Status, trailers: &mut HeaderMap) {
    write_with(status, vec![micro::detail(status, cut_text(status.message()))], trailers);
}

fn write_with(status: &Status, details: Vec<Any>, trailers: &mut HeaderMap) {
    trailers.insert(GRPC_STATUS, HeaderValue::from(u16::from(status.code().number())));
    if !status.message().is_empty()
        && let Ok(text) = HeaderValue::from_str(&cut(&percent_encode(status.message())))
    {
        trailers.insert(GRPC_MESSAGE, text);
    }
    write_hints(status, trailers);
    if !details.is_empty() {
        let whole =
            RpcStatus { code: status.code().number().into(), message: cut_text(status.message()).to_owned(), details };
        let encoded = BASE64.encode(whole.encode_to_vec());
        if encoded.len() <= MAX_DETAILS
            && let Ok(value) = HeaderValue::from_str(&encoded)
        {
            trailers.insert(GRPC_DETAILS, value);
        }
    }
}

/// Adds what a status says of another try: when, and whether the call ran.
pub(crate) fn write_hints(status: &Status, headers: &mut HeaderMap) {
    if let Some(wait) = status.retry_after() {
        headers.insert(PUSHBACK, HeaderValue::from(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)));
    }
    let executed = match status.executed() {
        Executed::Yes => "yes",
        Executed::No => "no",
        Executed::Unknown => return,
    };
    headers.insert(EXECUTED, HeaderValue::from_static(executed));
}

/// Adds to a status what [`write_hints`] wrote.
pub(crate) fn read_hints(mut status: Status, headers: &HeaderMap) -> Status {
    let executed = match headers.get(EXECUTED).map(HeaderValue::as_bytes) {
        Some(b"yes") => Executed::Yes,
        Some(b"no") => Executed::No,
        _ => Executed::Unknown,
    };
    status = status.with_executed(executed);
    match headers.get(PUSHBACK).and_then(|wait| wait.to_str().ok()?.parse().ok()) {
        Some(wait) => status.with_retry_after(Duration::from_millis(wait)),
        None => status,
    }
}

/// The details of a status as `google.rpc` has them: `ErrorInfo` with the reason, `BadRequest` for
/// broken constraints, else Motet's own with the fields in the call's codec.
pub fn details(status: &Status, codec: &Codec) -> Vec<Any> {
    let mut all = Vec::new();
    if let Some(reason) = status.reason() {
        let info = ErrorInfo { reason: reason.to_owned(), domain: String::new() };
        all.push(Any::of(ERROR_INFO, info.encode_to_vec()));
    }
    let Some(own) = status.details() else { return all };
    if Report::of(status).is_some() {
        let own = own.clone().with_codec(Codec::PROTOBUF);
        if *own.codec() == Codec::PROTOBUF
            && let Ok(bytes) = own.bytes()
        {
            all.push(Any::of(BAD_REQUEST, bytes));
        }
        return all;
    }
    let own = own.clone().with_codec(codec.clone());
    if let Ok(body) = own.bytes() {
        let content_type = own.codec().content_type().to_owned();
        all.push(Any::of(DETAILS, Details { content_type, body }.encode_to_vec()));
    }
    all
}

/// Cuts an encoded message to [`MAX_TEXT`], not within an escape.
fn cut(encoded: &str) -> Cow<'_, str> {
    if encoded.len() <= MAX_TEXT {
        return Cow::Borrowed(encoded);
    }
    let mut end = MAX_TEXT;
    // It is ASCII, so that every place is one to cut; escapes have three characters. Half a character
    // beyond ASCII is replaced by whoever decodes it.
    end -= encoded.as_bytes()[end - 2..end].iter().rev().position(|b| *b == b'%').map_or(0, |back| back + 1);
    Cow::Owned(encoded[..end].to_owned())
}

/// Cuts text to [`MAX_TEXT`] bytes at most.
fn cut_text(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT)]
}

/// The status in trailers, with its metadata: `None` for success.
///
/// # Errors
/// `Err` when there is none.
pub fn read(trailers: &HeaderMap, codecs: &Codecs) -> Result<Option<Status>, Missing> {
    let code = match trailers.get(GRPC_STATUS).ok_or(Missing)?.as_bytes() {
        b"0" => return Ok(None),
        number => std::str::from_utf8(number)
            .ok()
            .and_then(|n| n.parse::<u64>().ok())
            .map_or(Code::Unknown, Code::from_number),
    };
    let message = trailers.get(GRPC_MESSAGE).map(|text| String::from_utf8_lossy(text.as_bytes()).into_owned());
    let status = Status::new(code, message.map_or(String::new(), |text| percent_decode(&text).into_owned()));
    let mut status = read_hints(status, trailers);
    if let Some(details) = trailers.get(GRPC_DETAILS).and_then(|value| BASE64.decode(value.as_bytes()).ok())
        && let Ok(whole) = RpcStatus::decode(&details[..])
    {
        status = with_details(status, whole.details, codecs);
    }
    // The status is what the caller must see; metadata that cannot be read is not.
    let metadata = metadata::read(trailers).unwrap_or_default();
    Ok(Some(if metadata.is_empty() { status } else { status.with_metadata(metadata) }))
}

/// There is no status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing;

/// Adds what a peer's details say.
pub(crate) fn with_details(mut status: Status, details: Vec<Any>, codecs: &Codecs) -> Status {
    for any in details.into_iter().take(MAX_ANY) {
        match any.name() {
            ERROR_INFO => {
                if let Ok(info) = ErrorInfo::decode(any.value)
                    && !info.reason.is_empty()
                {
                    status = status.with_reason(info.reason);
                }
            }
            BAD_REQUEST if status.details().is_none() => {
                status = status.with_details(Payload::encoded(any.value, Codec::PROTOBUF));
            }
            micro::ERROR => status = micro::with_detail(status, &any.value),
            DETAILS => {
                if let Ok(own) = Details::decode(any.value)
                    && let Ok(codec) = codecs.find(&own.content_type)
                {
                    status = status.with_details(Payload::encoded(own.body, codec));
                }
            }
            _ => {}
        }
    }
    status
}

#[cfg(test)]
mod tests {
    use motet_core::{MessageType, Value};

    use super::*;

    fn sent(status: &Status) -> Status {
        let mut trailers = HeaderMap::new();
        write(status, &Codec::PROTOBUF, &mut trailers);
        metadata::write(status.metadata(), &mut trailers);
        read(&trailers, &Codecs::default()).expect("there").expect("an error")
    }

    #[test]
    fn success_and_absence_are_told_apart() {
        let mut trailers = HeaderMap::new();
        assert_eq!(read(&trailers, &Codecs::default()), Err(Missing));
        write_ok(&mut trailers);
        assert_eq!(read(&trailers, &Codecs::default()), Ok(None));
    }

    #[test]
    fn a_status_survives_whole() {
        let details = Payload::typed(Value { value: 7_u32 }, &MessageType::serde(), Codec::JSON);
        for code in Code::ALL {
            let status = Status::new(code, "50 % of\nit ☺")
                .with_reason("GreetError.NameTooLong")
                .with_details(details.clone())
                .with_executed(Executed::Yes)
                .with_retry_after(Duration::from_millis(70));
            let read = sent(&status);
            assert_eq!(read, status);
            assert_eq!(read.retry_after(), status.retry_after());
            let read = read.details().expect("there").clone();
            assert_eq!(*read.codec(), Codec::PROTOBUF, "the call's");
            assert_eq!(read.take(&MessageType::<Value<u32>>::serde()), Ok(Value { value: 7 }));
        }
    }

    #[test]
    fn broken_constraints_travel_as_bad_request() {
        let mut report = Report::default();
        report.field("name", |report| report.length("", Some(1), None));
        let status = report.clone().into_status();
        let mut trailers = HeaderMap::new();
        write(&status, &Codec::JSON, &mut trailers);
        let details = BASE64.decode(&trailers["grpc-status-details-bin"]).expect("base64");
        let whole = RpcStatus::decode(&details[..]).expect("a status");
        assert_eq!(whole.details[0].type_url, "type.googleapis.com/google.rpc.BadRequest");
        assert_eq!(Report::of(&sent(&status)).expect("a report").violations(), report.violations());
    }

    #[test]
    fn a_long_message_is_cut_and_long_details_stay_behind() {
        let details = Payload::encoded(vec![7; 16 << 10], Codec::RAW);
        let status = Status::internal("☺ ".repeat(4000)).with_details(details);
        let mut trailers = HeaderMap::new();
        write(&status, &Codec::RAW, &mut trailers);
        assert!(trailers["grpc-message"].len() <= MAX_TEXT);
        assert!(!trailers.contains_key("grpc-status-details-bin"));
        let read = sent(&status);
        assert!(read.message().starts_with("☺ ☺ ") && read.message().len() > 500);
    }

    #[test]
    fn odd_numbers_and_damaged_details_leave_a_status() {
        for (number, code) in
            [("5", Code::NotFound), ("17", Code::Unknown), ("-1", Code::Unknown), ("x", Code::Unknown)]
        {
            let mut trailers = HeaderMap::new();
            trailers.insert(GRPC_STATUS, HeaderValue::from_static(number));
            trailers.insert(GRPC_DETAILS, HeaderValue::from_static("!!!"));
            let status = read(&trailers, &Codecs::default()).expect("there").expect("an error");
            assert_eq!((status.code(), status.message()), (code, ""));
        }
    }
}

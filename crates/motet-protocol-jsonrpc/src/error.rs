//! Errors: what a `Status` is in JSON-RPC, and back.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use motet_core::{Code, Codec, Executed, Payload, Status};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Version, message::write_text};

/// The error of a response: in 2.0 code, message and data, in 1.0 the message.
///
/// A [`Status`] has the code -32000 less its number (`NOT_FOUND` is -32005); data carries what else
/// it says: `reason`, `details`, `executed`, `retry_after_ms`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorObject {
    code: i64,
    message: String,
    data: Option<Bytes>,
}

/// The data of an error that was a [`Status`].
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Data {
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    executed: Option<Executed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

#[derive(Deserialize)]
struct Wire<'a> {
    code: i64,
    message: String,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

impl ErrorObject {
    /// The text is no JSON.
    pub const PARSE_ERROR: i64 = -32700;
    /// The JSON is no request.
    pub const INVALID_REQUEST: i64 = -32600;
    /// There is no such method.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// The parameters do not fit the method.
    pub const INVALID_PARAMS: i64 = -32602;
    /// The server failed.
    pub const INTERNAL_ERROR: i64 = -32603;

    /// An error of this code.
    pub fn new(code: i64, message: impl Into<String>) -> ErrorObject {
        ErrorObject { code, message: message.into(), data: None }
    }

    /// The error of a status.
    pub fn from_status(status: &Status) -> ErrorObject {
        let details = status.details().and_then(|details| {
            let details = details.clone().with_codec(Codec::JSON);
            let bytes = (*details.codec() == Codec::JSON).then(|| details.bytes().ok()).flatten()?;
            RawValue::from_string(String::from_utf8(bytes.to_vec()).ok()?).ok()
        });
        let wait = status.retry_after().map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        let executed = Some(status.executed()).filter(|executed| *executed != Executed::Unknown);
        let reason = status.reason().map(str::to_owned);
        let data = Data { reason, details, executed, retry_after_ms: wait };
        let data = serde_json::to_vec(&data).ok().filter(|data| data != b"{}").map(Bytes::from);
        // An empty text means "no error" to some readers of 1.0.
        let message = if status.message().is_empty() { status.code().name() } else { status.message() };
        ErrorObject { code: -32000 - i64::from(status.code().number()), message: message.to_owned(), data }
    }

    /// The status of an error that came from a peer.
    pub fn into_status(self, version: Version) -> Status {
        if version == Version::V1 {
            return motet_rpc::exchange::go_error(&self.message);
        }
        let (code, executed) = match self.code {
            Self::METHOD_NOT_FOUND => (Code::Unimplemented, Executed::No),
            Self::INVALID_PARAMS => (Code::InvalidArgument, Executed::No),
            Self::PARSE_ERROR | Self::INVALID_REQUEST => (Code::Internal, Executed::No),
            Self::INTERNAL_ERROR => (Code::Internal, Executed::Unknown),
            code @ -32016..=-32001 => (Code::from_number((-32000 - code).unsigned_abs()), Executed::Unknown),
            _ => (Code::Unknown, Executed::Yes),
        };
        let data: Data = self.data.as_deref().and_then(|data| serde_json::from_slice(data).ok()).unwrap_or_default();
        let mut status = Status::new(code, self.message).with_executed(data.executed.unwrap_or(executed));
        if let Some(reason) = data.reason {
            status = status.with_reason(reason);
        }
        if let Some(details) = data.details {
            status = status.with_details(Payload::encoded(details.get().as_bytes().to_vec(), Codec::JSON));
        }
        if let Some(wait) = data.retry_after_ms {
            status = status.with_retry_after(Duration::from_millis(wait));
        }
        status
    }

    /// The code; 0 for an error of 1.0.
    pub fn code(&self) -> i64 {
        self.code
    }

    /// The message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The data, as JSON.
    pub fn data(&self) -> Option<&[u8]> {
        self.data.as_deref()
    }

    pub(crate) fn parse(version: Version, error: &RawValue) -> Option<ErrorObject> {
        match version {
            Version::V1 => {
                let message: String = serde_json::from_str(error.get()).unwrap_or_else(|_| error.get().to_owned());
                let message = if message.is_empty() { "unspecified error".to_owned() } else { message };
                Some(ErrorObject { code: 0, message, data: None })
            }
            Version::V2 => {
                let Wire { code, message, data } = serde_json::from_str(error.get()).ok()?;
                let data = data.map(|data| Bytes::copy_from_slice(data.get().as_bytes()));
                Some(ErrorObject { code, message, data })
            }
        }
    }

    /// Appends the object of 2.0.
    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.put_slice(b"{\"code\":");
        out.put_slice(self.code.to_string().as_bytes());
        out.put_slice(b",\"message\":");
        write_text(&self.message, out);
        if let Some(data) = &self.data {
            out.put_slice(b",\"data\":");
            out.put_slice(data);
        }
        out.put_slice(b"}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_survives_the_way_in_2_0() {
        for code in Code::ALL {
            let status = Status::new(code, "no stock \"left\"")
                .with_reason("StockError.Empty")
                .with_details(Payload::encoded(&b"{\"left\":0}"[..], Codec::JSON))
                .with_executed(Executed::No)
                .with_retry_after(Duration::from_millis(250));
            let mut out = BytesMut::new();
            ErrorObject::from_status(&status).write(&mut out);
            let raw: &RawValue = serde_json::from_slice(&out).expect("JSON");
            let read = ErrorObject::parse(Version::V2, raw).expect("an error").into_status(Version::V2);
            assert_eq!(read, status);
            assert_eq!(read.retry_after(), status.retry_after());
            assert_eq!(read.details().expect("kept").bytes().expect("bytes"), &b"{\"left\":0}"[..]);
        }
    }

    #[test]
    fn standard_codes_say_what_ran() {
        for (code, expected, executed) in [
            (-32700, Code::Internal, Executed::No),
            (-32600, Code::Internal, Executed::No),
            (-32601, Code::Unimplemented, Executed::No),
            (-32602, Code::InvalidArgument, Executed::No),
            (-32603, Code::Internal, Executed::Unknown),
            (-32005, Code::NotFound, Executed::Unknown),
            (-32000, Code::Unknown, Executed::Yes),
            (-32017, Code::Unknown, Executed::Yes),
            (i64::MIN, Code::Unknown, Executed::Yes),
        ] {
            let status = ErrorObject::new(code, "x").into_status(Version::V2);
            assert_eq!((status.code(), status.executed()), (expected, executed), "{code}");
        }
    }

    #[test]
    fn no_error_has_an_empty_message() {
        assert_eq!(ErrorObject::from_status(&Status::not_found("")).message(), "NOT_FOUND");
    }
}

//! Errors on HTTP: the status code and the object that says the rest.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use motet_core::{Code, Codec, Executed, Metadata, MetadataValue, Payload, Status};
use serde_json::{Map, Value, json};

use crate::{Body, headers};

/// The HTTP status of a code. The table is docs/errors.md.
pub fn http_status(code: Code) -> StatusCode {
    let number = match code {
        Code::Cancelled => 499,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => 400,
        Code::DeadlineExceeded => 504,
        Code::NotFound => 404,
        Code::AlreadyExists | Code::Aborted => 409,
        Code::PermissionDenied => 403,
        Code::ResourceExhausted => 429,
        Code::Unimplemented => 501,
        Code::Unavailable => 503,
        Code::Unauthenticated => 401,
        _ => 500,
    };
    StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The code of an HTTP status, for answers that say nothing better: of services that know nothing of
/// Motet, and of proxies in between.
pub fn code_of(status: StatusCode) -> Code {
    match status.as_u16() {
        400 | 405 | 406 | 411 | 414 | 415 | 417 | 422 | 431 => Code::InvalidArgument,
        401 | 407 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 | 410 => Code::NotFound,
        408 | 504 => Code::DeadlineExceeded,
        409 => Code::Aborted,
        412 | 428 => Code::FailedPrecondition,
        413 | 429 => Code::ResourceExhausted,
        416 => Code::OutOfRange,
        499 => Code::Cancelled,
        501 => Code::Unimplemented,
        425 | 502 | 503 => Code::Unavailable,
        500 => Code::Internal,
        _ => Code::Unknown,
    }
}

/// A status as the object that JSON protocols carry: `code`, `message`, `executed`, and where there
/// are any `reason`, `details`, `retry_after` (seconds) and `metadata`. Details that JSON cannot
/// carry are left out; the reason stays.
pub fn error_object(status: &Status) -> Value {
    let mut object = Map::new();
    object.insert("code".into(), status.code().name().into());
    object.insert("message".into(), status.message().into());
    if let Some(reason) = status.reason() {
        object.insert("reason".into(), reason.into());
    }
    if let Some(details) = status.details().and_then(json_of) {
        object.insert("details".into(), details);
    }
    object.insert("executed".into(), json!(status.executed()));
    if let Some(wait) = status.retry_after() {
        object.insert("retry_after".into(), json!(wait.as_secs_f64()));
    }
    if !status.metadata().is_empty() {
        object.insert("metadata".into(), metadata_object(status.metadata()));
    }
    Value::Object(object)
}

fn json_of(details: &Payload) -> Option<Value> {
    let details = details.clone().with_codec(Codec::JSON);
    let bytes = (*details.codec() == Codec::JSON).then(|| details.bytes())?.ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Metadata as the object that JSON protocols carry: lists of texts by key, bytes in base64.
pub fn metadata_object(metadata: &Metadata) -> Value {
    let mut object = Map::new();
    for (key, value) in metadata.iter() {
        let value: Value = match value {
            MetadataValue::Text(text) => text.into(),
            MetadataValue::Binary(bytes) => headers::base64(bytes).into(),
        };
        if let Value::Array(values) = object.entry(key).or_insert_with(|| json!([])) {
            values.push(value);
        }
    }
    Value::Object(object)
}

/// The status that an [`error_object`] says, or `None` where the JSON is no such object. What is
/// missing or of a wrong type in it is passed over.
pub fn status_of_object(object: &Value) -> Option<Status> {
    let code: Code = serde_json::from_value(object.get("code")?.clone()).ok()?;
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    let mut status = Status::new(code, text("message").unwrap_or_default().to_owned());
    if let Some(reason) = text("reason") {
        status = status.with_reason(reason.to_owned());
    }
    if let Some(details) = object.get("details").filter(|details| !details.is_null()) {
        let bytes = Bytes::from(details.to_string());
        status = status.with_details(Payload::encoded(bytes, Codec::JSON));
    }
    if let Some(executed) = object.get("executed").and_then(|v| serde_json::from_value::<Executed>(v.clone()).ok()) {
        status = status.with_executed(executed);
    }
    if let Some(seconds) = object.get("retry_after").and_then(Value::as_f64)
        && let Ok(wait) = Duration::try_from_secs_f64(seconds)
    {
        status = status.with_retry_after(wait);
    }
    if let Some(metadata) = object.get("metadata") {
        status = status.with_metadata(metadata_of_object(metadata));
    }
    Some(status)
}

/// The metadata that a [`metadata_object`] says. What is none is passed over.
pub fn metadata_of_object(object: &Value) -> Metadata {
    let mut metadata = Metadata::new();
    for (key, values) in object.as_object().into_iter().flatten() {
        for value in values.as_array().into_iter().flatten().filter_map(Value::as_str) {
            let bytes = match key.ends_with("-bin") {
                true => headers::unbase64(value.as_bytes()),
                false => Some(value.as_bytes().to_vec()),
            };
            let _ = bytes.map(|bytes| metadata.push(key, bytes.into()));
        }
    }
    metadata
}

/// An answer with a status as its [`error_object`], under the code of [`http_status`].
pub fn refusal(status: &Status) -> Response<Body> {
    refusal_as(http_status(status.code()), status)
}

/// As [`refusal`], under another HTTP status.
pub fn refusal_as(code: StatusCode, status: &Status) -> Response<Body> {
    let mut body = error_object(status).to_string();
    body.push('\n');
    let mut answer = Response::new(Body::from(body));
    *answer.status_mut() = code;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(wait) = status.retry_after() {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of a table of docs/errors.md: code and HTTP status.
    fn page() -> Vec<(String, u16)> {
        let page = include_str!("../../../docs/errors.md");
        let rows = page.split("## On HTTP").nth(1).expect("the section");
        let rows = rows.split("\n## ").next().unwrap_or_default().lines().filter(|line| line.starts_with("| "));
        let cells = |line: &str| {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            Some((cells.get(1)?.to_string(), cells.get(2)?.parse().ok()?))
        };
        rows.filter_map(cells).collect()
    }

    #[test]
    fn every_code_has_the_status_that_the_page_says() {
        let page = page();
        assert_eq!(page.len(), Code::ALL.len());
        for (code, (name, status)) in Code::ALL.into_iter().zip(page) {
            assert_eq!((code.name(), http_status(code).as_u16()), (&*name, status));
        }
    }

    #[test]
    fn a_status_survives_as_an_object() {
        let mut metadata = Metadata::new();
        metadata.append("a", "1").expect("valid");
        metadata.append_bin("b-bin", vec![0xff, 0]).expect("valid");
        let status = Status::not_found("no such thing")
            .with_reason("ShopError.Gone")
            .with_details(Payload::encoded(&br#"{"id":7}"#[..], Codec::JSON))
            .with_executed(Executed::Yes)
            .with_retry_after(Duration::from_millis(1500))
            .with_metadata(metadata);
        let object = error_object(&status);
        let expected = json!({
            "code": "NOT_FOUND", "message": "no such thing", "reason": "ShopError.Gone", "details": {"id": 7},
            "executed": "yes", "retry_after": 1.5, "metadata": {"a": ["1"], "b-bin": ["/wA"]},
        });
        assert_eq!(object, expected);
        let read = status_of_object(&object).expect("a status");
        assert_eq!(read, status);
        assert_eq!(read.details().expect("details").bytes().expect("bytes"), &br#"{"id":7}"#[..]);
        assert_eq!((read.retry_after(), read.metadata()), (status.retry_after(), status.metadata()));
        assert_eq!(refusal(&status).headers()[header::RETRY_AFTER], "2");
    }

    #[test]
    fn what_is_no_status_is_none() {
        for text in ["{}", "[]", "7", r#"{"code": 5}"#, r#"{"code": "NO_SUCH_CODE"}"#] {
            assert!(status_of_object(&serde_json::from_str(text).expect("JSON")).is_none(), "{text}");
        }
    }
}

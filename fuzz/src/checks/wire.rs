//! Frames.

use bytes::{Bytes, BytesMut};
use motet_core::{Metadata, Payload, Status};
use motet_rpc::native::wire::{self, CodecName, Cursor, ErrorCode, HEADER, Settings};

/// Every reader takes any bytes, and what it took survives being written and read again.
pub fn frames(data: &[u8]) {
    let Some((kind, payload)) = data.split_first() else { return };
    let mut out = BytesMut::new();
    match kind % 4 {
        0 => {
            if let Ok(settings) = Settings::read(payload) {
                settings.write(&mut out);
                assert_eq!(Settings::read(&out[HEADER..]), Ok(settings));
            }
        }
        1 => {
            if let Ok(goaway) = wire::read_goaway(payload) {
                wire::put_goaway(&mut out, goaway.last_stream, ErrorCode::Limit, &goaway.reason);
                let again = wire::read_goaway(&out[HEADER..]).expect("written here");
                assert_eq!((again.last_stream, again.reason), (goaway.last_stream, goaway.reason));
            }
        }
        2 => end(payload, &mut out),
        _ => {
            let mut cursor = Cursor::new(payload);
            if let Ok(number) = cursor.varint() {
                wire::put_varint(&mut out, number);
                assert_eq!(Cursor::new(&out).varint(), Ok(number));
            }
            let _ = (cursor.codec(), cursor.text(512), cursor.bytes(128), cursor.u32(), cursor.micros());
        }
    }
}

fn end(payload: &[u8], out: &mut BytesMut) {
    let Ok(end) = wire::read_end(&mut Cursor::new(payload)) else { return };
    let status = end.status.as_ref().map(|wire| {
        let mut status = Status::new(wire.code, wire.message.clone()).with_executed(wire.executed);
        if let Some(reason) = &wire.reason {
            status = status.with_reason(reason.clone());
        }
        if let Some(wait) = wire.retry_after {
            status = status.with_retry_after(wait);
        }
        match &wire.details {
            Some((CodecName::Known(codec), bytes)) => {
                status.with_details(Payload::encoded(bytes.clone(), codec.clone()))
            }
            _ => status,
        }
    });
    wire::put_end(out, 1, status.as_ref(), &end.trailing);
    let again = wire::read_end(&mut Cursor::new(&out[1..])).expect("written here");
    assert_eq!(again.trailing, end.trailing);
    let details = |end: &wire::EndFrame| {
        let details = end.status.as_ref().and_then(|status| status.details.clone());
        details.filter(|(codec, _)| matches!(codec, CodecName::Known(_)))
    };
    assert_eq!(details(&again), details(&end));
    let known = |end: wire::EndFrame| end.status.map(|status| (status.code, status.message, status.reason));
    assert_eq!(known(again), known(end));
}

/// Metadata keeps its limits whatever comes, and what was taken survives.
pub fn metadata(data: &[u8]) {
    if let Ok(Ok(metadata)) = Cursor::new(data).metadata() {
        assert!(metadata.len() <= Metadata::MAX_VALUES);
        let mut out = BytesMut::new();
        wire::put_metadata(&mut out, &metadata);
        assert!(out.len() <= Metadata::MAX_BYTES + 6 * Metadata::MAX_VALUES + 2);
        assert_eq!(Cursor::new(&out).metadata(), Ok(Ok(metadata)));
    }
    let mut metadata = Metadata::new();
    if let Some((key, value)) = data.split_at_checked(data.len() / 2)
        && let Ok(key) = std::str::from_utf8(key)
        && metadata.push(key, Bytes::copy_from_slice(value)).is_ok()
    {
        assert_eq!(metadata.iter_raw().count(), 1);
        assert!(metadata.remove(key) && metadata.is_empty());
    }
}

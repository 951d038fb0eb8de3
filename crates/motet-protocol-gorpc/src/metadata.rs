//! Metadata as go-rpc writes it, and as Motet holds it.

use std::collections::BTreeMap;

use bytes::Bytes;
use motet_core::{Code, Metadata, Result, Status};

use crate::{any::Any, header::Header};

/// A caller's token.
pub(crate) const AUTH: &str = "rpc_auth";
/// The tags that a caller asks for.
pub(crate) const TAGS: &str = "tags";

/// How the text of a refusal because of a tag begins.
pub(crate) const OTHER_TAG: &str = "the tag";

/// The metadata of a header. Keys become lower case. Tags, keys that Motet cannot hold, and values that
/// are neither text, numbers nor truth values, nor bytes under a key that ends in `-bin`, are left out.
///
/// # Errors
/// ResourceExhausted past the limits of [`Metadata`].
pub(crate) fn read(header: &Header) -> Result<Metadata> {
    let mut all = Metadata::new();
    for (key, value) in &header.metadata {
        let value = match value {
            _ if key == TAGS => continue,
            Any::Text(text) => Bytes::copy_from_slice(text.as_bytes()),
            Any::Bytes(bytes) => Bytes::copy_from_slice(bytes),
            Any::Map(_) | Any::Other => continue,
        };
        match all.push(key, value) {
            Err(status) if status.code() == Code::ResourceExhausted => return Err(status),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(all)
}

/// The token of a caller; empty if there is none.
pub(crate) fn token(header: &Header) -> &str {
    header
        .metadata
        .iter()
        .find_map(|pair| match pair {
            (key, Any::Text(text)) if key == AUTH => Some(&text[..]),
            _ => None,
        })
        .unwrap_or_default()
}

/// Checks that a server has the tags that a caller asks for.
///
/// # Errors
/// FailedPrecondition naming the first that differs.
pub(crate) fn check_tags(header: &Header, own: &BTreeMap<String, String>) -> Result<()> {
    let asked = header.metadata.iter().filter(|(key, _)| key == TAGS);
    for (key, value) in asked.flat_map(|(_, value)| match value {
        Any::Map(pairs) => &pairs[..],
        _ => &[],
    }) {
        let known = own.get(key);
        if !matches!((known, value), (Some(known), Any::Text(asked)) if known == asked) {
            let shown: String = key.chars().filter(|c| !c.is_control()).take(64).collect();
            let here = known.map_or("without it".to_owned(), |known| format!("{shown}={known}"));
            return Err(Status::failed_precondition(format!(
                "{OTHER_TAG} {shown} is not as asked for; this is {here}"
            )));
        }
    }
    Ok(())
}

/// The keys and values that go out, each key once: these, too, are those of a Go map.
pub(crate) fn pairs<'a>(metadata: &'a Metadata, token: &'a str) -> Vec<(&'a str, &'a [u8])> {
    let mut all: Vec<(&str, &[u8])> = Vec::new();
    for (key, value) in metadata.iter_raw() {
        match all.iter_mut().find(|(known, _)| *known == key) {
            Some(known) => known.1 = value,
            None => all.push((key, value)),
        }
    }
    if !token.is_empty() && !all.iter().any(|(key, _)| *key == AUTH) {
        all.push((AUTH, token.as_bytes()));
    }
    all.retain(|(key, _)| *key != TAGS);
    all
}

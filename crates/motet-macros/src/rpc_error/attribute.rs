//! `#[rpc(…)]` on the enum and on its variants.

use proc_macro2::Span;
use syn::{Attribute, Error, Ident, LitStr, Path};

/// The codes, as `motet::Code` names them.
const CODES: [&str; 16] = [
    "Cancelled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

/// What `#[rpc(…)]` says.
#[derive(Default)]
pub(super) struct RpcAttribute {
    pub(super) code: Option<Ident>,
    pub(super) message: Option<LitStr>,
    pub(super) other: Option<Span>,
    pub(super) root: Option<Path>,
}

impl RpcAttribute {
    pub(super) fn read(attributes: &[Attribute]) -> syn::Result<Self> {
        let mut read = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("rpc")) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("other") {
                    read.other = Some(meta.path.segments[0].ident.span());
                } else if meta.path.is_ident("code") {
                    read.code = Some(code(meta.value()?.parse()?)?);
                } else if meta.path.is_ident("message") {
                    read.message = Some(meta.value()?.parse()?);
                } else if meta.path.is_ident("crate") {
                    let value = meta.value()?;
                    read.root = Some(if value.peek(LitStr) {
                        value.parse::<LitStr>()?.parse_with(Path::parse_mod_style)?
                    } else {
                        Path::parse_mod_style(value)?
                    });
                } else {
                    return Err(meta.error("expected `code = NotFound`, `message = \"…\"` or `other`"));
                }
                Ok(())
            })?;
        }
        Ok(read)
    }
}

fn code(path: Path) -> syn::Result<Ident> {
    let known = path.segments.last().filter(|segment| CODES.iter().any(|code| segment.ident == code));
    known
        .map(|segment| segment.ident.clone())
        .ok_or_else(|| Error::new_spanned(&path, format!("no code of this name; the codes are {}", CODES.join(", "))))
}

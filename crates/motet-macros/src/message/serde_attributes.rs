//! `#[serde(…)]` on types, variants and fields: what it changes about the descriptor, and what
//! binary protobuf cannot carry.

use proc_macro2::Span;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Meta, Token};

use super::names::Rule;

/// What `#[serde(…)]` says about a type.
#[derive(Default)]
pub(super) struct ContainerAttributes {
    pub(super) rename_all: Option<Rule>,
    pub(super) rename_all_fields: Option<Rule>,
    pub(super) transparent: bool,
}

/// What it says about a variant.
#[derive(Default)]
pub(super) struct VariantAttributes {
    pub(super) rename: Option<String>,
    pub(super) rename_all: Option<Rule>,
}

/// What it says about a field.
#[derive(Default)]
pub(super) struct FieldAttributes {
    pub(super) rename: Option<String>,
    pub(super) skip: bool,
    pub(super) skip_serializing: bool,
    /// It has a `with`, `serialize_with` or `deserialize_with`.
    pub(super) with: bool,
    pub(super) default: bool,
    /// The predicate of `skip_serializing_if`.
    pub(super) skip_if: Option<LitStr>,
}

impl ContainerAttributes {
    pub(super) fn read(attributes: &[Attribute]) -> syn::Result<Self> {
        let mut read = Self::default();
        for meta in metas(attributes)? {
            match name(&meta).as_str() {
                "tag" | "content" | "untagged" => {
                    return refuse(
                        &meta,
                        "an enum with data is a oneof in protobuf, which serde's default tagging fits: leave this out",
                    );
                }
                "from" | "try_from" | "into" | "remote" => {
                    return refuse(
                        &meta,
                        "the descriptor would not show the type that is written: make that type the message",
                    );
                }
                "crate" => return refuse(&meta, "`#[motet::message]` sets the path of serde"),
                "default" if matches!(meta, Meta::NameValue(_)) => return refuse(&meta, NON_ZERO_DEFAULT),
                "rename_all" => read.rename_all = Some(Rule::read(&written(&meta)?)?),
                "rename_all_fields" => read.rename_all_fields = Some(Rule::read(&written(&meta)?)?),
                "transparent" => read.transparent = true,
                _ => {}
            }
        }
        Ok(read)
    }
}

impl VariantAttributes {
    pub(super) fn read(attributes: &[Attribute]) -> syn::Result<Self> {
        let mut read = Self::default();
        for meta in metas(attributes)? {
            match name(&meta).as_str() {
                "skip" | "skip_serializing" | "skip_deserializing" => {
                    return refuse(
                        &meta,
                        "a variant that is left out would shift the numbers of the others: remove the variant",
                    );
                }
                "untagged" => {
                    return refuse(&meta, "a variant in protobuf has a number: leave this out");
                }
                "other" => return refuse(&meta, "write `#[motet(other)]`, which works in every codec"),
                "with" | "serialize_with" | "deserialize_with" => {
                    return refuse(&meta, "put it on the variant's field");
                }
                "rename" => read.rename = Some(written(&meta)?.value()),
                "rename_all" => read.rename_all = Some(Rule::read(&written(&meta)?)?),
                _ => {}
            }
        }
        Ok(read)
    }
}

impl FieldAttributes {
    pub(super) fn read(attributes: &[Attribute]) -> syn::Result<Self> {
        let mut read = Self::default();
        for meta in metas(attributes)? {
            match name(&meta).as_str() {
                "flatten" => {
                    return refuse(
                        &meta,
                        "protobuf has no flattened fields: make it a field with a name, or repeat its fields here",
                    );
                }
                "skip_deserializing" => {
                    return refuse(
                        &meta,
                        "a field that is written must be read: use `#[serde(skip)]` to leave it out both ways",
                    );
                }
                "borrow" => return refuse(&meta, "messages own their fields"),
                "getter" => return refuse(&meta, "only for remote types, which cannot be messages"),
                "default" if matches!(meta, Meta::NameValue(_)) => return refuse(&meta, NON_ZERO_DEFAULT),
                "default" => read.default = true,
                "rename" => read.rename = Some(written(&meta)?.value()),
                "skip" => read.skip = true,
                "skip_serializing" => read.skip_serializing = true,
                "skip_serializing_if" => read.skip_if = Some(written(&meta)?),
                "with" | "serialize_with" | "deserialize_with" => read.with = true,
                _ => {}
            }
        }
        Ok(read)
    }
}

const NON_ZERO_DEFAULT: &str =
    "an absent protobuf field is zero, whatever the default: use `Option` and choose when it is `None`";

fn metas(attributes: &[Attribute]) -> syn::Result<Vec<Meta>> {
    let mut metas = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        metas.extend(attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)?);
    }
    Ok(metas)
}

fn name(meta: &Meta) -> String {
    meta.path().get_ident().map(ToString::to_string).unwrap_or_default()
}

/// The text of `name = "text"`, or of the `serialize` part of `name(serialize = "text")`.
fn written(meta: &Meta) -> syn::Result<LitStr> {
    match meta {
        Meta::NameValue(value) => match &value.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(text.clone()),
            other => Err(syn::Error::new(other.span(), "expected text in quotes")),
        },
        Meta::List(list) => {
            let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)?;
            match parts.iter().find(|part| part.path().is_ident("serialize")) {
                Some(part) => written(part),
                None => refuse(meta, "name it for writing as well: `serialize = \"…\"`"),
            }
        }
        Meta::Path(_) => refuse(meta, "expected a name in quotes"),
    }
}

fn refuse<T>(meta: &Meta, why: &str) -> syn::Result<T> {
    let span: Span = meta.span();
    let name = name(meta);
    Err(syn::Error::new(span, format!("`#[serde({name})]` does not fit binary protobuf: {why}")))
}

//! What a message cannot be.

use syn::spanned::Spanned;
use syn::{Attribute, Generics, Type};

use super::serde_attributes::FieldAttributes;
use super::types::argument_of;

pub(super) fn check_generics(generics: &Generics) -> syn::Result<()> {
    match generics.lifetimes().next() {
        Some(lifetime) => {
            Err(syn::Error::new(lifetime.span(), "messages own their fields: use `String`, `Vec` or `Bytes`"))
        }
        None => Ok(()),
    }
}

pub(super) fn check_container(attributes: &[Attribute]) -> syn::Result<()> {
    for attribute in attributes {
        if attribute.path().is_ident("garde") {
            return Err(syn::Error::new(attribute.span(), "constraints stand on fields"));
        }
        if attribute.path().is_ident("motet") {
            return Err(syn::Error::new(attribute.span(), "`#[motet(…)]` stands on fields and variants"));
        }
    }
    Ok(())
}

pub(super) fn check_derives(attributes: &[Attribute], has_sensitive: bool) -> syn::Result<()> {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("derive")) {
        attribute.parse_nested_meta(|meta| {
            let name = meta.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
            match name.as_str() {
                "Serialize" | "Deserialize" | "JsonSchema" => {
                    Err(meta.error(format!("`#[motet::message]` derives {name}: leave it out here")))
                }
                "Debug" if has_sensitive => Err(meta.error(
                    "`#[motet::message]` writes Debug for a type with a sensitive field, so that its value is not shown: leave it out here",
                )),
                _ => Ok(()),
            }
        })?;
    }
    Ok(())
}

pub(super) fn check_skip_if(serde: &FieldAttributes, ty: &Type) -> syn::Result<()> {
    let Some(predicate) = &serde.skip_if else { return Ok(()) };
    let path = predicate.value();
    let means_absent = path.ends_with("::is_none") || path.ends_with("::is_empty");
    if means_absent || argument_of(ty, "Option").is_some() {
        return Ok(());
    }
    let message =
        "an absent protobuf field reads as zero, not as what was skipped: use it on an `Option`, or with `is_empty`";
    Err(syn::Error::new(predicate.span(), message))
}

pub(super) fn refuse_cfg(attributes: &[Attribute]) -> syn::Result<()> {
    match attributes.iter().find(|attribute| attribute.path().is_ident("cfg")) {
        Some(cfg) => {
            Err(syn::Error::new(cfg.span(), "a part that is not always there would shift the numbers of the others"))
        }
        None => Ok(()),
    }
}

pub(super) fn refuse_reference(ty: &Type) -> syn::Result<()> {
    match ty {
        Type::Reference(reference) => {
            Err(syn::Error::new(reference.span(), "messages own their fields: use `String`, `Vec` or `Bytes`"))
        }
        _ => Ok(()),
    }
}

//! What can be seen of a type without knowing what its names mean.

use quote::ToTokens;
use syn::{GenericArgument, PathArguments, Type, parse_quote};

use super::motet_attributes::{Encoding, MotetAttributes};
use super::root::Root;
use super::serde_attributes::FieldAttributes;

/// The shape of a field that the macro makes bytes.
pub(super) fn byte_shape(
    ty: &Type,
    motet: &MotetAttributes,
    serde: &FieldAttributes,
    root: &Root,
) -> syn::Result<Option<Type>> {
    let inner = argument_of(ty, "Option");
    let shape: Option<Type> = match inner.unwrap_or(ty) {
        Type::Array(array) if is_byte(&array.elem) => {
            let len = &array.len;
            Some(parse_quote!(#root::serde_bytes::ByteArray<{ #len }>))
        }
        ty if is_bytes(ty) || motet.bytes.is_some() => Some(parse_quote!(#root::serde_bytes::ByteBuf)),
        _ => None,
    };
    if let (Some(span), true) = (motet.bytes, serde.with || motet.shape.is_some()) {
        return Err(syn::Error::new(span, "`bytes` uses serde_bytes: leave out `with` and `shape`"));
    }
    if serde.with || motet.shape.is_some() {
        return Ok(None);
    }
    Ok(match (shape, inner) {
        (Some(shape), Some(_)) => Some(parse_quote!(::core::option::Option<#shape>)),
        (shape, _) => shape,
    })
}

fn is_bytes(ty: &Type) -> bool {
    let slice = |ty: &Type| matches!(ty, Type::Slice(slice) if is_byte(&slice.elem));
    argument_of(ty, "Vec").is_some_and(is_byte) || argument_of(ty, "Box").is_some_and(slice)
}

fn is_byte(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.is_ident("u8"))
}

/// The argument of `Wrapper<Argument>`.
pub(super) fn argument_of<'t>(ty: &'t Type, wrapper: &str) -> Option<&'t Type> {
    let Type::Path(path) = ty else { return None };
    let segment = path.path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    match arguments.args.first() {
        Some(GenericArgument::Type(argument)) if segment.ident == wrapper && arguments.args.len() == 1 => {
            Some(argument)
        }
        _ => None,
    }
}

/// Whether values of the type can hold no message, so that there is nothing inside to check.
pub(super) fn is_plain(ty: &Type) -> bool {
    const PLAIN: [&str; 18] = [
        "String", "bool", "char", "i8", "i16", "i32", "i64", "isize", "u8", "u16", "u32", "u64", "usize", "f32", "f64",
        "str", "Bytes", "ByteBuf",
    ];
    if let Some(inner) = argument_of(ty, "Option").or_else(|| argument_of(ty, "Vec")) {
        return is_plain(inner);
    }
    match ty {
        Type::Array(array) => is_plain(&array.elem),
        Type::Path(path) => path.path.get_ident().is_some_and(|name| PLAIN.contains(&name.to_string().as_str())),
        other => other.to_token_stream().is_empty(),
    }
}

/// Refuses an encoding on a type that is known to have no such integers.
pub(super) fn check_encoding(ty: &Type, motet: &MotetAttributes) -> syn::Result<()> {
    const SIGNED: [&str; 5] = ["i8", "i16", "i32", "i64", "isize"];
    const UNSIGNED: [&str; 5] = ["u8", "u16", "u32", "u64", "usize"];
    let Some((encoding, span)) = motet.encoding else { return Ok(()) };
    let ty = motet.shape.as_ref().unwrap_or(ty);
    let inner = argument_of(ty, "Option").or_else(|| argument_of(ty, "Vec")).unwrap_or(ty);
    let name = inner.to_token_stream().to_string();
    let is = |names: &[&str]| names.contains(&name.as_str());
    let is_integer = is(&SIGNED) || is(&UNSIGNED) || !is_plain(inner);
    match encoding {
        _ if !is_integer => Err(syn::Error::new(span, "`fixed` and `zigzag` are for integers")),
        Encoding::Zigzag if is(&UNSIGNED) => Err(syn::Error::new(span, "`zigzag` is for signed integers")),
        _ => Ok(()),
    }
}

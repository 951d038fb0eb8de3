//! What can be seen of a type's tokens.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{GenericArgument, PathArguments, Type};

/// `T` of `Streaming<T>`.
pub(super) fn stream_item(ty: &Type) -> Option<&Type> {
    match ty {
        Type::Path(path) if path.path.segments.last().is_some_and(|segment| segment.ident == "Streaming") => {
            first_type_argument(ty)
        }
        _ => None,
    }
}

pub(super) fn first_type_argument(ty: &Type) -> Option<&Type> {
    type_arguments(ty).next()
}

pub(super) fn type_arguments(ty: &Type) -> impl Iterator<Item = &Type> {
    let last = match ty {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    };
    let arguments = last.and_then(|segment| match &segment.arguments {
        PathArguments::AngleBracketed(arguments) => Some(arguments.args.iter()),
        _ => None,
    });
    arguments.into_iter().flatten().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// Whether a type is plainly no `Result`; an alias may be one.
pub(super) fn is_no_result(ty: &Type) -> bool {
    const NONE: [&str; 18] = [
        "bool",
        "char",
        "u8",
        "u16",
        "u32",
        "u64",
        "usize",
        "i8",
        "i16",
        "i32",
        "i64",
        "isize",
        "f32",
        "f64",
        "String",
        "Vec",
        "Option",
        "Streaming",
    ];
    match ty {
        Type::Path(path) => path.path.segments.last().is_some_and(|segment| NONE.iter().any(|no| segment.ident == no)),
        _ => true,
    }
}

/// The span that errors about a type point to.
pub(super) fn span_of(ty: &Type) -> Span {
    ty.span()
}

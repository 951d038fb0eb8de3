//! `#[motet(…)]` on fields and variants.

use proc_macro2::Span;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, ExprLit, Lit, Meta, Token, Type};

/// What `#[motet(…)]` says about a field or variant.
#[derive(Default)]
pub(super) struct MotetAttributes {
    /// A variant without data may have a negative number; the rest are checked to be positive.
    pub(super) tag: Option<(i64, Span)>,
    pub(super) encoding: Option<(Encoding, Span)>,
    pub(super) bytes: Option<Span>,
    pub(super) shape: Option<Type>,
    pub(super) sensitive: Option<Span>,
    pub(super) other: Option<Span>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Fixed,
    Zigzag,
}

impl MotetAttributes {
    pub(super) fn read(attributes: &[Attribute]) -> syn::Result<Self> {
        let mut read = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("motet")) {
            for meta in attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)? {
                read.add(&meta)?;
            }
        }
        Ok(read)
    }

    fn add(&mut self, meta: &Meta) -> syn::Result<()> {
        let span = meta.span();
        let name = meta.path().get_ident().map(ToString::to_string).unwrap_or_default();
        match (name.as_str(), meta) {
            ("tag", Meta::NameValue(value)) => self.tag = Some((integer(&value.value)?, value.value.span())),
            ("shape", Meta::NameValue(value)) => self.shape = Some(ty(&value.value)?),
            ("fixed", Meta::Path(_)) => self.encode(Encoding::Fixed, span)?,
            ("zigzag", Meta::Path(_)) => self.encode(Encoding::Zigzag, span)?,
            ("bytes", Meta::Path(_)) => self.bytes = Some(span),
            ("sensitive", Meta::Path(_)) => self.sensitive = Some(span),
            ("other", Meta::Path(_)) => self.other = Some(span),
            _ => {
                return Err(syn::Error::new(
                    span,
                    "expected `tag = N`, `fixed`, `zigzag`, `bytes`, `shape = \"Type\"`, `sensitive` or `other`",
                ));
            }
        }
        Ok(())
    }

    fn encode(&mut self, encoding: Encoding, span: Span) -> syn::Result<()> {
        if self.encoding.replace((encoding, span)).is_some() {
            return Err(syn::Error::new(span, "a field is either `fixed` or `zigzag`"));
        }
        Ok(())
    }
}

fn ty(value: &Expr) -> syn::Result<Type> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => text.parse(),
        other => Err(syn::Error::new(other.span(), "expected a type in quotes, such as \"String\"")),
    }
}

/// An integer, such as a tag or an enum's discriminant.
pub(super) fn integer(value: &Expr) -> syn::Result<i64> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.base10_parse(),
        Expr::Unary(syn::ExprUnary { op: syn::UnOp::Neg(_), expr, .. }) => integer(expr).map(|number| -number),
        other => Err(syn::Error::new(other.span(), "expected a number")),
    }
}

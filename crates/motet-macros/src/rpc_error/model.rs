//! The enum as the rest of the derive needs it.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Error, Fields, Ident, LitStr, Path, Type};

use super::attribute::RpcAttribute;

/// The most fields that a variant has.
const MAX_FIELDS: usize = 8;

/// A typed error.
pub(super) struct Model {
    pub(super) ident: Ident,
    pub(super) variants: Vec<Variant>,
    pub(super) other: Ident,
    /// Whether messages are given here, and with them Display.
    pub(super) speaks: bool,
    root: Path,
}

/// A variant with a code.
pub(super) struct Variant {
    pub(super) ident: Ident,
    pub(super) code: Ident,
    pub(super) message: Option<LitStr>,
    pub(super) fields: Vec<Field>,
    pub(super) named: bool,
}

/// A field of a variant.
pub(super) struct Field {
    /// What it is bound to in patterns.
    pub(super) local: Ident,
    /// The name in the details.
    pub(super) name: String,
    pub(super) ty: Type,
}

impl Model {
    pub(super) fn read(item: &DeriveInput) -> syn::Result<Self> {
        let Data::Enum(data) = &item.data else {
            return Err(Error::new_spanned(
                &item.ident,
                "`RpcError` is for enums: one variant for each error that callers tell apart, and one \
                 `#[rpc(other)]` variant that holds a `motet::Status`",
            ));
        };
        if !item.generics.params.is_empty() {
            return Err(Error::new_spanned(&item.generics, "a typed error is not generic: its fields travel"));
        }
        let root = RpcAttribute::read(&item.attrs)?.root.unwrap_or_else(|| syn::parse_quote!(::motet));
        let (mut variants, mut other) = (Vec::new(), None);
        for variant in &data.variants {
            let attribute = RpcAttribute::read(&variant.attrs)?;
            match (attribute.other, attribute.code) {
                (Some(_), None) if attribute.message.is_none() => {
                    check_other(variant)?;
                    if other.replace(variant.ident.clone()).is_some() {
                        return Err(Error::new_spanned(variant, "one variant is `#[rpc(other)]`, and only one"));
                    }
                }
                (Some(span), _) => {
                    return Err(Error::new(span, "the `other` variant has the code and message of its Status"));
                }
                (None, Some(code)) => variants.push(Variant::read(variant, code, attribute.message)?),
                (None, None) => {
                    return Err(Error::new_spanned(
                        variant,
                        "a variant needs a code, such as `#[rpc(code = NotFound)]`, or is `#[rpc(other)]`",
                    ));
                }
            }
        }
        let Some(other) = other else {
            return Err(Error::new_spanned(
                &item.ident,
                "a typed error needs a variant for all other errors, such as a lost connection: \
                 `#[rpc(other)] Other(motet::Status)`",
            ));
        };
        let speaks = variants.iter().any(|variant| variant.message.is_some());
        if let Some(silent) = variants.iter().find(|variant| speaks && variant.message.is_none()) {
            return Err(Error::new(
                silent.ident.span(),
                "this variant has no `message`, others have: give messages to all, or to none and implement Display",
            ));
        }
        Ok(Self { ident: item.ident.clone(), variants, other, speaks, root })
    }

    /// The module of everything that the expansion names.
    pub(super) fn core(&self) -> TokenStream {
        let root = &self.root;
        quote!(#root::__private::core)
    }

    pub(super) fn typed(&self) -> TokenStream {
        let root = &self.root;
        quote!(#root::__private::typed)
    }
}

impl Variant {
    fn read(variant: &syn::Variant, code: Ident, message: Option<LitStr>) -> syn::Result<Self> {
        let alone = variant.fields.len() == 1;
        let fields: Vec<_> =
            variant.fields.iter().enumerate().map(|(at, field)| Field::read(field, at, alone)).collect();
        if fields.len() > MAX_FIELDS {
            return Err(Error::new_spanned(variant, "a variant has at most 8 fields: put them into a struct"));
        }
        let named = matches!(variant.fields, Fields::Named(_));
        Ok(Self { ident: variant.ident.clone(), code, message, fields, named })
    }

    /// The reason that callers see.
    pub(super) fn reason(&self, of: &Ident) -> String {
        format!("{}.{}", of.unraw(), self.ident.unraw())
    }

    /// A pattern that binds the fields, and the expression that makes the variant of them.
    pub(super) fn pattern(&self) -> TokenStream {
        let (ident, locals) = (&self.ident, self.fields.iter().map(|field| &field.local));
        match (self.named, self.fields.is_empty()) {
            (true, _) => quote!(Self::#ident { #(#locals),* }),
            (false, true) => quote!(Self::#ident),
            (false, false) => quote!(Self::#ident(#(#locals),*)),
        }
    }
}

impl Field {
    fn read(field: &syn::Field, at: usize, alone: bool) -> Self {
        let ty = field.ty.clone();
        match &field.ident {
            Some(ident) => Self { local: ident.clone(), name: ident.unraw().to_string(), ty },
            None if alone => Self { local: format_ident!("__0"), name: "value".to_owned(), ty },
            None => Self { local: format_ident!("__{at}"), name: format!("item{}", at + 1), ty },
        }
    }
}

fn check_other(variant: &syn::Variant) -> syn::Result<()> {
    match &variant.fields {
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => Ok(()),
        _ => Err(Error::new_spanned(
            variant,
            "the `other` variant holds a Status and nothing else: `Other(motet::Status)`",
        )),
    }
}

//! The impls of a typed error.

use proc_macro2::{TokenStream, TokenTree};
use quote::{format_ident, quote, quote_spanned};
use syn::LitStr;
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use super::model::{Field, Model, Variant};

pub(super) fn write(model: &Model) -> TokenStream {
    let details = model.variants.iter().filter(|variant| !variant.fields.is_empty()).map(|v| details(model, v));
    let rpc_error = rpc_error(model);
    let display = model.speaks.then(|| display(model));
    let typed = model.typed();
    quote! {
        #[allow(non_camel_case_types, non_snake_case, deprecated, unused_imports, clippy::all)]
        const _: () = {
            use #typed::{IsCarrier as _, IsRefused as _};
            #(#details)*
            #rpc_error
            #display
        };
    }
}

/// The names of a variant's fields, and the check that they can travel.
fn details(model: &Model, variant: &Variant) -> TokenStream {
    let (core, typed, names) = (model.core(), model.typed(), names(variant));
    let name = format!("{}{}", model.ident.unraw(), variant.ident.unraw());
    let fields = variant.fields.iter().map(|field| &field.name);
    let types = variant.fields.iter().map(|field| &field.ty);
    let (carrier, values) = (carrier(variant), quote!((#(#types,)*)));
    let checks =
        variant.fields.iter().map(|Field { ty, .. }| quote_spanned!(ty.span()=> #typed::check_portable::<#ty>();));
    quote! {
        const _: fn() = || { #(#checks)* };

        struct #names;
        impl #core::Names for #names {
            const NAME: &'static str = #name;
            const FIELDS: &'static [&'static str] = &[#(#fields),*];
            const MODULE: &'static str = ::core::module_path!();
        }

        fn #carrier() -> impl #core::Carry<Value = #values> {
            let carrier = #core::Named::<#core::SerdeFormat, #names, #values>::NEW;
            (&#typed::Settle::<#values, _>::of(carrier)).carrier()
        }
    }
}

fn names(variant: &Variant) -> syn::Ident {
    format_ident!("__{}Names", variant.ident.unraw())
}

/// The function that gives the carrier of a variant's fields.
fn carrier(variant: &Variant) -> syn::Ident {
    format_ident!("__{}_carrier", variant.ident.unraw())
}

fn rpc_error(model: &Model) -> TokenStream {
    let (core, ident, other) = (model.core(), &model.ident, &model.other);
    let typed = model.typed();
    // Without messages Display is somebody else's; if it is nobody's, that is said at the enum.
    let text = quote_spanned!(ident.span()=> #typed::text);
    let into = model.variants.iter().map(|variant| into_status(model, variant));
    let from = model.variants.iter().map(|variant| from_status(model, variant));
    quote! {
        impl #core::RpcError for #ident {
            fn into_status(self) -> #core::Status {
                let __message = match &self {
                    Self::#other(_) => ::std::string::String::new(),
                    error => #text(error),
                };
                match self {
                    Self::#other(status) => status,
                    #(#into)*
                }
            }

            fn from_status(__status: #core::Status) -> Self {
                match __status.reason() {
                    #(#from)*
                    _ => {}
                }
                Self::#other(__status)
            }
        }
    }
}

fn into_status(model: &Model, variant: &Variant) -> TokenStream {
    let (core, code, reason, pattern) = (model.core(), &variant.code, variant.reason(&model.ident), variant.pattern());
    let details = (!variant.fields.is_empty()).then(|| {
        let (typed, carrier) = (model.typed(), carrier(variant));
        let locals = variant.fields.iter().map(|field| &field.local);
        quote!(.with_details(#typed::details(#carrier(), (#(#locals,)*))))
    });
    quote! {
        #pattern => #core::Status::new(#core::Code::#code, __message).with_reason(#reason) #details,
    }
}

fn from_status(model: &Model, variant: &Variant) -> TokenStream {
    let (reason, pattern) = (variant.reason(&model.ident), variant.pattern());
    if variant.fields.is_empty() {
        return quote!(::core::option::Option::Some(#reason) => return #pattern,);
    }
    let (typed, carrier) = (model.typed(), carrier(variant));
    let locals = variant.fields.iter().map(|field| &field.local);
    quote! {
        ::core::option::Option::Some(#reason) => {
            let fields = #typed::variant(#carrier(), &__status);
            if let ::core::option::Option::Some((#(#locals,)*)) = fields {
                return #pattern;
            }
        }
    }
}

fn display(model: &Model) -> TokenStream {
    let (core, ident, other) = (model.core(), &model.ident, &model.other);
    let arms = model.variants.iter().filter_map(|variant| {
        let message = variant.message.as_ref()?;
        let (pattern, message) = (variant.pattern(), positional(message, variant));
        Some(quote!(#pattern => ::core::write!(__f, #message),))
    });
    quote! {
        impl ::core::fmt::Display for #ident {
            #[allow(unused_variables)]
            fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                match self {
                    #(#arms)*
                    Self::#other(status) => ::core::fmt::Display::fmt(status, __f),
                }
            }
        }

        impl ::core::error::Error for #ident {
            fn source(&self) -> ::core::option::Option<&(dyn ::core::error::Error + 'static)> {
                match self {
                    Self::#other(status) => ::core::option::Option::Some(status),
                    _ => ::core::option::Option::None,
                }
            }
        }

        impl ::core::convert::From<#core::Status> for #ident {
            fn from(status: #core::Status) -> Self {
                <Self as #core::RpcError>::from_status(status)
            }
        }
    }
}

/// The message with `{0}` written as the name that the first field is bound to.
fn positional(message: &LitStr, variant: &Variant) -> TokenStream {
    if variant.named || variant.fields.is_empty() {
        return quote!(#message);
    }
    let mut text = message.value();
    for (at, field) in variant.fields.iter().enumerate() {
        for end in ['}', ':'] {
            text = text.replace(&format!("{{{at}{end}"), &format!("{{{}{end}", field.local));
        }
    }
    let mut literal = proc_macro2::Literal::string(&text);
    literal.set_span(message.span());
    TokenTree::Literal(literal).into()
}

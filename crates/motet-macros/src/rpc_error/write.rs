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
    let display = if model.speaks { display(model) } else { check_display(model) };
    quote! {
        #[allow(non_camel_case_types, deprecated, clippy::all)]
        const _: () = {
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
    }
}

fn names(variant: &Variant) -> syn::Ident {
    format_ident!("__{}Names", variant.ident.unraw())
}

fn carrier(model: &Model, variant: &Variant) -> TokenStream {
    let (core, names, types) = (model.core(), names(variant), variant.fields.iter().map(|field| &field.ty));
    quote!(#core::Named<#core::SerdeFormat, #names, (#(#types,)*)>)
}

fn rpc_error(model: &Model) -> TokenStream {
    let (core, ident, other) = (model.core(), &model.ident, &model.other);
    let into = model.variants.iter().map(|variant| into_status(model, variant));
    let from = model.variants.iter().map(|variant| from_status(model, variant));
    quote! {
        impl #core::RpcError for #ident {
            fn into_status(self) -> #core::Status {
                let __message = match &self {
                    Self::#other(_) => ::std::string::String::new(),
                    error => ::std::string::ToString::to_string(error),
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
        let (carrier, locals) = (carrier(model, variant), variant.fields.iter().map(|field| &field.local));
        quote! {
            .with_details(<#carrier as #core::Carry>::payload((#(#locals,)*), #core::Codec::PROTOBUF))
        }
    });
    quote! {
        #pattern => #core::Status::new(#core::Code::#code, __message).with_reason(#reason) #details,
    }
}

fn from_status(model: &Model, variant: &Variant) -> TokenStream {
    let (core, reason, pattern) = (model.core(), variant.reason(&model.ident), variant.pattern());
    if variant.fields.is_empty() {
        return quote!(::core::option::Option::Some(#reason) => return #pattern,);
    }
    let (carrier, locals) = (carrier(model, variant), variant.fields.iter().map(|field| &field.local));
    quote! {
        ::core::option::Option::Some(#reason) => {
            let details = __status.details().cloned().map(<#carrier as #core::Carry>::take);
            if let ::core::option::Option::Some(::core::result::Result::Ok((#(#locals,)*))) = details {
                return #pattern;
            }
        }
    }
}

/// Without messages, Display is somebody else's: say so at the enum if it is nobody's.
fn check_display(model: &Model) -> TokenStream {
    let (typed, ident) = (model.typed(), &model.ident);
    let check = quote_spanned!(ident.span()=> #typed::check_display::<#ident>(););
    quote!(const _: fn() = || { #check };)
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

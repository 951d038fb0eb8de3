//! `Debug` for types with sensitive fields.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse_quote;

use super::item::{Field, Form, Item, Kind};

pub(super) fn write(item: &Item) -> TokenStream {
    let generics = item.bounded(|parameter| vec![parse_quote!(#parameter: ::core::fmt::Debug)]);
    let ((implement, _, bounds), (_, arguments, _)) = (generics.split_for_impl(), item.generics.split_for_impl());
    let name = &item.name;
    let arms = match &item.kind {
        Kind::Struct(fields, form) | Kind::Newtype(fields, form) => {
            vec![arm(&quote!(Self), &name.to_string(), fields, *form)]
        }
        Kind::Enum(variants) | Kind::Oneof(variants) => variants
            .iter()
            .map(|variant| {
                let name = &variant.name;
                arm(&quote!(Self::#name), &name.to_string(), &variant.fields, variant.form)
            })
            .collect(),
    };
    quote! {
        impl #implement ::core::fmt::Debug for #name #arguments #bounds {
            fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                match self {
                    #(#arms)*
                }
            }
        }
    }
}

fn arm(path: &TokenStream, name: &str, fields: &[Field], form: Form) -> TokenStream {
    let bound = fields.iter().filter(|field| !field.sensitive).map(|field| {
        let (member, binding) = (&field.member, field.binding());
        quote!(#member: #binding)
    });
    let shown = fields.iter().map(|field| {
        let (name, value) = (field.name(), shown(field));
        match form {
            Form::Named => quote!(.field(#name, #value)),
            _ => quote!(.field(#value)),
        }
    });
    let builder = match form {
        Form::Named => quote!(debug_struct),
        _ => quote!(debug_tuple),
    };
    quote!(#path { #(#bound,)* .. } => __f.#builder(#name) #(#shown)* .finish(),)
}

fn shown(field: &Field) -> TokenStream {
    let binding = field.binding();
    match field.sensitive {
        true => quote!(&::core::format_args!("<sensitive>")),
        false => quote!(#binding),
    }
}

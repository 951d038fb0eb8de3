//! The constraint check: `Validate`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::parse_quote;
use syn::spanned::Spanned;

use super::item::{Field, Form, Item, Kind, Variant};
use super::root::Root;
use super::types::is_plain;

pub(super) fn write(item: &Item, root: &Root) -> TokenStream {
    let validate = quote!(#root::validate);
    let generics = item.bounded(|parameter| vec![parse_quote!(#parameter: #validate::Validate)]);
    let ((implement, _, bounds), (_, arguments, _)) = (generics.split_for_impl(), item.generics.split_for_impl());
    let name = &item.name;
    let body = body(item, root).map(|body| {
        quote! {
            fn validate(&self, __report: &mut #validate::Report) {
                #body
            }
        }
    });
    quote! {
        impl #implement #validate::Validate for #name #arguments #bounds {
            #body
        }
    }
}

/// `None` when there is nothing to check.
fn body(item: &Item, root: &Root) -> Option<TokenStream> {
    match &item.kind {
        Kind::Struct(fields, form) => {
            let fields = fields.iter().filter_map(|field| of_self(field, *form, root));
            some(fields.collect())
        }
        Kind::Newtype(fields, _) => some(fields.iter().filter_map(|field| inside_self(field, root)).collect()),
        Kind::Enum(_) => None,
        Kind::Oneof(variants) => {
            let arms: Vec<_> = variants.iter().filter_map(|variant| arm(variant, root)).collect();
            some(arms).map(|arms| {
                quote! {
                    match self {
                        #arms
                        #[allow(unreachable_patterns)]
                        _ => {}
                    }
                }
            })
        }
    }
}

fn some(parts: Vec<TokenStream>) -> Option<TokenStream> {
    (!parts.is_empty()).then(|| quote!(#(#parts)*))
}

fn of_self(field: &Field, form: Form, root: &Root) -> Option<TokenStream> {
    let member = &field.member;
    let checks = checks(field, &quote!((&self.#member)), root)?;
    Some(at(field, form, &checks))
}

/// A transparent type's field has no name of its own.
fn inside_self(field: &Field, root: &Root) -> Option<TokenStream> {
    let member = &field.member;
    checks(field, &quote!((&self.#member)), root)
}

fn arm(variant: &Variant, root: &Root) -> Option<TokenStream> {
    let (name, json_name) = (&variant.name, &variant.json_name);
    let is_newtype = variant.form == Form::Tuple && variant.fields.len() == 1;
    let (mut patterns, mut parts) = (Vec::new(), Vec::new());
    for field in &variant.fields {
        let (binding, member) = (field.binding(), &field.member);
        if let Some(checks) = checks(field, &quote!(#binding), root) {
            patterns.push(quote!(#member: #binding));
            parts.push(if is_newtype { checks } else { at(field, variant.form, &checks) });
        }
    }
    some(parts)
        .map(|parts| quote!(Self::#name { #(#patterns,)* .. } => __report.field(#json_name, |__report| { #parts }),))
}

fn at(field: &Field, form: Form, checks: &TokenStream) -> TokenStream {
    match (&field.member, form) {
        (syn::Member::Unnamed(index), Form::Tuple) => {
            let index = index.index;
            quote!(__report.item(#index, |__report| { #checks });)
        }
        _ => {
            let name = &field.json_name;
            quote!(__report.field(#name, |__report| { #checks });)
        }
    }
}

/// The field's own rules, then those of what is inside.
fn checks(field: &Field, value: &TokenStream, root: &Root) -> Option<TokenStream> {
    if field.skip {
        return None;
    }
    let own = field.constraints.checks(value, root);
    let dive = !field.constraints.skip && field.own_shape && !is_plain(&field.shape);
    let span = field.shape.span();
    let inside = dive.then(|| quote_spanned!(span=> #root::validate::Validate::validate(#value, __report);));
    (dive || !field.constraints.is_empty()).then(|| quote!(#(#own)* #inside))
}

//! The descriptor: `Describe`, `DescribeEnum` and `Shape`.

use proc_macro2::{Literal, TokenStream};
use quote::{quote, quote_spanned};
use syn::parse_quote;
use syn::spanned::Spanned;

use super::item::{Field, Form, Item, Kind, Variant};
use super::motet_attributes::Encoding;
use super::root::Root;

pub(super) fn write(item: &Item, root: &Root) -> TokenStream {
    match &item.kind {
        Kind::Struct(fields, _) => {
            let fields = described(fields);
            let fields: Vec<_> = fields.iter().map(|field| describe_field(field, root)).collect();
            let message = message(item, root, 0, &item.name.to_string(), &item.doc, &fields, &quote!());
            let shape = message_shape(item, root);
            quote!(#message #shape)
        }
        Kind::Newtype(fields, _) => newtype(item, described(fields)[0], root),
        Kind::Enum(variants) => enumeration(item, variants, root),
        Kind::Oneof(variants) => oneof(item, variants, root),
    }
}

fn described(fields: &[Field]) -> Vec<&Field> {
    fields.iter().filter(|field| !field.skip).collect()
}

/// `Describe` for the type's own message, or for that of a variant.
fn message(
    item: &Item,
    root: &Root,
    part: usize,
    name: &str,
    doc: &str,
    fields: &[TokenStream],
    more: &TokenStream,
) -> TokenStream {
    let protobuf = quote!(#root::protobuf);
    let generics = bounded(item, root);
    let ((implement, _, bounds), (_, arguments, _)) = (generics.split_for_impl(), item.generics.split_for_impl());
    let ty = &item.name;
    let len = Literal::usize_unsuffixed(fields.len());
    let parameters = item.generics.type_params().map(|parameter| &parameter.ident);
    quote! {
        impl #implement #protobuf::Describe<#part> for #ty #arguments #bounds {
            const NAME: &'static str = #name;
            const MODULE: &'static str = ::core::module_path!();
            const DOC: &'static str = #doc;
            const ARGUMENTS: &'static [#protobuf::FieldType] = &[#(<#parameters as #protobuf::Shape>::TYPE),*];
            const FIELDS: &'static [#protobuf::FieldDesc] = &[#(#fields),*];
            const ORDER: &'static [u16] =
                &#protobuf::order::<#len>(<Self as #protobuf::Describe<#part>>::FIELDS);
            #more
        }
    }
}

fn message_shape(item: &Item, root: &Root) -> TokenStream {
    let protobuf = quote!(#root::protobuf);
    let shape = shape(item, root, &quote!(#protobuf::single::One), &quote!(#protobuf::FieldType::message::<Self>()));
    let check = check_now(item, &quote!(#protobuf::Describe<0>), &quote!(MESSAGE));
    quote!(#shape #check)
}

fn shape(item: &Item, root: &Root, card: &TokenStream, ty: &TokenStream) -> TokenStream {
    let protobuf = quote!(#root::protobuf);
    let generics = bounded(item, root);
    let ((implement, _, bounds), (_, arguments, _)) = (generics.split_for_impl(), item.generics.split_for_impl());
    let name = &item.name;
    quote! {
        impl #implement #protobuf::Shape for #name #arguments #bounds {
            type Card = #card;
            const TYPE: #protobuf::FieldType = #ty;
        }
    }
}

/// Evaluates a constant of a type without parameters, so that `cargo check` finds what is wrong.
fn check_now(item: &Item, of: &TokenStream, constant: &TokenStream) -> Option<TokenStream> {
    let name = &item.name;
    item.generics.params.is_empty().then(|| {
        quote! {
            const _: () = {
                let _ = <#name as #of>::#constant;
            };
        }
    })
}

/// A type argument is one value, so that `Vec<T>` and `Option<T>` may stand in the type.
fn bounded(item: &Item, root: &Root) -> syn::Generics {
    let protobuf = quote!(#root::protobuf);
    item.bounded(|parameter| {
        vec![
            parse_quote!(#parameter: #protobuf::Shape),
            parse_quote!(<#parameter as #protobuf::Shape>::Card: #protobuf::single::Single),
        ]
    })
}

fn newtype(item: &Item, field: &Field, root: &Root) -> TokenStream {
    let protobuf = quote!(#root::protobuf);
    let inner = &field.shape;
    let encoding = encoding(field, root);
    let sensitive = field.sensitive.then(|| quote!(.with_sensitive()));
    let ty = quote_spanned!(inner.span()=> <#inner as #protobuf::Shape>::TYPE.encoded(#encoding) #sensitive);
    let card = quote_spanned!(inner.span()=> <#inner as #protobuf::Shape>::Card);
    let shape = shape(item, root, &card, &ty);
    let check = check_now(item, &quote!(#protobuf::Shape), &quote!(TYPE));
    quote!(#shape #check)
}

fn enumeration(item: &Item, variants: &[Variant], root: &Root) -> TokenStream {
    let protobuf = quote!(#root::protobuf);
    let (name, doc) = (item.name.to_string(), &item.doc);
    let described = variants.iter().map(|variant| {
        let (name, json_name, doc) = (variant.name.to_string(), &variant.json_name, &variant.doc);
        let number = Literal::i64_unsuffixed(variant.number);
        quote!(#protobuf::VariantDesc::new(#name, #number).with_json_name(#json_name).with_doc(#doc))
    });
    let other = other(variants);
    let ty = &item.name;
    let shape =
        shape(item, root, &quote!(#protobuf::single::One), &quote!(#protobuf::FieldType::enumeration::<Self>()));
    quote! {
        impl #protobuf::DescribeEnum for #ty {
            const NAME: &'static str = #name;
            const MODULE: &'static str = ::core::module_path!();
            const DOC: &'static str = #doc;
            const VARIANTS: &'static [#protobuf::VariantDesc] = &[#(#described),*];
            #other
        }
        #shape
    }
}

fn oneof(item: &Item, variants: &[Variant], root: &Root) -> TokenStream {
    let protobuf = quote!(#root::protobuf);
    let fields: Vec<_> = variants.iter().enumerate().map(|(at, variant)| describe_variant(variant, at, root)).collect();
    let other = other(variants);
    let more = quote! {
        const KIND: #protobuf::MessageKind = #protobuf::MessageKind::Oneof;
        #other
    };
    let own = message(item, root, 0, &item.name.to_string(), &item.doc, &fields, &more);
    let parts = variants.iter().enumerate().filter(|(_, variant)| has_message(variant)).map(|(at, variant)| {
        let name = format!("{}{}", item.name, variant.name);
        let fields: Vec<_> = described(&variant.fields).iter().map(|field| describe_field(field, root)).collect();
        message(item, root, at + 1, &name, &variant.doc, &fields, &quote!())
    });
    let shape = message_shape(item, root);
    quote!(#own #(#parts)* #shape)
}

/// Whether the variant's fields make a message of their own.
fn has_message(variant: &Variant) -> bool {
    match variant.form {
        Form::Named => true,
        Form::Tuple => variant.fields.len() != 1,
        Form::Unit => false,
    }
}

fn describe_variant(variant: &Variant, at: usize, root: &Root) -> TokenStream {
    let protobuf = quote!(#root::protobuf);
    let (name, json_name, doc) = (variant.name.to_string(), &variant.json_name, &variant.doc);
    let number = Literal::i64_unsuffixed(variant.number);
    let default = quote!(#protobuf::Encoding::Default);
    let (ty, encoding, sensitive) = match variant.fields.as_slice() {
        _ if has_message(variant) => {
            let part = at + 1;
            (quote!(#protobuf::FieldType::part::<Self, #part>()), default, false)
        }
        [field] => {
            let ty = &field.shape;
            let single = quote_spanned!(ty.span()=> #protobuf::FieldType::single::<#ty>());
            (single, encoding(field, root), field.sensitive)
        }
        _ => (quote!(<() as #protobuf::Shape>::TYPE), default, false),
    };
    let sensitive = sensitive.then(|| quote!(.with_sensitive()));
    quote! {
        #protobuf::FieldDesc::new(#name, #number, #encoding, #ty).with_json_name(#json_name).with_doc(#doc) #sensitive
    }
}

fn describe_field(field: &Field, root: &Root) -> TokenStream {
    let protobuf = quote!(#root::protobuf);
    let (name, json_name, doc, shape) = (field.name(), &field.json_name, &field.doc, &field.shape);
    let number = Literal::i64_unsuffixed(field.number);
    let encoding = encoding(field, root);
    let ty = quote_spanned!(shape.span()=> <#shape as #protobuf::Shape>::TYPE);
    let sensitive = field.sensitive.then(|| quote!(.with_sensitive()));
    let unwritten = field.unwritten.then(|| quote!(.without_writing()));
    quote! {
        #protobuf::FieldDesc::new(#name, #number, #encoding, #ty)
            .with_json_name(#json_name)
            .with_doc(#doc)
            #sensitive
            #unwritten
    }
}

fn encoding(field: &Field, root: &Root) -> TokenStream {
    let protobuf = quote!(#root::protobuf);
    match field.encoding {
        None => quote!(#protobuf::Encoding::Default),
        Some(Encoding::Fixed) => quote!(#protobuf::Encoding::Fixed),
        Some(Encoding::Zigzag) => quote!(#protobuf::Encoding::Zigzag),
    }
}

fn other(variants: &[Variant]) -> Option<TokenStream> {
    let at = variants.iter().position(|variant| variant.other)? as u16;
    Some(quote!(const OTHER: ::core::option::Option<u16> = ::core::option::Option::Some(#at);))
}

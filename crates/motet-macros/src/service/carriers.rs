//! How the arguments and replies of each method are carried, found by type.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Ident, Type};

use super::attribute::Family;
use super::model::{Argument, Method, Model, Reply, Requests};
use super::types::span_of;

pub(super) fn write(model: &Model) -> TokenStream {
    let carriers = model.methods.iter().map(|method| {
        let checks = checks(model, method);
        let (request, reply) = (request(model, method), reply(model, method));
        quote!(#checks #request #reply)
    });
    quote!(#(#carriers)*)
}

/// First of all: errors about types are to land on these types and to say what to do.
fn checks(model: &Model, method: &Method) -> TokenStream {
    let (typed, output) = (model.typed(), &method.output);
    let is_result = quote_spanned!(span_of(output)=> #typed::check_outcome::<#output>());
    let is_error = quote_spanned! {method.error_span()=>
        #typed::check_error::<<#output as #typed::Outcome>::Error>()
    };
    let mut types: Vec<TokenStream> = Vec::new();
    if let Requests::Arguments(arguments) = &method.requests {
        if let [argument] = arguments.as_slice() {
            types.push(check(model, &argument.ty));
        } else {
            let check = if model.family == Family::Serde { quote!(check_portable) } else { quote!(check_plain) };
            types.extend(arguments.iter().map(|argument| {
                let ty = &argument.ty;
                quote_spanned!(span_of(ty)=> #typed::#check::<#ty>();)
            }));
        }
    }
    if let Requests::Stream { item, .. } = &method.requests {
        types.push(check(model, item));
    }
    types.push(match &method.reply {
        Reply::Stream(ty) | Reply::One(Some(ty)) => check(model, ty),
        Reply::One(None) => {
            let reply = quote_spanned!(span_of(output)=> <#output as #typed::Outcome>::Reply);
            check(model, &syn::parse_quote!(#reply))
        }
    });
    quote! {
        const _: fn() = || {
            #is_result;
            #is_error;
            #(#types)*
        };
    }
}

fn check(model: &Model, ty: &Type) -> TokenStream {
    let (typed, core) = (model.typed(), model.core());
    match model.family {
        Family::Serde => quote_spanned! {span_of(ty)=>
            (&#typed::Pick::<#core::SerdeFormat, #ty>::NEW).pick().check();
        },
        Family::Proto => quote_spanned!(span_of(ty)=> #typed::check_prost::<#ty>();),
        Family::Plain => quote_spanned!(span_of(ty)=> #typed::check_plain::<#ty>();),
    }
}

/// The family as an expression; whether constraints are known is a question to the body's type.
fn format(model: &Model, body: &TokenStream) -> TokenStream {
    let (typed, core) = (model.typed(), model.core());
    match model.family {
        Family::Serde => quote!(#typed::FormatTag::<#core::SerdeFormat>::NEW),
        Family::Proto => quote!((&#typed::Checks::<#body>::NEW).proto_format()),
        Family::Plain => quote!((&#typed::Checks::<#body>::NEW).format()),
    }
}

fn request(model: &Model, method: &Method) -> TokenStream {
    let (core, typed, function) = (model.core(), model.typed(), method.request_carrier());
    let arguments = match &method.requests {
        Requests::Stream { item, .. } => {
            let carrier = value(model, &quote!(#item));
            return carrier_function(model, &function, &quote!(#item), &carrier);
        }
        Requests::Arguments(arguments) => arguments,
    };
    let names = format_ident!("__{}Names", camel(&method.ident));
    let declared = declare_names(model, method, &names, arguments);
    let carrier = match arguments.as_slice() {
        [] if model.family == Family::Proto => quote!(#typed::FormatTag::<#core::SerdeFormat>::NEW.unit()),
        [] => {
            let format = format(model, &quote!(#core::Empty));
            quote!(#format.unit())
        }
        [argument] => lone(model, &argument.ty, &names),
        several => {
            let types = several.iter().map(|argument| &argument.ty);
            let tuple = quote!((#(#types),*));
            let format = format(model, &quote!(#core::Arguments<#names, #tuple>));
            quote!(#format.named::<#names, #tuple>())
        }
    };
    let types = arguments.iter().map(|argument| &argument.ty);
    let carrier = carrier_function(model, &function, &quote!((#(#types,)*)), &carrier);
    quote!(#declared #carrier)
}

/// A function that gives a carrier, so that the rest need not name its type.
fn carrier_function(model: &Model, name: &Ident, value: &TokenStream, carrier: &TokenStream) -> TokenStream {
    let (core, typed) = (model.core(), model.typed());
    quote! {
        fn #name() -> impl #core::Carry<Value = #value> {
            (&#typed::Settle::<#value, _>::of(#carrier)).carrier()
        }
    }
}

fn reply(model: &Model, method: &Method) -> TokenStream {
    let (typed, function, output) = (model.typed(), method.reply_carrier(), &method.output);
    let ty = match &method.reply {
        Reply::One(Some(ty)) | Reply::Stream(ty) => quote!(#ty),
        Reply::One(None) => quote!(<#output as #typed::Outcome>::Reply),
    };
    carrier_function(model, &function, &ty, &value(model, &ty))
}

fn value(model: &Model, ty: &TokenStream) -> TokenStream {
    if model.family == Family::Proto && is_wrapped(ty) {
        let (core, typed) = (model.core(), model.typed());
        return quote!((&#typed::Pick::<#core::SerdeFormat, #ty>::NEW).pick().value());
    }
    let format = format(model, ty);
    match model.family {
        Family::Proto => quote!(#format.whole::<#ty>()),
        _ => quote!((&#format.of::<#ty>()).pick().value()),
    }
}

fn lone(model: &Model, ty: &Type, names: &Ident) -> TokenStream {
    if model.family == Family::Proto && is_wrapped(&quote!(#ty)) {
        let (core, typed) = (model.core(), model.typed());
        return quote!((&#typed::Pick::<#core::SerdeFormat, #ty>::NEW).pick().argument::<#names>());
    }
    let format = format(model, &quote!(#ty));
    match model.family {
        Family::Proto => quote!(#format.lone::<#names, #ty>()),
        _ => quote!((&#format.of::<#ty>()).pick().argument::<#names>()),
    }
}

/// Whether a service of prost types has a message around this type: prost writes protobuf's wrappers,
/// such as `google.protobuf.StringValue`, as the values that they hold, and `Empty` as `()`.
fn is_wrapped(ty: &TokenStream) -> bool {
    let text = ty.to_string().replace(' ', "");
    let name = text.rsplit("::").next().unwrap_or_default();
    ["()", "bool", "i32", "i64", "u32", "u64", "f32", "f64", "String", "Vec<u8>"].contains(&name)
}

fn declare_names(model: &Model, method: &Method, names: &Ident, arguments: &[Argument]) -> TokenStream {
    let core = model.core();
    let name = format!("{}Request", camel(&method.ident));
    let fields = arguments.iter().map(Argument::name);
    let sensitive = arguments.iter().enumerate().filter(|(_, argument)| argument.sensitive).map(|(at, _)| at);
    quote! {
        struct #names;
        impl #core::Names for #names {
            const NAME: &'static str = #name;
            const FIELDS: &'static [&'static str] = &[#(#fields),*];
            const SENSITIVE: &'static [usize] = &[#(#sensitive),*];
            const MODULE: &'static str = ::core::module_path!();
        }
    }
}

pub(super) fn camel(ident: &Ident) -> String {
    let name = ident.unraw().to_string();
    let words = name.split('_').filter(|word| !word.is_empty());
    words.map(|word| word[..1].to_ascii_uppercase() + &word[1..]).collect()
}

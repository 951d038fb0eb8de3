//! The service as data.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;

use super::method_attribute::Http;
use super::model::{Method, Model};

pub(super) fn write(model: &Model) -> TokenStream {
    let (core, name, version, docs) = (model.core(), &model.name, &model.version, &model.docs);
    let ident = model.ident.unraw().to_string();
    let methods = model.methods.iter().map(|method| describe(model, method));
    quote! {
        fn __descriptor() -> #core::ServiceDescriptor {
            let mut service = #core::ServiceDescriptor::new(#name, #version).docs(#docs).ident(#ident);
            #(service.add(#methods);)*
            service
        }
    }
}

fn describe(model: &Model, method: &Method) -> TokenStream {
    let (core, typed) = (model.core(), model.typed());
    let (service, name, docs, kind) = (&model.name, &method.name, &method.docs, method.kind());
    let (request, reply) = (method.request_carrier(), method.reply_carrier());
    let options = options(model, method);
    quote!({
        let method = #typed::method(#service, #name, #core::Kind::#kind, #docs, #request(), #reply());
        #options
    })
}

fn options(model: &Model, method: &Method) -> TokenStream {
    let (core, options) = (model.core(), &method.options);
    let flags = [
        (options.idempotent, quote!(idempotent)),
        (options.safe, quote!(safe)),
        (options.blocking.is_some(), quote!(blocking)),
        (options.serial.is_some(), quote!(serial)),
        (options.deprecated, quote!(deprecated)),
    ];
    let set = flags.iter().filter(|(set, _)| *set).map(|(_, name)| name);
    let timeout = options.timeout_ms.iter();
    let max_in_flight = options.max_in_flight.iter();
    let routes = options
        .http
        .iter()
        .map(|Http { verb, path, .. }| quote!(#core::HttpRoute { verb: #verb.to_owned(), path: #path.to_owned() }));
    quote! {
        #[allow(unused_mut)]
        let mut options = #core::MethodOptions::default();
        #(options.#set = true;)*
        #(options.max_in_flight = ::core::option::Option::Some(#max_in_flight);)*
        #(options.timeout_ms = ::core::option::Option::Some(#timeout);)*
        #(options.http.push(#routes);)*
        method.options(options)
    }
}

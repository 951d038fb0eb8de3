//! The service as data.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;

use super::method_attribute::Http;
use super::model::{Method, Model};

pub(super) fn write(model: &Model) -> TokenStream {
    let (core, typed) = (model.core(), model.typed());
    let (name, version, docs) = (&model.name, &model.version, &model.docs);
    let ident = model.ident.unraw().to_string();
    let proto_name = model.proto_name.iter();
    // A service of a .proto file brings its files; that of a trait is made of its types.
    let files = match &model.descriptor_set {
        Some(set) => quote!(let (service, _) = __parts(); service.descriptor_set(#set)),
        None => quote!(let (service, bodies) = __parts(); service.bodies(&bodies)),
    };
    let methods = model.methods.iter().map(|method| describe(model, method));
    quote! {
        /// The service without its protobuf file, which callers do not need, and what that is made of.
        fn __parts() -> (#core::ServiceDescriptor, ::std::vec::Vec<#typed::Bodies>) {
            let mut service = #core::ServiceDescriptor::new(#name, #version).docs(#docs).ident(#ident)
                #(.proto_name(#proto_name))*;
            let mut bodies = ::std::vec::Vec::new();
            #({
                let (method, body) = #methods;
                service.add(method);
                bodies.push(body);
            })*
            (service, bodies)
        }

        fn __descriptor() -> #core::ServiceDescriptor {
            #files
        }
    }
}

fn describe(model: &Model, method: &Method) -> TokenStream {
    let (core, typed) = (model.core(), model.typed());
    let (service, name, docs, kind) = (&model.name, &method.name, &method.docs, method.kind());
    let (request, reply) = (method.request_carrier(), method.reply_carrier());
    let options = options(model, method);
    let proto_name = method.options.proto_name.iter();
    quote!({
        #[allow(unused_mut)]
        let mut method = #typed::method(#service, #name, #core::Kind::#kind, #docs, #request(), #reply());
        #(method.proto_name = #proto_name.to_owned();)*
        (#options, #typed::bodies(#request(), #reply()))
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
    quote!({
        #[allow(unused_mut)]
        let mut options = #core::MethodOptions::default();
        #(options.#set = true;)*
        #(options.max_in_flight = ::core::option::Option::Some(#max_in_flight);)*
        #(options.timeout_ms = ::core::option::Option::Some(#timeout);)*
        #(options.http.push(#routes);)*
        method.options(options)
    })
}

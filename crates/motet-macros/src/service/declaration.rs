//! The trait itself, its futures sendable.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use super::model::{Method, Model};

pub(super) fn write(model: &Model) -> TokenStream {
    let (attributes, vis, ident) = (&model.attributes, &model.vis, &model.ident);
    let methods = model.methods.iter().map(|method| declare(model, method));
    quote! {
        #(#attributes)*
        #[allow(clippy::manual_async_fn, clippy::too_many_arguments, clippy::type_complexity)]
        #vis trait #ident: ::core::marker::Send + ::core::marker::Sync + 'static {
            #(#methods)*
        }
    }
}

/// A shared service is a service.
pub(super) fn for_arc(model: &Model) -> TokenStream {
    let ident = &model.ident;
    let methods = model.methods.iter().map(|method| {
        let (name, arguments) = (&method.ident, method.arguments().iter().map(|argument| &argument.ident));
        implement(method, &quote!(<__T as #ident>::#name(self, __cx, #(#arguments),*)))
    });
    quote! {
        impl<__T: #ident> #ident for ::std::sync::Arc<__T> {
            #(#methods)*
        }
    }
}

/// An implementation of a method that returns the future of `call`.
pub(super) fn implement(method: &Method, call: &TokenStream) -> TokenStream {
    let (name, cx, output) = (&method.ident, &method.context_type, &method.output);
    let arguments = arguments(method);
    quote! {
        fn #name(&self, __cx: #cx, #(#arguments),*)
            -> impl ::core::future::Future<Output = #output> + ::core::marker::Send
        {
            #call
        }
    }
}

/// The arguments with their types.
pub(super) fn arguments(method: &Method) -> Vec<TokenStream> {
    let typed = method.arguments().iter().map(|argument| {
        let (ident, ty) = (&argument.ident, &argument.ty);
        quote!(#ident: #ty)
    });
    typed.collect()
}

fn declare(model: &Model, method: &Method) -> TokenStream {
    let attributes = method.attributes.iter().filter(|attribute| !attribute.path().is_ident("method"));
    let (name, context, cx, output) = (&method.ident, &method.context, &method.context_type, &method.output);
    let arguments = arguments(method);
    let body = match &method.body {
        Some(body) => {
            let mutable = method.arguments().iter().filter(|argument| argument.mutable).map(|argument| &argument.ident);
            quote!({ async move { #(let mut #mutable = #mutable;)* #body } })
        }
        None if method.options.optional.is_some() => {
            let (typed, path) = (model.typed(), model.path(method));
            let unimplemented = quote_spanned!(method.error_span()=> #typed::unimplemented);
            let unused = method.arguments().iter().map(|argument| &argument.ident);
            let context = match context {
                syn::Pat::Ident(syn::PatIdent { ident, .. }) => quote!(let _ = #ident;),
                _ => quote!(),
            };
            quote!({ async move { #(let _ = #unused;)* #context #unimplemented(#path) } })
        }
        None => quote!(;),
    };
    quote! {
        #(#attributes)*
        fn #name(&self, #context: #cx, #(#arguments),*)
            -> impl ::core::future::Future<Output = #output> + ::core::marker::Send #body
    }
}

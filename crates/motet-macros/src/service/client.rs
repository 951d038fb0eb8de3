//! The client: the same trait over the network, and its one-way form.

use proc_macro2::{Literal, TokenStream};
use quote::{quote, quote_spanned};

use super::declaration::{arguments, implement};
use super::model::{Method, Model, Reply, Requests};

pub(super) fn declare(model: &Model) -> TokenStream {
    let (vis, ident, client, one_way, typed) =
        (&model.vis, &model.ident, model.client(), model.one_way(), model.typed());
    let docs = format!("Calls the service `{}`; it implements [`{ident}`]. Cheap to clone.", model.name);
    let one_way_docs = format!("Calls of [`{client}`] without a reply. Cheap to clone.");
    quote! {
        #[doc = #docs]
        #[derive(Clone, Debug)]
        #[allow(dead_code)]
        #vis struct #client(#typed::Caller);

        #[doc = #one_way_docs]
        #[derive(Clone, Debug)]
        #[allow(dead_code)]
        #vis struct #one_way(#typed::Caller);
    }
}

pub(super) fn write(model: &Model) -> TokenStream {
    let (vis, ident, client, one_way) = (&model.vis, &model.ident, model.client(), model.one_way());
    let (private, core, typed) = (model.private(), model.core(), model.typed());
    let calls = model.methods.iter().enumerate().map(|(at, method)| call(at, method));
    let without_reply = model.methods.iter().enumerate().filter_map(|(at, method)| send(model, at, method));
    quote! {
        impl #client {
            /// Calls the service through this client.
            #vis fn new(client: impl ::std::borrow::Borrow<#private::Client>) -> Self {
                Self(#typed::Caller::new(client.borrow(), &__parts().0))
            }

            /// Calls the service through this client where it is served under another name.
            #vis fn named(client: impl ::std::borrow::Borrow<#private::Client>, name: &str) -> Self {
                Self(#typed::Caller::named(client.borrow(), __parts().0, name))
            }

            /// Calls this implementation in this process: the same type, for tests and for services
            /// that live together.
            #vis fn local(service: impl #ident) -> Self {
                Self(#typed::Caller::local(__service(service), &__parts().0))
            }

            /// Calls without a reply: ready once the request is written, whatever becomes of it then.
            #vis fn one_way(&self) -> #one_way {
                #one_way(self.0.clone())
            }

            /// The same client with these options for all calls, in place of those it has.
            #[must_use]
            #vis fn with_options(&self, options: #core::CallOptions) -> Self {
                Self(self.0.with_options(options))
            }

            /// The same client with the options of its calls changed; those not touched stay.
            #[must_use]
            #vis fn configure(&self, change: impl ::core::ops::FnOnce(&mut #core::CallOptions)) -> Self {
                Self(self.0.configure(change))
            }

            /// The same client with this time for each call, in place of the method's and the client's.
            #[must_use]
            #vis fn with_timeout(&self, timeout: ::core::time::Duration) -> Self {
                Self(self.0.configure(|options| options.timeout = ::core::option::Option::Some(timeout)))
            }

            /// The same client with this codec, in place of the methods' own.
            #[must_use]
            #vis fn with_codec(&self, codec: #core::Codec) -> Self {
                Self(self.0.configure(|options| options.codec = ::core::option::Option::Some(codec)))
            }

            /// The same client, calling the node with this id and no other.
            #[must_use]
            #vis fn with_node(&self, id: impl ::core::convert::Into<::std::string::String>) -> Self {
                Self(self.0.configure(|options| options.node = ::core::option::Option::Some(id.into())))
            }
        }

        impl #ident for #client {
            #(#calls)*
        }

        impl #one_way {
            #(#without_reply)*
        }
    }
}

fn call(at: usize, method: &Method) -> TokenStream {
    let (function, request, reply) = (method.function(), method.request_carrier(), method.reply_carrier());
    let value = value(method);
    let at = Literal::usize_unsuffixed(at);
    let function = quote_spanned!(method.error_span()=> #function);
    implement(method, &quote!(self.0.#function(__cx, #at, #request(), #reply(), #value)))
}

fn send(model: &Model, at: usize, method: &Method) -> Option<TokenStream> {
    let (Requests::Arguments(_), Reply::One(_)) = (&method.requests, &method.reply) else { return None };
    let (vis, core, name, cx) = (&model.vis, model.core(), &method.ident, &method.context_type);
    let (request, arguments, value) = (method.request_carrier(), arguments(method), value(method));
    let docs = method.attributes.iter().filter(|attribute| attribute.path().is_ident("doc"));
    let at = Literal::usize_unsuffixed(at);
    Some(quote! {
        #(#docs)*
        ///
        /// # Errors
        /// Nothing was sent.
        #vis async fn #name(&self, __cx: #cx, #(#arguments),*) -> #core::Result<()> {
            self.0.one_way(__cx, #at, #request(), #value).await
        }
    })
}

/// What the request's carrier takes.
fn value(method: &Method) -> TokenStream {
    let arguments = method.arguments().iter().map(|argument| &argument.ident);
    match &method.requests {
        Requests::Arguments(_) => quote!((#(#arguments,)*)),
        Requests::Stream { .. } => quote!(#(#arguments)*),
    }
}

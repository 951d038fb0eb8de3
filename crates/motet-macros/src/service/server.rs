//! The server: what runs an implementation of the trait.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use super::model::{Method, Model, Reply, Requests};

pub(super) fn declare(model: &Model) -> TokenStream {
    let (vis, server, core) = (&model.vis, model.server(), model.core());
    let docs = format!("Serves an implementation of [`{}`] as the service `{}`.", model.ident, model.name);
    quote! {
        #[doc = #docs]
        #[derive(Clone, Debug)]
        #[allow(dead_code)]
        #vis struct #server(#core::Result<#core::Service>);
    }
}

pub(super) fn write(model: &Model) -> TokenStream {
    let (vis, ident, server, core, typed) = (&model.vis, &model.ident, model.server(), model.core(), model.typed());
    let handlers = model.methods.iter().map(|method| handler(model, method));
    quote! {
        fn __service<__S: #ident>(service: __S) -> #core::Result<#core::Service> {
            let service = ::std::sync::Arc::new(service);
            #typed::ServiceBuilder::new(__descriptor())
                #(.handle(#handlers))*
                .build()
        }

        impl #server {
            /// Serves this implementation.
            #vis fn new(service: impl #ident) -> Self {
                Self(__service(service))
            }

            /// What the service is, as data.
            #vis fn descriptor() -> #core::ServiceDescriptor {
                __descriptor()
            }

            /// The service.
            ///
            /// # Errors
            /// InvalidArgument when the descriptor breaks a rule, such as a body that is no object.
            #vis fn into_service(self) -> #core::Result<#core::Service> {
                self.0
            }
        }

        impl #typed::IntoService for #server {
            fn into_service(self) -> #core::Result<#core::Service> {
                self.0
            }
        }

        impl ::core::convert::TryFrom<#server> for #core::Service {
            type Error = #core::Status;

            fn try_from(server: #server) -> #core::Result<#core::Service> {
                server.0
            }
        }
    }
}

fn handler(model: &Model, method: &Method) -> TokenStream {
    let (typed, ident, name, function) = (model.typed(), &model.ident, &method.ident, method.function());
    let (request, reply) = (method.request_carrier(), method.reply_carrier());
    let arguments: Vec<_> = method.arguments().iter().map(|argument| &argument.ident).collect();
    let function = quote_spanned!(method.error_span()=> #typed::#function);
    let call = quote!(<__S as #ident>::#name(&__service, &__cx, #(#arguments),*).await);
    let answer = match &method.reply {
        Reply::One(_) => quote!(__answer.of(#call)),
        Reply::Stream(_) => quote!(__answer.stream(#call)),
    };
    match &method.requests {
        Requests::Arguments(_) => quote! {
            #function(&service, #request(), #reply(), |__service, __cx, __request, __answer| async move {
                match __request.read() {
                    ::core::result::Result::Ok((#(#arguments,)*)) => #answer,
                    ::core::result::Result::Err(__status) => __answer.refuse(__status),
                }
            })
        },
        Requests::Stream { .. } => quote! {
            #function(&service, #request(), #reply(), |__service, __cx, #(#arguments)*, __answer| async move { #answer })
        },
    }
}

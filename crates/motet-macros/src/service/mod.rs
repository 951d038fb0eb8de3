//! `#[motet::service]`: from a trait to its server, its client and its descriptor.
//!
//! [`model`] reads the trait; the other modules each write one part of the expansion, which is thin:
//! it names types and strings, and calls generic code for everything else.

mod attribute;
mod carriers;
mod client;
mod declaration;
mod descriptor;
mod method_attribute;
mod model;
mod refuse;
mod server;
mod types;

use proc_macro2::TokenStream;
use quote::quote;
use syn::ItemTrait;

use attribute::ServiceAttribute;
use model::Model;

pub(crate) fn expand(args: TokenStream, input: TokenStream) -> TokenStream {
    let mut item = match syn::parse2::<ItemTrait>(input.clone()) {
        Ok(item) => item,
        Err(error) => {
            let misplaced = syn::Error::new(error.span(), "`#[motet::service]` is for traits");
            return with_error(&input, &misplaced);
        }
    };
    let model = syn::parse2::<ServiceAttribute>(args).and_then(|attribute| Model::read(&item, attribute));
    match model {
        Ok(model) => write(&model),
        Err(error) => {
            model::strip(&mut item);
            with_error(&quote!(#item), &error)
        }
    }
}

fn write(model: &Model) -> TokenStream {
    let declaration = declaration::write(model);
    let types = [server::declare(model), client::declare(model)];
    let parts = [
        carriers::write(model),
        descriptor::write(model),
        server::write(model),
        client::write(model),
        declaration::for_arc(model),
    ];
    let typed = model.typed();
    quote! {
        #declaration
        #(#types)*
        #[allow(dead_code, deprecated, non_camel_case_types, non_snake_case, unused_imports, clippy::all)]
        const _: () = {
            use #typed::{
                IsCarrier as _, IsChecked as _, IsMessage as _, IsOther as _, IsPlain as _, IsProstAlone as _,
                IsProstWithSerde as _, IsRefused as _, IsUnchecked as _, IsUnit as _,
            };
            #(#parts)*
        };
    }
}

/// The trait stays, so that one mistake is not followed by "cannot find trait" everywhere.
fn with_error(item: &TokenStream, error: &syn::Error) -> TokenStream {
    let error = error.to_compile_error();
    quote! {
        #[allow(async_fn_in_trait, dead_code)]
        #item
        #error
    }
}

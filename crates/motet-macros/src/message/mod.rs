//! `#[motet::message]`: from a type's declaration to its descriptor, checks and derives.
//!
//! [`item`] reads the declaration and its attributes and rewrites them for the derives; the other
//! modules each write one impl from what it found.

mod check;
mod constraints;
mod debug;
mod describe;
mod item;
mod motet_attributes;
mod names;
mod numbers;
mod refuse;
mod root;
mod serde_attributes;
mod types;

use proc_macro2::TokenStream;
use quote::quote;
use syn::DeriveInput;

use item::Item;
use root::Root;

pub(crate) fn expand(args: TokenStream, input: TokenStream) -> TokenStream {
    let root = match syn::parse2::<Root>(args) {
        Ok(root) => root,
        Err(error) => return with_error(input, &error),
    };
    let mut declaration = match syn::parse2::<DeriveInput>(input.clone()) {
        Ok(declaration) => declaration,
        Err(error) => {
            let misplaced = syn::Error::new(error.span(), "`#[motet::message]` is for structs and enums");
            return with_error(input, &misplaced);
        }
    };
    match Item::read(&mut declaration, &root) {
        Ok(item) => write(&declaration, &item, &root),
        Err(error) => {
            item::strip(&mut declaration);
            with_error(quote!(#declaration), &error)
        }
    }
}

fn write(declaration: &DeriveInput, item: &Item, root: &Root) -> TokenStream {
    let (private, path) = (root.tokens(), root.text());
    let (serde, schemars) = (format!("{path}::serde"), format!("{path}::schemars"));
    let describe = describe::write(item, root);
    let check = check::write(item, root);
    let debug = item.has_sensitive().then(|| debug::write(item));
    let message = item.is_object().then(|| {
        let (name, (generics, arguments, bounds)) = (&item.name, item.generics.split_for_impl());
        quote!(impl #generics #private::Message for #name #arguments #bounds {})
    });
    quote! {
        #[derive(#private::serde::Serialize, #private::serde::Deserialize, #private::schemars::JsonSchema)]
        #[serde(crate = #serde)]
        #[schemars(crate = #schemars)]
        #declaration
        #describe
        #check
        #debug
        #message
    }
}

/// The item stays, so that one mistake is not followed by "cannot find type" everywhere.
fn with_error(item: TokenStream, error: &syn::Error) -> TokenStream {
    let error = error.to_compile_error();
    quote!(#item #error)
}

//! `#[derive(RpcError)]`: from an enum's variants to statuses and back.

mod attribute;
mod model;
mod write;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use model::Model;

pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let model = syn::parse2::<DeriveInput>(input).and_then(|item| Model::read(&item));
    match model {
        Ok(model) => write::write(&model),
        Err(error) => error.to_compile_error(),
    }
}

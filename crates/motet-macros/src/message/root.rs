//! Where the expansion finds Motet.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream};
use syn::{LitStr, Path, Token};

/// The path of the `__private` module.
pub(super) struct Root(Path);

impl Root {
    pub(super) fn tokens(&self) -> TokenStream {
        let path = &self.0;
        quote!(#path::__private)
    }

    /// As serde's attributes take it.
    pub(super) fn text(&self) -> String {
        self.tokens().to_string().replace(' ', "")
    }
}

impl Parse for Root {
    /// Nothing, or `crate = "path"`.
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.is_empty() {
            return Ok(Self(syn::parse_quote!(::motet)));
        }
        if !input.peek(Token![crate]) {
            return Err(input.error("`#[motet::message]` takes no argument but `crate = \"path\"`"));
        }
        input.parse::<Token![crate]>()?;
        input.parse::<Token![=]>()?;
        if input.peek(LitStr) {
            return input.parse::<LitStr>()?.parse_with(Path::parse_mod_style).map(Self);
        }
        Path::parse_mod_style(input).map(Self)
    }
}

impl ToTokens for Root {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(self.tokens());
    }
}

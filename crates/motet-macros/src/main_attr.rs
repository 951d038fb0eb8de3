//! `#[motet::main]`: a runtime around `async fn main`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Error, Ident, ItemFn, LitInt, LitStr, Path, ReturnType, Token, ext::IdentExt};

struct MainAttribute {
    workers: Option<LitInt>,
    root: Path,
}

impl Parse for MainAttribute {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut attribute = Self { workers: None, root: syn::parse_quote!(::motet) };
        while !input.is_empty() {
            let key = input.call(Ident::parse_any)?;
            if key != "workers" && key != "crate" {
                return Err(Error::new(key.span(), "expected `workers = N` or `crate = path`"));
            }
            input.parse::<Token![=]>()?;
            if key == "workers" {
                let workers = input.parse::<LitInt>()?;
                if !(1..=1024).contains(&workers.base10_parse::<u32>()?) {
                    return Err(Error::new(workers.span(), "workers are 1 to 1024 threads"));
                }
                attribute.workers = Some(workers);
            } else if input.peek(LitStr) {
                attribute.root = input.parse::<LitStr>()?.parse_with(Path::parse_mod_style)?;
            } else {
                attribute.root = Path::parse_mod_style(input)?;
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(attribute)
    }
}

pub(crate) fn expand(args: TokenStream, input: TokenStream) -> TokenStream {
    let parsed = syn::parse2::<MainAttribute>(args).and_then(|attribute| {
        let function = syn::parse2::<ItemFn>(input.clone())
            .map_err(|error| Error::new(error.span(), "`#[motet::main]` is for `async fn main`"))?;
        check(&function)?;
        Ok((attribute, function))
    });
    match parsed {
        Ok((attribute, function)) => write(&attribute, &function),
        Err(error) => {
            let error = error.to_compile_error();
            // A main stays, so that its absence is not a second error.
            quote!(#error fn main() {})
        }
    }
}

fn check(function: &ItemFn) -> syn::Result<()> {
    let sig = &function.sig;
    if sig.asyncness.is_none() {
        return Err(Error::new(sig.fn_token.span(), "`#[motet::main]` is for `async fn main`"));
    }
    if let Some(input) = sig.inputs.first() {
        return Err(Error::new(input.span(), "`main` takes no arguments"));
    }
    Ok(())
}

fn write(attribute: &MainAttribute, function: &ItemFn) -> TokenStream {
    let (root, attributes, vis, name) = (&attribute.root, &function.attrs, &function.vis, &function.sig.ident);
    let workers = match &attribute.workers {
        Some(workers) => quote!(::core::option::Option::Some(#workers)),
        None => quote!(::core::option::Option::None),
    };
    let (body, output) = (&function.block, &function.sig.output);
    let ty = match output {
        ReturnType::Default => quote!(()),
        ReturnType::Type(_, ty) => quote!(#ty),
    };

    let mut call = quote!(#root::__private::block_on(#workers, __body));
    if name == "main" && matches!(output, ReturnType::Type(..)) {
        call = quote! {
            #[allow(unused_imports)]
            use #root::__private::EndsAsItIs as _;
            #root::__private::End(#call).of_main()
        };
    }
    quote! {
        #(#attributes)*
        #vis fn #name() #output {
            let __body = async { let __result: #ty = #body; __result };
            #call
        }
    }
}

//! What a service trait must not be.

use quote::quote;
use syn::{Error, FnArg, ItemTrait, Pat, Signature, Type, TypeParamBound};

use super::model::Method;

pub(super) fn check_supertraits(item: &ItemTrait) -> syn::Result<()> {
    for bound in &item.supertraits {
        let known = match bound {
            TypeParamBound::Trait(bound) => bound.path.is_ident("Send") || bound.path.is_ident("Sync"),
            TypeParamBound::Lifetime(lifetime) => lifetime.ident == "static",
            _ => false,
        };
        if !known {
            return Err(Error::new_spanned(
                bound,
                "a service trait has no supertraits: its client implements it and could not implement them",
            ));
        }
    }
    Ok(())
}

pub(super) fn check_signature(sig: &Signature) -> syn::Result<()> {
    if sig.asyncness.is_none() {
        return Err(Error::new_spanned(
            sig.fn_token,
            "a service method is an `async fn`: its client waits for the reply",
        ));
    }
    if !sig.generics.params.is_empty() || sig.generics.where_clause.is_some() {
        return Err(Error::new_spanned(
            &sig.generics,
            "a service method is not generic: its types stand in the descriptor",
        ));
    }
    let by_reference = sig.receiver().is_some_and(|receiver| {
        let text = quote!(#receiver).to_string();
        text.replace(' ', "") == "&self"
    });
    if !by_reference {
        return Err(Error::new_spanned(
            sig.inputs.first().map_or_else(|| quote!(#sig), |input| quote!(#input)),
            "a service method takes `&self`: calls run at the same time",
        ));
    }
    Ok(())
}

pub(super) fn context(sig: &Signature) -> syn::Result<(Pat, Type)> {
    match sig.inputs.iter().nth(1) {
        Some(FnArg::Typed(argument)) => match &*argument.ty {
            Type::Reference(reference) if reference.mutability.is_none() => {
                Ok(((*argument.pat).clone(), (*argument.ty).clone()))
            }
            _ => Err(Error::new_spanned(argument, "the first argument is the Context: `cx: &Context`")),
        },
        _ => Err(Error::new_spanned(&sig.ident, "the first argument is the Context: `cx: &Context`")),
    }
}

pub(super) fn check_names(methods: &[Method]) -> syn::Result<()> {
    let plain = |name: &str| name.replace('_', "").to_ascii_lowercase();
    for (at, method) in methods.iter().enumerate() {
        if let Some(twin) = methods[..at].iter().find(|other| plain(&other.name) == plain(&method.name)) {
            let message = format!(
                "`{}` and `{}` are the same name in some protocol's spelling; rename one, or give it another by \
                 `#[method(name = \"…\")]`",
                twin.name, method.name
            );
            return Err(Error::new(method.ident.span(), message));
        }
        if ["one_way", "configure", "with_options", "with_timeout", "with_codec", "with_node"]
            .iter()
            .any(|taken| method.ident == taken)
        {
            return Err(Error::new(
                method.ident.span(),
                "the client has a method of this name; rename it and keep the name for callers by \
                 `#[method(name = \"…\")]`",
            ));
        }
    }
    Ok(())
}

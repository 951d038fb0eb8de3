//! The trait as the rest of the macro needs it.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Attribute, Block, Error, FnArg, Ident, ItemTrait, Meta, Pat, PatIdent, ReturnType, TraitItem, TraitItemFn, Type,
    Visibility,
};

use super::attribute::{Family, ServiceAttribute};
use super::method_attribute::MethodAttribute;
use super::refuse::{check_names, check_signature, check_supertraits, context};
use super::types::{first_type_argument, is_no_result, stream_item, type_arguments};

/// The most arguments that a method takes beside the Context.
const MAX_ARGUMENTS: usize = 8;

/// A service trait.
pub(super) struct Model {
    pub(super) attributes: Vec<Attribute>,
    pub(super) vis: Visibility,
    pub(super) ident: Ident,
    pub(super) name: String,
    pub(super) version: TokenStream,
    pub(super) docs: String,
    pub(super) family: Family,
    pub(super) proto_name: Option<String>,
    pub(super) descriptor_set: Option<syn::Path>,
    pub(super) methods: Vec<Method>,
    root: syn::Path,
}

/// One method.
pub(super) struct Method {
    pub(super) attributes: Vec<Attribute>,
    pub(super) ident: Ident,
    pub(super) name: String,
    pub(super) docs: String,
    pub(super) context: Pat,
    pub(super) context_type: Type,
    pub(super) requests: Requests,
    pub(super) output: Type,
    pub(super) reply: Reply,
    pub(super) options: MethodAttribute,
    pub(super) body: Option<Block>,
}

/// What a method takes.
pub(super) enum Requests {
    Arguments(Vec<Argument>),
    Stream { argument: Box<Argument>, item: Box<Type> },
}

/// What a method gives.
pub(super) enum Reply {
    /// The reply's type where it can be seen, else it is found through the `Result`.
    One(Option<Box<Type>>),
    Stream(Box<Type>),
}

/// One argument.
pub(super) struct Argument {
    pub(super) ident: Ident,
    pub(super) mutable: bool,
    pub(super) ty: Type,
    pub(super) sensitive: bool,
}

impl Model {
    pub(super) fn read(item: &ItemTrait, attribute: ServiceAttribute) -> syn::Result<Self> {
        if !item.generics.params.is_empty() || item.generics.where_clause.is_some() {
            return Err(Error::new_spanned(
                &item.generics,
                "a service trait is not generic: one service on the network has one set of types; \
                 write a trait for each",
            ));
        }
        check_supertraits(item)?;
        let mut methods = Vec::new();
        for item in &item.items {
            let TraitItem::Fn(method) = item else {
                return Err(Error::new_spanned(item, "a service trait has methods only"));
            };
            methods.push(Method::read(method, attribute.family)?);
        }
        check_names(&methods)?;
        let version = match &attribute.version {
            Some(version) => quote!(#version),
            None => quote!(::core::env!("CARGO_PKG_VERSION")),
        };
        Ok(Self {
            attributes: item.attrs.clone(),
            vis: item.vis.clone(),
            ident: item.ident.clone(),
            name: attribute.name.map_or_else(|| snake(&item.ident.unraw().to_string()), |name| name.value()),
            version,
            docs: docs(&item.attrs),
            family: attribute.family,
            proto_name: attribute.proto_name.map(|name| name.value()),
            descriptor_set: attribute.descriptor_set,
            methods,
            root: attribute.root,
        })
    }

    /// The module of everything that the expansion names.
    pub(super) fn private(&self) -> TokenStream {
        let root = &self.root;
        quote!(#root::__private)
    }

    pub(super) fn typed(&self) -> TokenStream {
        let private = self.private();
        quote!(#private::typed)
    }

    pub(super) fn core(&self) -> TokenStream {
        let private = self.private();
        quote!(#private::core)
    }

    pub(super) fn server(&self) -> Ident {
        format_ident!("{}Server", self.ident)
    }

    pub(super) fn client(&self) -> Ident {
        format_ident!("{}Client", self.ident)
    }

    pub(super) fn one_way(&self) -> Ident {
        format_ident!("{}OneWay", self.ident)
    }

    pub(super) fn path(&self, method: &Method) -> String {
        format!("{}/{}", self.name, method.name)
    }
}

impl Method {
    fn read(method: &TraitItemFn, family: Family) -> syn::Result<Self> {
        let sig = &method.sig;
        if let Some(cfg) = method.attrs.iter().find(|a| a.path().is_ident("cfg") || a.path().is_ident("cfg_attr")) {
            return Err(Error::new_spanned(cfg, "put `cfg` on the whole trait: callers see all methods or none"));
        }
        check_signature(sig)?;
        let options = MethodAttribute::read(&method.attrs)?;
        let (context, context_type) = context(sig)?;
        let arguments = sig.inputs.iter().skip(2).map(Argument::read).collect::<syn::Result<Vec<_>>>()?;
        let requests = Requests::read(arguments, family)?;
        let ReturnType::Type(_, output) = &sig.output else {
            return Err(Error::new_spanned(
                &sig.ident,
                "a service method returns a `Result`: the network can fail where the method cannot",
            ));
        };
        let read = Self {
            attributes: method.attrs.clone(),
            name: options.name.as_ref().map_or_else(|| sig.ident.unraw().to_string(), syn::LitStr::value),
            ident: sig.ident.clone(),
            docs: docs(&method.attrs),
            context,
            context_type,
            requests,
            reply: Reply::read(output)?,
            output: (**output).clone(),
            options,
            body: method.default.clone(),
        };
        read.check_options()?;
        Ok(read)
    }

    fn check_options(&self) -> syn::Result<()> {
        let options = &self.options;
        if let (Some(span), Some(_)) = (options.optional, &self.body) {
            return Err(Error::new(span, "a method with a body is optional already: the body is what runs then"));
        }
        if let (Some(span), Reply::Stream(_)) = (options.blocking.or(options.serial), &self.reply) {
            return Err(Error::new(
                span,
                "`blocking` and `serial` are for methods with one reply: a reply stream is made after its method ended",
            ));
        }
        Ok(())
    }

    /// `Unary`, `ClientStream`, `ServerStream` or `Bidi`.
    pub(super) fn kind(&self) -> Ident {
        match (&self.requests, &self.reply) {
            (Requests::Arguments(_), Reply::One(_)) => format_ident!("Unary"),
            (Requests::Stream { .. }, Reply::One(_)) => format_ident!("ClientStream"),
            (Requests::Arguments(_), Reply::Stream(_)) => format_ident!("ServerStream"),
            (Requests::Stream { .. }, Reply::Stream(_)) => format_ident!("Bidi"),
        }
    }

    /// The function of that kind.
    pub(super) fn function(&self) -> Ident {
        match self.kind().to_string().as_str() {
            "Unary" => format_ident!("unary"),
            "ClientStream" => format_ident!("client_stream"),
            "ServerStream" => format_ident!("server_stream"),
            _ => format_ident!("bidi"),
        }
    }

    pub(super) fn arguments(&self) -> &[Argument] {
        match &self.requests {
            Requests::Arguments(arguments) => arguments,
            Requests::Stream { argument, .. } => std::slice::from_ref(argument),
        }
    }

    /// Where the error's type stands, if it can be seen.
    pub(super) fn error_span(&self) -> Span {
        type_arguments(&self.output).nth(1).unwrap_or(&self.output).span()
    }

    /// The function that gives the request's carrier.
    pub(super) fn request_carrier(&self) -> Ident {
        format_ident!("__{}_request", self.ident.unraw())
    }

    /// The function that gives the reply's carrier.
    pub(super) fn reply_carrier(&self) -> Ident {
        format_ident!("__{}_reply", self.ident.unraw())
    }
}

impl Requests {
    fn read(mut arguments: Vec<Argument>, family: Family) -> syn::Result<Self> {
        let stream = arguments.iter().position(|argument| stream_item(&argument.ty).is_some());
        if let Some(at) = stream {
            if arguments.len() > 1 {
                return Err(Error::new_spanned(
                    &arguments[at].ty,
                    "a stream stands alone: send what else the method needs as its first item or as metadata",
                ));
            }
            let argument = arguments.remove(at);
            if argument.sensitive {
                return Err(Error::new_spanned(&argument.ty, "mark the fields of the stream's items as sensitive"));
            }
            let item = stream_item(&argument.ty).cloned().unwrap_or_else(|| argument.ty.clone());
            return Ok(Self::Stream { argument: Box::new(argument), item: Box::new(item) });
        }
        if family == Family::Proto && arguments.len() > 1 {
            return Err(Error::new_spanned(
                &arguments[1].ty,
                "a method of a `codec = \"proto\"` service takes one prost message",
            ));
        }
        if let Some(argument) = arguments.get(MAX_ARGUMENTS) {
            return Err(Error::new_spanned(
                &argument.ident,
                "a method takes at most 8 arguments: put them into a struct with `#[motet::message]`",
            ));
        }
        Ok(Self::Arguments(arguments))
    }
}

impl Reply {
    fn read(output: &Type) -> syn::Result<Self> {
        if is_no_result(output) {
            return Err(Error::new_spanned(
                output,
                "a service method returns a `Result`: the network can fail where the method cannot",
            ));
        }
        let Some(reply) = first_type_argument(output) else { return Ok(Self::One(None)) };
        match stream_item(reply) {
            Some(item) => Ok(Self::Stream(Box::new(item.clone()))),
            None => Ok(Self::One(Some(Box::new(reply.clone())))),
        }
    }
}

impl Argument {
    fn read(argument: &FnArg) -> syn::Result<Self> {
        let FnArg::Typed(argument) = argument else {
            return Err(Error::new_spanned(argument, "`self` comes first"));
        };
        let Pat::Ident(PatIdent { by_ref: None, subpat: None, mutability, ident, .. }) = &*argument.pat else {
            return Err(Error::new_spanned(&argument.pat, "an argument needs a name: it is a field of the request"));
        };
        match &*argument.ty {
            Type::Reference(_) => {
                return Err(Error::new_spanned(
                    &argument.ty,
                    "arguments travel and so are owned: `String` instead of `&str`, `Vec<T>` instead of `&[T]`",
                ));
            }
            Type::ImplTrait(_) | Type::Infer(_) => {
                return Err(Error::new_spanned(
                    &argument.ty,
                    "an argument's type is spelled out: callers must know it",
                ));
            }
            _ => {}
        }
        let mut sensitive = false;
        for attribute in argument.attrs.iter().filter(|attribute| attribute.path().is_ident("motet")) {
            attribute.parse_nested_meta(|meta| {
                sensitive |= meta.path.is_ident("sensitive");
                if sensitive { Ok(()) } else { Err(meta.error("an argument takes `#[motet(sensitive)]` only")) }
            })?;
        }
        Ok(Self { ident: ident.clone(), mutable: mutability.is_some(), ty: (*argument.ty).clone(), sensitive })
    }

    /// The name of the field.
    pub(super) fn name(&self) -> String {
        self.ident.unraw().to_string()
    }
}

/// Takes the attributes that only this macro knows away.
pub(super) fn strip(item: &mut ItemTrait) {
    for item in &mut item.items {
        if let TraitItem::Fn(method) = item {
            method.attrs.retain(|attribute| !attribute.path().is_ident("method"));
            for input in &mut method.sig.inputs {
                if let FnArg::Typed(argument) = input {
                    argument.attrs.retain(|attribute| !attribute.path().is_ident("motet"));
                }
            }
        }
    }
}

fn docs(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
            syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    });
    let lines: Vec<_> = lines.map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned()).collect();
    lines.join("\n").trim().to_owned()
}

fn snake(name: &str) -> String {
    let mut out = String::new();
    for (at, c) in name.chars().enumerate() {
        if c.is_ascii_uppercase() && at > 0 {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

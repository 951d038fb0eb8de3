//! `#[garde(…)]` on fields: which rules there are, how each is checked and how the schema says it.
//!
//! schemars reads most of the attributes by itself; those that it does not know become a pattern.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, LitStr, Meta, MetaNameValue, Token};

use super::root::Root;

/// The constraints of a field.
#[derive(Default)]
pub(super) struct Constraints {
    rules: Vec<Rule>,
    /// What is inside is not checked.
    pub(super) skip: bool,
    pattern: Option<String>,
}

enum Rule {
    Length {
        min: Option<Expr>,
        max: Option<Expr>,
    },
    Range {
        min: Option<Expr>,
        max: Option<Expr>,
    },
    Pattern(LitStr),
    /// A rule of garde's without arguments.
    Plain(&'static str),
    Ip {
        name: &'static str,
        kind: &'static str,
    },
    /// A rule of garde's with a text.
    Text {
        name: &'static str,
        text: LitStr,
    },
    Inner(Vec<Rule>),
}

impl Constraints {
    pub(super) fn read(attributes: &[Attribute]) -> syn::Result<Self> {
        let mut constraints = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("garde")) {
            for meta in attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)? {
                constraints.add(&meta)?;
            }
        }
        Ok(constraints)
    }

    /// The pattern that stands for a rule that schemars does not know.
    pub(super) fn schema_pattern(&self) -> Option<&str> {
        self.pattern.as_deref()
    }

    /// Statements that check `value`, a reference, and add to `__report`.
    pub(super) fn checks(&self, value: &TokenStream, root: &Root) -> Vec<TokenStream> {
        self.rules.iter().map(|rule| rule.check(value, root)).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    fn add(&mut self, meta: &Meta) -> syn::Result<()> {
        match name(meta).as_str() {
            "skip" => self.skip = true,
            // Messages inside are checked anyway.
            "dive" => {}
            _ => {
                let rule = Rule::read(meta)?;
                if let Some(pattern) = rule.as_pattern() {
                    self.set_pattern(pattern, meta.span())?;
                }
                self.rules.push(rule);
            }
        }
        Ok(())
    }

    fn set_pattern(&mut self, pattern: String, span: Span) -> syn::Result<()> {
        let taken = self.pattern.is_some()
            || self.rules.iter().any(|rule| matches!(rule, Rule::Pattern(_) | Rule::Text { name: "contains", .. }));
        if taken {
            return Err(syn::Error::new(
                span,
                "JSON Schema has one pattern for a field: say both in one `pattern(\"…\")`",
            ));
        }
        self.pattern = Some(pattern);
        Ok(())
    }
}

impl Rule {
    fn read(meta: &Meta) -> syn::Result<Self> {
        Ok(match name(meta).as_str() {
            "length" => {
                let (min, max) = bounds(meta)?;
                Self::Length { min, max }
            }
            "range" => {
                let (min, max) = bounds(meta)?;
                Self::Range { min, max }
            }
            "pattern" => Self::Pattern(text(meta)?),
            "email" => plain(meta, "email")?,
            "url" => plain(meta, "url")?,
            "ascii" => plain(meta, "ascii")?,
            "alphanumeric" => plain(meta, "alphanumeric")?,
            "required" => plain(meta, "required")?,
            "ip" => Self::Ip { name: "ip", kind: "Any" },
            "ipv4" => Self::Ip { name: "ipv4", kind: "V4" },
            "ipv6" => Self::Ip { name: "ipv6", kind: "V6" },
            "contains" => Self::Text { name: "contains", text: text(meta)? },
            "prefix" => Self::Text { name: "prefix", text: text(meta)? },
            "suffix" => Self::Text { name: "suffix", text: text(meta)? },
            "inner" => Self::Inner(inner(meta)?),
            other => return Err(unsupported(meta, other)),
        })
    }

    /// What JSON Schema says for a rule that schemars does not know.
    fn as_pattern(&self) -> Option<String> {
        match self {
            Self::Plain("ascii") => Some("^[\\x00-\\x7F]*$".into()),
            Self::Plain("alphanumeric") => Some("^[\\p{Alphabetic}\\p{N}]*$".into()),
            Self::Text { name: "prefix", text } => Some(format!("^{}", escaped(&text.value()))),
            Self::Text { name: "suffix", text } => Some(format!("{}$", escaped(&text.value()))),
            _ => None,
        }
    }

    fn check(&self, value: &TokenStream, root: &Root) -> TokenStream {
        let rules = quote!(#root::garde::rules);
        let (name, outcome) = match self {
            Self::Length { min, max } => {
                let (min, max) = (option(min), option(max));
                return quote!(__report.length(#value, #min, #max););
            }
            Self::Inner(inner) => {
                let checks = inner.iter().map(|rule| rule.check(&quote!(__item), root));
                return quote! {
                    #rules::inner::apply(#value, |__item, __key| __report.item(__key, |__report| { #(#checks)* }));
                };
            }
            Self::Range { min, max } => {
                let (min, max) = (option(min), option(max));
                ("range", quote!(#rules::range::apply(#value, (#min, #max))))
            }
            Self::Pattern(pattern) => ("pattern", pattern_check(pattern, value, &rules)),
            Self::Plain(name) => (*name, plain_check(name, value, &rules)),
            Self::Ip { name, kind } => {
                let kind = syn::Ident::new(kind, Span::call_site());
                (*name, quote!(#rules::ip::apply(#value, (#rules::ip::IpKind::#kind,))))
            }
            Self::Text { name, text } => {
                let module = syn::Ident::new(name, Span::call_site());
                (*name, quote!(#rules::#module::apply(#value, (#text,))))
            }
        };
        quote!(__report.rule(#name, #outcome);)
    }
}

fn pattern_check(pattern: &LitStr, value: &TokenStream, rules: &TokenStream) -> TokenStream {
    quote!({
        static __PATTERN: #rules::pattern::regex::StaticPattern = #rules::pattern::regex::init_pattern!(#pattern);
        #rules::pattern::apply(#value, (&__PATTERN,))
    })
}

fn plain_check(name: &str, value: &TokenStream, rules: &TokenStream) -> TokenStream {
    let module = syn::Ident::new(name, Span::call_site());
    quote!(#rules::#module::apply(#value, ()))
}

fn option(value: &Option<Expr>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}

fn plain(meta: &Meta, name: &'static str) -> syn::Result<Rule> {
    match meta {
        Meta::Path(_) => Ok(Rule::Plain(name)),
        _ => Err(syn::Error::new(meta.span(), format!("`{name}` takes no arguments"))),
    }
}

/// `min`, `max` or `equal`.
fn bounds(meta: &Meta) -> syn::Result<(Option<Expr>, Option<Expr>)> {
    let (mut min, mut max) = (None, None);
    let parser = Punctuated::<MetaNameValue, Token![,]>::parse_terminated;
    let only = || syn::Error::new(meta.span(), format!("`{}` takes `min`, `max` or `equal`", name(meta)));
    for bound in parser.parse2(meta.require_list()?.tokens.clone()).map_err(|_| only())? {
        match bound.path.get_ident().map(ToString::to_string).as_deref() {
            Some("min") => min = Some(bound.value),
            Some("max") => max = Some(bound.value),
            Some("equal") => (min, max) = (Some(bound.value.clone()), Some(bound.value)),
            _ => return Err(syn::Error::new(bound.span(), only().to_string())),
        }
    }
    if min.is_none() && max.is_none() {
        return Err(only());
    }
    Ok((min, max))
}

/// The text that a rule takes. An expression could not be put into the schema.
fn text(meta: &Meta) -> syn::Result<LitStr> {
    let wrong = || syn::Error::new(meta.span(), format!("`{}` takes text in quotes", name(meta)));
    meta.require_list().and_then(|list| list.parse_args()).map_err(|_| wrong())
}

fn inner(meta: &Meta) -> syn::Result<Vec<Rule>> {
    let parser = Punctuated::<Meta, Token![,]>::parse_terminated;
    let metas = meta.require_list()?.parse_args_with(parser)?;
    metas.iter().map(inner_rule).collect()
}

fn inner_rule(meta: &Meta) -> syn::Result<Rule> {
    let rule = Rule::read(meta)?;
    if rule.as_pattern().is_some() {
        let message = format!("`{}` inside `inner` cannot be put into the schema: use `pattern(\"…\")`", name(meta));
        return Err(syn::Error::new(meta.span(), message));
    }
    Ok(rule)
}

fn unsupported(meta: &Meta, rule: &str) -> syn::Error {
    let message = format!("`{rule}` cannot be checked and put into the schema: check it in the handler");
    syn::Error::new(meta.span(), message)
}

fn name(meta: &Meta) -> String {
    meta.path().get_ident().map(ToString::to_string).unwrap_or_default()
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        if "\\^$.|?*+()[]{}/-".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

//! `#[motet::service(…)]` itself.

use syn::parse::{Parse, ParseStream};
use syn::{Ident, LitStr, Path, Token, ext::IdentExt};

/// Which codec family a service's types belong to.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Family {
    #[default]
    Serde,
    Plain,
    Proto,
}

/// What `#[motet::service(…)]` says.
pub(super) struct ServiceAttribute {
    pub(super) name: Option<LitStr>,
    pub(super) version: Option<LitStr>,
    pub(super) family: Family,
    pub(super) root: Path,
}

impl Parse for ServiceAttribute {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut attribute =
            Self { name: None, version: None, family: Family::default(), root: syn::parse_quote!(::motet) };
        while !input.is_empty() {
            let key = input.call(Ident::parse_any)?;
            if !["name", "version", "codec", "crate"].contains(&key.to_string().as_str()) {
                return Err(syn::Error::new(
                    key.span(),
                    "expected `name = \"…\"`, `version = \"…\"`, `codec = \"…\"` or `crate = path`",
                ));
            }
            input.parse::<Token![=]>()?;
            match key.to_string().as_str() {
                "name" => attribute.name = Some(name(input.parse()?)?),
                "version" => attribute.version = Some(version(input.parse()?)?),
                "codec" => attribute.family = family(&input.parse()?)?,
                _ if input.peek(LitStr) => {
                    attribute.root = input.parse::<LitStr>()?.parse_with(Path::parse_mod_style)?;
                }
                _ => attribute.root = Path::parse_mod_style(input)?,
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(attribute)
    }
}

fn family(codec: &LitStr) -> syn::Result<Family> {
    match codec.value().as_str() {
        "protobuf" => Ok(Family::Serde),
        "msgpack" => Ok(Family::Plain),
        "proto" => Ok(Family::Proto),
        _ => Err(syn::Error::new(
            codec.span(),
            "codec is \"protobuf\" (the default, `#[motet::message]` types), \"msgpack\" (types with serde and \
             JsonSchema only) or \"proto\" (prost types)",
        )),
    }
}

/// The rule of `motet_core::check_service_name`.
fn name(name: LitStr) -> syn::Result<LitStr> {
    let text = name.value();
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    let starts = text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
    if starts && text.len() <= 128 && text.bytes().all(allowed) {
        return Ok(name);
    }
    let rule = "a service's name is 1 to 128 of letters, digits, `_`, `.` and `-`, and starts with a letter or digit";
    Err(syn::Error::new(name.span(), rule))
}

fn version(version: LitStr) -> syn::Result<LitStr> {
    let text = version.value();
    if !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(version);
    }
    Err(syn::Error::new(version.span(), "a version is text such as \"1.0.0\""))
}

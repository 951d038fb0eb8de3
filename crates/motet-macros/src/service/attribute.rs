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
    pub(super) proto_name: Option<LitStr>,
    pub(super) descriptor_set: Option<Path>,
    pub(super) root: Path,
}

impl Parse for ServiceAttribute {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut attribute = Self {
            name: None,
            version: None,
            family: Family::default(),
            proto_name: None,
            descriptor_set: None,
            root: syn::parse_quote!(::motet),
        };
        while !input.is_empty() {
            let key = input.call(Ident::parse_any)?;
            if !["name", "version", "codec", "proto_name", "descriptor_set", "crate"]
                .contains(&key.to_string().as_str())
            {
                return Err(syn::Error::new(
                    key.span(),
                    "expected `name = \"…\"`, `version = \"…\"`, `codec = \"…\"`, `proto_name = \"…\"`, \
                     `descriptor_set = PATH` or `crate = path`",
                ));
            }
            input.parse::<Token![=]>()?;
            match key.to_string().as_str() {
                "name" => attribute.name = Some(name(input.parse()?)?),
                "version" => attribute.version = Some(version(input.parse()?)?),
                "proto_name" => attribute.proto_name = Some(proto_name(input.parse()?)?),
                "descriptor_set" => attribute.descriptor_set = Some(Path::parse_mod_style(input)?),
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

/// A full name as protobuf allows it.
fn proto_name(name: LitStr) -> syn::Result<LitStr> {
    let part = |part: &str| {
        let letters = part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        letters && !part.is_empty() && !part.starts_with(|c: char| c.is_ascii_digit())
    };
    if name.value().split('.').all(part) {
        return Ok(name);
    }
    Err(syn::Error::new(name.span(), "a service's name in protobuf is identifiers with dots, such as \"acme.v1.Cart\""))
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

//! The declaration, read and checked; and its attributes, rewritten for the derives.

use quote::{ToTokens, format_ident};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Attribute, Data, DataEnum, DeriveInput, Expr, ExprLit, Fields, Generics, Ident, Lit, Member, Meta, Type,
    parse_quote,
};

use super::constraints::Constraints;
use super::motet_attributes::{self, Encoding, MotetAttributes};
use super::names::Rule;
use super::numbers::Numbers;
use super::refuse::{check_container, check_derives, check_generics, check_skip_if, refuse_cfg, refuse_reference};
use super::root::Root;
use super::serde_attributes::{ContainerAttributes, FieldAttributes, VariantAttributes};
use super::types::{argument_of, byte_shape, check_encoding};

/// A type that is to become a message.
pub(super) struct Item {
    pub(super) name: Ident,
    pub(super) generics: Generics,
    pub(super) doc: String,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    /// A message with these fields, an object in JSON if they have names.
    Struct(Vec<Field>, Form),
    /// What its one field is; other fields are left out.
    Newtype(Vec<Field>, Form),
    /// No variant has data.
    Enum(Vec<Variant>),
    /// A message holding a oneof.
    Oneof(Vec<Variant>),
}

/// How fields are written down.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Named,
    Tuple,
    Unit,
}

pub(super) struct Variant {
    pub(super) name: Ident,
    pub(super) json_name: String,
    pub(super) doc: String,
    pub(super) number: i64,
    pub(super) other: bool,
    pub(super) form: Form,
    pub(super) fields: Vec<Field>,
}

pub(super) struct Field {
    pub(super) member: Member,
    pub(super) json_name: String,
    pub(super) doc: String,
    /// The type whose shape the field has.
    pub(super) shape: Type,
    /// The shape is the declared type's own, whose values can check themselves.
    pub(super) own_shape: bool,
    pub(super) number: i64,
    pub(super) encoding: Option<Encoding>,
    pub(super) sensitive: bool,
    /// Left out of every codec.
    pub(super) skip: bool,
    pub(super) unwritten: bool,
    pub(super) constraints: Constraints,
}

impl Item {
    pub(super) fn read(declaration: &mut DeriveInput, root: &Root) -> syn::Result<Self> {
        check_generics(&declaration.generics)?;
        check_container(&declaration.attrs)?;
        let attributes = ContainerAttributes::read(&declaration.attrs)?;
        let kind = match &mut declaration.data {
            Data::Struct(data) => read_struct(&mut data.fields, &attributes, root)?,
            Data::Enum(data) => read_enum(data, &attributes, root)?,
            Data::Union(data) => {
                return Err(syn::Error::new(data.union_token.span, "`#[motet::message]` is for structs and enums"));
            }
        };
        let item = Self {
            name: declaration.ident.clone(),
            generics: declaration.generics.clone(),
            doc: doc(&declaration.attrs),
            kind,
        };
        check_derives(&declaration.attrs, item.has_sensitive())?;
        if let Kind::Newtype(fields, _) = &item.kind
            && fields.iter().any(|field| field.sensitive && !field.skip)
        {
            declaration.attrs.push(parse_quote!(#[schemars(extend("x-sensitive" = true, "writeOnly" = true))]));
        }
        Ok(item)
    }

    pub(super) fn has_sensitive(&self) -> bool {
        let has = |fields: &[Field]| fields.iter().any(|field| field.sensitive);
        match &self.kind {
            Kind::Struct(fields, _) | Kind::Newtype(fields, _) => has(fields),
            Kind::Enum(variants) | Kind::Oneof(variants) => variants.iter().any(|variant| has(&variant.fields)),
        }
    }

    /// Whether every value of it is an object in JSON, so that it is a body by itself.
    pub(super) fn is_object(&self) -> bool {
        match &self.kind {
            Kind::Struct(_, form) => *form == Form::Named,
            Kind::Newtype(..) | Kind::Enum(_) => false,
            // A variant with data is `{"Name": …}`, one without is text.
            Kind::Oneof(variants) => variants.iter().all(|variant| variant.form != Form::Unit),
        }
    }

    /// The generics with a bound on each type parameter.
    pub(super) fn bounded(&self, bound: impl Fn(&Ident) -> Vec<syn::WherePredicate>) -> Generics {
        let mut generics = self.generics.clone();
        let predicates: Vec<_> = self.generics.type_params().flat_map(|parameter| bound(&parameter.ident)).collect();
        if !predicates.is_empty() {
            generics.make_where_clause().predicates.extend(predicates);
        }
        generics
    }
}

/// Takes the attributes off that only the expansion understands.
pub(super) fn strip(declaration: &mut DeriveInput) {
    let foreign = |attributes: &mut Vec<Attribute>| {
        attributes.retain(|attribute| {
            !["motet", "garde", "serde", "schemars"].iter().any(|name| attribute.path().is_ident(name))
        });
    };
    foreign(&mut declaration.attrs);
    let fields: Vec<&mut Fields> = match &mut declaration.data {
        Data::Struct(data) => vec![&mut data.fields],
        Data::Enum(data) => {
            data.variants.iter_mut().for_each(|variant| foreign(&mut variant.attrs));
            data.variants.iter_mut().map(|variant| &mut variant.fields).collect()
        }
        Data::Union(_) => Vec::new(),
    };
    fields.into_iter().flatten().for_each(|field| foreign(&mut field.attrs));
}

fn read_struct(fields: &mut Fields, attributes: &ContainerAttributes, root: &Root) -> syn::Result<Kind> {
    let form = form(fields);
    let span = fields.span();
    let read = read_fields(fields, attributes.rename_all, root)?;
    let described = read.iter().filter(|field| !field.skip).count();
    let is_newtype = attributes.transparent || (form == Form::Tuple && read.len() == 1);
    if !is_newtype {
        return Ok(Kind::Struct(read, form));
    }
    if described != 1 {
        return Err(syn::Error::new(span, "a transparent message has exactly one field that is written"));
    }
    Ok(Kind::Newtype(read, form))
}

fn read_enum(data: &mut DataEnum, attributes: &ContainerAttributes, root: &Root) -> syn::Result<Kind> {
    if data.variants.is_empty() {
        return Err(syn::Error::new(data.enum_token.span, "an enum in protobuf has at least one variant"));
    }
    let has_data = data.variants.iter().any(|variant| !matches!(variant.fields, Fields::Unit));
    let mut next = i64::from(has_data);
    let last = data.variants.len() - 1;
    let mut numbers = Numbers::default();
    let mut variants = Vec::new();
    for (at, variant) in data.variants.iter_mut().enumerate() {
        refuse_cfg(&variant.attrs)?;
        let motet = MotetAttributes::read(&variant.attrs)?;
        let serde = VariantAttributes::read(&variant.attrs)?;
        if let Some(span) = motet.sensitive.or(motet.bytes).or(motet.encoding.map(|(_, span)| span)) {
            return Err(syn::Error::new(span, "this is for fields: put it on the variant's field"));
        }
        let discriminant = variant.discriminant.as_ref().map(|(_, value)| value);
        let discriminant = match discriminant {
            Some(value) if !has_data => Some((motet_attributes::integer(value)?, value.span())),
            _ => None,
        };
        let (number, span) = motet.tag.or(discriminant).unwrap_or((next, variant.ident.span()));
        next = number + 1;
        match has_data {
            true => numbers.field(number, span)?,
            false => numbers.variant(number, span)?,
        }
        if let Some(span) = motet.other {
            if at != last || !matches!(variant.fields, Fields::Unit) {
                return Err(syn::Error::new(
                    span,
                    "`#[motet(other)]` is for the last variant, which must have no data",
                ));
            }
            variant.attrs.push(parse_quote!(#[serde(other)]));
        }
        let rename_fields = serde.rename_all.or(attributes.rename_all_fields);
        let span = variant.fields.span();
        let fields = read_fields(&mut variant.fields, rename_fields, root)?;
        if let (Fields::Unnamed(_), [Field { skip: true, .. }]) = (&variant.fields, fields.as_slice()) {
            return Err(syn::Error::new(
                span,
                "a variant's only field cannot be left out: make it a variant without data",
            ));
        }
        let name = variant.ident.unraw().to_string();
        let form = form(&variant.fields);
        variants.push(Variant {
            name: variant.ident.clone(),
            json_name: serde
                .rename
                .unwrap_or_else(|| attributes.rename_all.map_or(name.clone(), |rule| rule.variant(&name))),
            doc: doc(&variant.attrs),
            number,
            other: motet.other.is_some(),
            form,
            fields,
        });
        clean(&mut variant.attrs);
    }
    if !has_data && !variants.iter().any(|variant| variant.number == 0) {
        let message = "one variant must have number 0: it is what an absent field reads as";
        return Err(syn::Error::new(data.enum_token.span, message));
    }
    Ok(if has_data { Kind::Oneof(variants) } else { Kind::Enum(variants) })
}

fn form(fields: &Fields) -> Form {
    match fields {
        Fields::Named(_) => Form::Named,
        Fields::Unnamed(_) => Form::Tuple,
        Fields::Unit => Form::Unit,
    }
}

fn read_fields(fields: &mut Fields, rename_all: Option<Rule>, root: &Root) -> syn::Result<Vec<Field>> {
    let mut next = 1;
    let mut numbers = Numbers::default();
    let mut read = Vec::new();
    let mut errors: Option<syn::Error> = None;
    for (at, field) in fields.iter_mut().enumerate() {
        match read_field(field, at, next, &mut numbers, rename_all, root) {
            Ok(field) => {
                next = if field.skip { next } else { field.number + 1 };
                read.push(field);
            }
            Err(error) => match &mut errors {
                Some(errors) => errors.combine(error),
                None => errors = Some(error),
            },
        }
    }
    errors.map_or(Ok(read), Err)
}

fn read_field(
    field: &mut syn::Field,
    at: usize,
    next: i64,
    numbers: &mut Numbers,
    rename_all: Option<Rule>,
    root: &Root,
) -> syn::Result<Field> {
    refuse_cfg(&field.attrs)?;
    refuse_reference(&field.ty)?;
    let motet = MotetAttributes::read(&field.attrs)?;
    let serde = FieldAttributes::read(&field.attrs)?;
    let constraints = Constraints::read(&field.attrs)?;
    if let Some(span) = motet.other {
        return Err(syn::Error::new(span, "`#[motet(other)]` is for an enum's last variant"));
    }
    check_skip_if(&serde, &field.ty)?;
    check_encoding(&field.ty, &motet)?;
    let name = field.ident.as_ref().map_or_else(|| format!("item{}", at + 1), |name| name.unraw().to_string());
    let (number, span) = motet.tag.unwrap_or((next, field.ident.as_ref().map_or(field.ty.span(), Ident::span)));
    if !serde.skip {
        numbers.field(number, span)?;
    }
    let bytes = byte_shape(&field.ty, &motet, &serde, root)?;
    rewrite(field, &motet, &serde, &constraints, bytes.is_some(), root);
    Ok(Field {
        member: field.ident.clone().map_or(Member::from(at), Member::Named),
        json_name: serde.rename.unwrap_or_else(|| rename_all.map_or(name.clone(), |rule| rule.field(&name))),
        doc: doc(&field.attrs),
        own_shape: motet.shape.is_none(),
        shape: motet.shape.or(bytes).unwrap_or_else(|| field.ty.clone()),
        number,
        encoding: motet.encoding.map(|(encoding, _)| encoding),
        sensitive: motet.sensitive.is_some(),
        skip: serde.skip,
        unwritten: serde.skip_serializing,
        constraints,
    })
}

/// Adds what the derives need to know and takes off what they do not.
fn rewrite(
    field: &mut syn::Field,
    motet: &MotetAttributes,
    serde: &FieldAttributes,
    constraints: &Constraints,
    bytes: bool,
    root: &Root,
) {
    clean(&mut field.attrs);
    if serde.skip {
        return;
    }
    if bytes && !serde.with {
        let is_array = matches!(argument_of(&field.ty, "Option").unwrap_or(&field.ty), Type::Array(_));
        let module = if is_array { "protobuf::byte_array" } else { "serde_bytes" };
        let with = format!("{}::{module}", root.text());
        field.attrs.push(parse_quote!(#[serde(with = #with)]));
        // With `with`, serde does not know that an option may be missing.
        if argument_of(&field.ty, "Option").is_some() && !serde.default {
            field.attrs.push(parse_quote!(#[serde(default)]));
        }
    }
    // schemars would take serde's module for a type.
    if (bytes || serde.with || motet.shape.is_some()) && !has_schema(&field.attrs) {
        let ty = motet.shape.as_ref().unwrap_or(&field.ty).to_token_stream().to_string();
        field.attrs.push(parse_quote!(#[schemars(with = #ty)]));
    }
    if motet.sensitive.is_some() {
        field.attrs.push(parse_quote!(#[schemars(extend("x-sensitive" = true, "writeOnly" = true))]));
    }
    if let Some(pattern) = constraints.schema_pattern() {
        field.attrs.push(parse_quote!(#[schemars(extend("pattern" = #pattern))]));
    }
}

/// Whether the user says where the field's schema comes from.
fn has_schema(attributes: &[Attribute]) -> bool {
    let schemars = attributes.iter().filter(|attribute| attribute.path().is_ident("schemars"));
    schemars.filter_map(|attribute| attribute.meta.require_list().ok()).any(|list| {
        list.tokens.clone().into_iter().any(|token| matches!(token.to_string().as_str(), "with" | "schema_with"))
    })
}

impl Field {
    /// Its name in a pattern.
    pub(super) fn binding(&self) -> Ident {
        match &self.member {
            Member::Named(name) => format_ident!("__{}", name.unraw()),
            Member::Unnamed(index) => format_ident!("__item{}", index.index),
        }
    }

    pub(super) fn name(&self) -> String {
        match &self.member {
            Member::Named(name) => name.unraw().to_string(),
            Member::Unnamed(index) => format!("item{}", index.index + 1),
        }
    }
}

fn clean(attributes: &mut Vec<Attribute>) {
    attributes.retain(|attribute| !attribute.path().is_ident("motet"));
}

fn doc(attributes: &[Attribute]) -> String {
    let lines: Vec<_> = attributes.iter().filter_map(doc_line).collect();
    lines.join("\n").trim().to_owned()
}

fn doc_line(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::NameValue(value) if value.path.is_ident("doc") => match &value.value {
            Expr::Lit(ExprLit { lit: Lit::Str(line), .. }) => {
                let line = line.value();
                Some(line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned())
            }
            _ => None,
        },
        _ => None,
    }
}

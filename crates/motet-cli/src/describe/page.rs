//! Descriptors as pages to read.

use motet::{
    Kind, MethodDescriptor, ServiceDescriptor,
    core::{BodyShape, Family},
};

use super::types::{Body, Field, Named, Types};
use crate::{
    output::{Output, Style, clean},
    run::{example, paste},
};

/// A signature longer than this has a line for every argument.
const LINE: usize = 100;

/// All services in short: their methods, one a line.
pub(super) fn short(services: &[ServiceDescriptor], output: &Output) -> String {
    let mut page = String::new();
    for service in services {
        if !page.is_empty() {
            page.push('\n');
        }
        head(&mut page, service, output);
        let mut types = Types::default();
        for method in &service.methods {
            page.push_str(&format!("  {}\n", signature(method, &mut types, output)));
        }
    }
    page
}

/// One service.
pub(super) fn service(service: &ServiceDescriptor, line: &(String, String), output: &Output) -> String {
    let mut page = String::new();
    head(&mut page, service, output);
    let mut types = Types::default();
    for method in &service.methods {
        page.push('\n');
        entry(&mut page, method, &mut types, output);
    }
    all_types(&mut page, &types, output);
    if let Some(method) = example::first(service) {
        try_it(&mut page, service, method, line, output);
    }
    page
}

/// One method.
pub(super) fn method(
    service: &ServiceDescriptor,
    method: &MethodDescriptor,
    line: &(String, String),
    output: &Output,
) -> String {
    let (mut page, mut types) = (String::new(), Types::default());
    let title = format!("{} {}", clean(&service.name), clean(&service.version));
    page.push_str(&format!("{}\n\n", output.paint(Style::Dim, title)));
    entry(&mut page, method, &mut types, output);
    all_types(&mut page, &types, output);
    try_it(&mut page, service, method, line, output);
    page
}

fn head(page: &mut String, service: &ServiceDescriptor, output: &Output) {
    page.push_str(&output.paint(Style::Bold, clean(&service.name)));
    page.push_str(&format!(" {}\n", clean(&service.version)));
    text(page, &service.docs, 2, output);
}

fn entry(page: &mut String, method: &MethodDescriptor, types: &mut Types, output: &Output) {
    page.push_str(&format!("  {}\n", signature(method, types, output)));
    text(page, &method.docs, 4, output);
    let rows = match method.request_shape {
        BodyShape::Arguments => types.arguments(&method.request),
        _ => Vec::new(),
    };
    // The types of the arguments are in the signature; here is what is asked of them.
    if rows.iter().any(|field| !field.rules.is_empty() || !field.docs.is_empty()) {
        fields(page, &rows, 4, output);
    }
    let options = options(method);
    if !options.is_empty() {
        page.push_str(&format!("    {}\n", output.paint(Style::Dim, options)));
    }
}

/// `hello(HelloRequest) -> HelloReply`.
fn signature(method: &MethodDescriptor, types: &mut Types, output: &Output) -> String {
    let stream = |streams: bool| if streams { "stream " } else { "" };
    let raw = method.family == Family::Raw;
    let request = match method.request_shape {
        _ if raw => vec!["bytes".to_owned()],
        BodyShape::Empty => Vec::new(),
        BodyShape::Arguments => {
            let fields = types.arguments(&method.request);
            // In the order of declaration, which a schema does not keep.
            let order = |name: &str| method.arguments.iter().position(|one| one.name == name).unwrap_or(usize::MAX);
            let mut fields: Vec<_> = fields.into_iter().map(|field| (order(&field.name), field)).collect();
            fields.sort_by_key(|(order, _)| *order);
            fields.into_iter().map(|(_, field)| format!("{}: {}", field.name, field.ty)).collect()
        }
        BodyShape::Value => vec![types.value(&method.request)],
        _ if method.request.is_null() => vec!["…".to_owned()],
        _ => vec![types.body(&method.request)],
    };
    let reply = match method.reply_shape {
        _ if raw => "bytes".to_owned(),
        BodyShape::Empty => "()".to_owned(),
        BodyShape::Value => types.value(&method.reply),
        _ if method.reply.is_null() => "…".to_owned(),
        _ => types.body(&method.reply),
    };
    let name = clean(&method.name).into_owned();
    let (into, out) = (stream(method.kind.client_streams()), stream(method.kind.server_streams()));
    let reply = clean(&reply).into_owned();
    let one = format!("({into}{}) -> {out}{reply}", request.join(", "));
    let one = match name.chars().count() + one.chars().count() > LINE {
        true => format!("({into}\n      {},\n  ) -> {out}{reply}", request.join(",\n      ")),
        false => one,
    };
    format!("{}{}", output.paint(Style::Name, name), clean(&one))
}

fn options(method: &MethodDescriptor) -> String {
    let options = &method.options;
    let mut words = Vec::new();
    for (is, word) in [
        (options.deprecated, "deprecated"),
        (options.safe, "safe"),
        (options.idempotent && !options.safe, "idempotent"),
        (options.blocking, "blocking"),
        (options.serial, "serial"),
    ] {
        if is {
            words.push(word.to_owned());
        }
    }
    words.extend(method.timeout().map(|time| format!("timeout {}", crate::duration::show(time))));
    words.extend(options.http.iter().map(|route| clean(&format!("{} {}", route.verb, route.path)).into_owned()));
    words.join(", ")
}

fn all_types(page: &mut String, types: &Types, output: &Output) {
    for Named { name, docs, body, .. } in types.all() {
        page.push('\n');
        let same = match body {
            Body::Same(ty) => format!(" = {}", clean(ty)),
            _ => String::new(),
        };
        page.push_str(&format!("  {}{same}", output.paint(Style::Bold, clean(name))));
        let mut lines = docs.lines().filter(|line| !line.is_empty());
        if let Some(first) = lines.next() {
            page.push_str(&format!("  {}", output.paint(Style::Dim, clean(first))));
        }
        page.push('\n');
        match body {
            Body::Fields(all) if all.is_empty() => page.push_str("    (no fields)\n"),
            Body::Fields(all) => fields(page, all, 4, output),
            Body::Choice(all) => {
                let rows = all.iter().map(|(ty, docs)| Field {
                    name: ty.clone(),
                    ty: String::new(),
                    rules: String::new(),
                    docs: docs.clone(),
                });
                fields(page, &rows.collect::<Vec<_>>(), 4, output);
            }
            Body::Same(_) => {}
        }
    }
}

/// Fields in columns: name, type, rules, documentation.
fn fields(page: &mut String, fields: &[Field], indent: usize, output: &Output) {
    let width = |of: fn(&Field) -> &str| {
        // One long entry must not push the columns out of sight.
        fields.iter().map(|field| clean(of(field)).chars().count()).filter(|width| *width <= 40).max().unwrap_or(0)
    };
    let columns = [width(|field| &field.name), width(|field| &field.ty), width(|field| &field.rules)];
    for Field { name, ty, rules, docs } in fields {
        let mut line = " ".repeat(indent);
        for ((text, style), width) in
            [(name, Style::Plain), (ty, Style::Name), (rules, Style::Warn)].into_iter().zip(columns)
        {
            if width > 0 {
                let text = clean(text).replace('\n', " ");
                let pad = width.saturating_sub(text.chars().count()) + 3;
                line.push_str(&output.paint(style, text));
                line.push_str(&" ".repeat(pad));
            }
        }
        let docs = docs.lines().next().unwrap_or_default();
        line.push_str(&output.paint(Style::Dim, clean(docs)));
        page.push_str(line.trim_end());
        page.push('\n');
    }
}

fn text(page: &mut String, docs: &str, indent: usize, output: &Output) {
    for line in clean(docs).trim().lines() {
        let line = line.trim_end();
        match line.is_empty() {
            true => page.push('\n'),
            false => page.push_str(&format!("{}{}\n", " ".repeat(indent), output.paint(Style::Dim, line))),
        }
    }
}

/// A line to paste that calls the method.
fn try_it(
    page: &mut String,
    service: &ServiceDescriptor,
    method: &MethodDescriptor,
    (program, flags): &(String, String),
    output: &Output,
) {
    let request = clean(&example::request(method).to_string()).into_owned();
    let (service, name) = (paste::quoted(&clean(&service.name)), paste::quoted(&clean(&method.name)));
    let json = if request == "{}" { String::new() } else { format!(" {}", paste::quoted(&request)) };
    let line = match method.kind {
        Kind::Unary => format!("{program} call {service} {name}{json}{flags}"),
        Kind::ServerStream => format!("{program} stream {service} {name}{json}{flags}"),
        Kind::ClientStream | Kind::Bidi => {
            format!("echo {} | {program} stream {service} {name}{flags}", paste::quoted(&request))
        }
    };
    page.push_str(&format!("\n{}\n  {line}\n", output.paint(Style::Dim, "Try it:")));
}

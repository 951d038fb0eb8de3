//! `google.api.http` options as routes.

use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, Value};

/// A verb and a path as `#[method(http = "…")]` takes them.
pub(crate) struct Route {
    pub(crate) verb: &'static str,
    pub(crate) path: String,
}

/// The routes of a method, and why others are left out.
pub(crate) fn routes(pool: &DescriptorPool, method: &MethodDescriptor) -> (Vec<Route>, Vec<String>) {
    let (mut routes, mut left_out) = (Vec::new(), Vec::new());
    let Some(extension) = pool.get_extension_by_name("google.api.http") else { return (routes, left_out) };
    let options = method.options();
    if !options.has_extension(&extension) {
        return (routes, left_out);
    }
    if let Value::Message(rule) = &*options.get_extension(&extension) {
        read(rule, &mut routes, &mut left_out);
        if let Some(Value::List(more)) = rule.get_field_by_name("additional_bindings").as_deref() {
            more.iter().filter_map(Value::as_message).for_each(|rule| read(rule, &mut routes, &mut left_out));
        }
    }
    (routes, left_out)
}

fn read(rule: &DynamicMessage, routes: &mut Vec<Route>, left_out: &mut Vec<String>) {
    let text = |name: &str| match rule.get_field_by_name(name).as_deref() {
        Some(Value::String(text)) => text.clone(),
        _ => String::new(),
    };
    let verbs = [("get", "GET"), ("put", "PUT"), ("post", "POST"), ("delete", "DELETE"), ("patch", "PATCH")];
    let Some((verb, path)) =
        verbs.into_iter().find_map(|(field, verb)| Some((verb, text(field))).filter(|(_, path)| !path.is_empty()))
    else {
        return left_out.push("a custom verb".to_owned());
    };
    let body = text("body");
    if !body.is_empty() && body != "*" {
        return left_out.push(format!("{verb} {path}, whose body is the field {body:?} alone"));
    }
    if !text("response_body").is_empty() {
        return left_out.push(format!("{verb} {path}, whose reply is one field alone"));
    }
    match simple(&path) {
        Some(path) => routes.push(Route { verb, path }),
        None => left_out.push(format!("{verb} {path}: a parameter is one whole segment of a path here")),
    }
}

/// The path with `{name=*}` as `{name}`, where all parameters are whole segments.
fn simple(path: &str) -> Option<String> {
    let mut segments = Vec::new();
    let mut rest = path.strip_prefix('/')?;
    // A template may have slashes inside of braces.
    while !rest.is_empty() {
        let end = match rest.starts_with('{') {
            true => rest.find('}')? + 1,
            false => rest.find('/').unwrap_or(rest.len()),
        };
        let (segment, behind) = rest.split_at(end);
        let segment = match segment.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')) {
            Some(inner) => {
                let (name, pattern) = inner.split_once('=').unwrap_or((inner, "*"));
                if pattern != "*" || name.is_empty() {
                    return None;
                }
                format!("{{{name}}}")
            }
            None if segment.contains(['{', '}', '*']) => return None,
            None => segment.to_owned(),
        };
        segments.push(segment);
        rest = match behind.strip_prefix('/') {
            Some(rest) => rest,
            None if behind.is_empty() => behind,
            None => return None,
        };
    }
    Some(format!("/{}", segments.join("/")))
}

#[cfg(test)]
mod tests {
    use super::simple;

    #[test]
    fn parameters_are_whole_segments() {
        for (path, expected) in [
            ("/v1/carts/{id}", Some("/v1/carts/{id}")),
            ("/v1/{id=*}/items:clear", Some("/v1/{id}/items:clear")),
            ("/v1/{name=shelves/*}", None),
            ("/v1/{id}:cancel", None),
            ("/v1/*", None),
            ("no/slash", None),
        ] {
            assert_eq!(simple(path).as_deref(), expected, "{path}");
        }
    }
}

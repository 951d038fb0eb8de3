//! Which method a verb and a path mean.

use http::Method;
use motet_core::{Dispatcher, HttpRoute, Map, Route};
use percent_encoding::percent_decode_str;

/// All ways in of what is served at one moment.
pub(super) struct Index {
    revision: u64,
    /// `/greeter/hello`, `/greeter/Hello`, `/Greeter/Hello`, `/greeter.Greeter/Hello`; a name that
    /// begins with a slash is a path itself.
    by_path: Map<String, Route>,
    /// Declared routes, for each verb.
    by_route: Vec<(Method, matchit::Router<Route>)>,
}

/// A method that was asked for.
pub(super) struct Found {
    pub(super) route: Route,
    /// The parameters in the path.
    pub(super) parameters: Vec<(String, String)>,
    /// Whether it was asked by a declared route.
    pub(super) declared: bool,
}

pub(super) enum Lookup {
    Found(Found),
    /// The path is there, for these verbs.
    OtherVerbs(Vec<Method>),
    Nothing,
}

impl Index {
    pub(super) fn new(dispatcher: &Dispatcher, revision: u64) -> Index {
        let mut index = Index { revision, by_path: Map::default(), by_route: Vec::new() };
        for route in dispatcher.routes() {
            let method = route.method().clone();
            for path in spellings(method.service(), &method.name, method.proto_path()) {
                // What is spelled the same by two services is the first's; verbatim paths are nobody else's.
                index.by_path.entry(path).or_insert_with(|| route.clone());
            }
            index.by_path.insert(format!("/{}", method.path), route.clone());
            for declared in &method.options.http {
                index.declare(declared, &route);
            }
        }
        index
    }

    fn declare(&mut self, declared: &HttpRoute, route: &Route) {
        let Ok(verb) = Method::from_bytes(declared.verb.as_bytes()) else { return };
        let at = self.by_route.iter().position(|(known, _)| *known == verb).unwrap_or_else(|| {
            self.by_route.push((verb, matchit::Router::new()));
            self.by_route.len() - 1
        });
        if let Err(error) = self.by_route[at].1.insert(&declared.path, route.clone()) {
            let (method, verb, path) = (&route.method().path, &declared.verb, &declared.path);
            tracing::warn!(method, verb, path, %error, "this route cannot be served beside another");
        }
    }

    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    pub(super) fn find(&self, verb: &Method, path: &str) -> Lookup {
        let wanted = if *verb == Method::HEAD { &Method::GET } else { verb };
        let mut others = Vec::new();
        for (verb, routes) in &self.by_route {
            let Ok(matched) = routes.at(path) else { continue };
            if verb != wanted {
                others.push(verb.clone());
                continue;
            }
            let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
            let parameters = matched.params.iter().map(|(name, text)| (name.to_owned(), decoded(text))).collect();
            return Lookup::Found(Found { route: matched.value.clone(), parameters, declared: true });
        }
        let by_path = match path.contains('%') {
            true => self.by_path.get(&*percent_decode_str(path).decode_utf8_lossy()),
            false => self.by_path.get(path),
        };
        if let Some(route) = by_path {
            let safe = route.method().options.safe;
            if *wanted == Method::POST || (*wanted == Method::GET && safe) {
                return Lookup::Found(Found { route: route.clone(), parameters: Vec::new(), declared: false });
            }
            others.push(Method::POST);
            others.extend(safe.then_some(Method::GET));
        }
        if others.is_empty() { Lookup::Nothing } else { Lookup::OtherVerbs(others) }
    }
}

/// The other spellings of `greeter/hello`.
fn spellings(service: &str, name: &str, proto: &str) -> Vec<String> {
    let (full, camel) = proto.split_once('/').unwrap_or((service, name));
    let ident = full.rsplit('.').next().unwrap_or_default();
    let mut all = vec![format!("/{service}/{camel}"), format!("/{ident}/{camel}"), format!("/{proto}")];
    if name.starts_with('/') {
        all.push(name.to_owned());
    }
    all
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use motet_core::{
        Body, BoxFuture, Call, Codecs, MethodDescriptor, MethodOptions, Reply, Result, ServiceDescriptor,
    };

    use super::*;

    fn dispatcher() -> Dispatcher {
        let mut greeter = ServiceDescriptor::new("greeter", "1.0.0").ident("Greeter");
        let mut options = MethodOptions::default();
        options.safe = true;
        for (verb, path) in [("GET", "/hello/{name}"), ("PUT", "/names/{name}")] {
            options.http.push(HttpRoute { verb: verb.to_owned(), path: path.to_owned() });
        }
        greeter.add(MethodDescriptor::new("greeter", "say_hi").options(options));
        greeter.add(MethodDescriptor::new("greeter", "change"));
        let mut verbatim = ServiceDescriptor::new("router", "1.0.0");
        verbatim.add(MethodDescriptor::new("router", "/say/it"));
        let dispatcher = Dispatcher::new(Codecs::default());
        let handler = |call: Call| -> BoxFuture<'static, Result<Reply>> {
            Box::pin(async move { Ok(Reply::new(Body::One(call.body.one()?))) })
        };
        for service in [greeter, verbatim] {
            let routes = service.methods.iter().map(|method| Route::new(method.clone(), Arc::new(handler))).collect();
            dispatcher.add(&Arc::new(service), routes).expect("free");
        }
        dispatcher
    }

    #[test]
    fn a_method_is_found_by_path_in_every_spelling_and_by_its_routes() {
        let index = Index::new(&dispatcher(), 1);
        let found = |verb: Method, path: &str| match index.find(&verb, path) {
            Lookup::Found(found) => format!("{} {:?}", found.route.method().path, found.parameters),
            Lookup::OtherVerbs(verbs) => format!("{verbs:?}"),
            Lookup::Nothing => "nothing".to_owned(),
        };
        for path in
            ["/greeter/say_hi", "/greeter/SayHi", "/Greeter/SayHi", "/greeter.Greeter/SayHi", "/greeter/say%5Fhi"]
        {
            assert_eq!(found(Method::POST, path), "greeter/say_hi []", "{path}");
            assert_eq!(found(Method::GET, path), "greeter/say_hi []", "it is safe");
        }
        assert_eq!(found(Method::POST, "/say/it"), "router//say/it []");
        assert_eq!(found(Method::GET, "/hello/a%20b"), "greeter/say_hi [(\"name\", \"a b\")]");
        assert_eq!(found(Method::HEAD, "/hello/x"), "greeter/say_hi [(\"name\", \"x\")]");
        assert_eq!(found(Method::POST, "/hello/x"), "[GET]");
        assert_eq!(found(Method::GET, "/greeter/change"), "[POST]");
        assert_eq!(found(Method::POST, "/greeter"), "nothing");
        assert_eq!(found(Method::POST, "/greeter/say_hi/"), "nothing");
    }
}

//! The way from a method's path to what runs it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;

use crate::{BoxFuture, Call, Codecs, Handler, Map, MethodDescriptor, Reply, Result, Status};

/// Finds what runs a method by its path. Every protocol of an App enters calls through one of
/// these; the handlers in it are the App's whole server pipeline, so that deadline, panics,
/// middleware, tracing and counting are the same whatever the protocol.
#[derive(Clone)]
pub struct Dispatcher {
    routes: Arc<ArcSwap<Map<String, Route>>>,
    codecs: Codecs,
}

impl Dispatcher {
    /// A dispatcher without routes.
    pub fn new(codecs: Codecs) -> Dispatcher {
        Dispatcher { routes: Arc::default(), codecs }
    }

    /// The codecs that calls may arrive in.
    pub fn codecs(&self) -> &Codecs {
        &self.codecs
    }

    /// Puts all these routes in place at once.
    ///
    /// # Errors
    /// AlreadyExists naming the path; then none is in place.
    pub fn add(&self, routes: Vec<Route>) -> Result<()> {
        let mut all = Map::clone(&self.routes.load());
        for route in routes {
            let path = route.method.path.clone();
            if all.insert(path.clone(), route).is_some() {
                return Err(Status::already_exists(format!("{path} is served already; each path has one handler")));
            }
        }
        self.routes.store(Arc::new(all));
        Ok(())
    }

    /// Takes away the routes of a service.
    pub fn remove(&self, service: &str) {
        let mut all = Map::clone(&self.routes.load());
        all.retain(|_, route| route.method.service() != service);
        self.routes.store(Arc::new(all));
    }

    /// The route of a path such as `greeter/hello`.
    ///
    /// # Errors
    /// Unimplemented, executed: no, saying whether the service or only the method is missing.
    pub fn resolve(&self, path: &str) -> Result<Route> {
        let routes = self.routes.load();
        routes.get(path).cloned().ok_or_else(|| {
            let service = path.split('/').next().unwrap_or_default();
            let shown: String = path.chars().filter(|c| !c.is_control()).take(256).collect();
            let known = routes.values().any(|route| route.method.service() == service);
            let what = if known { "this service has no such method" } else { "no such service here" };
            Status::unimplemented(format!("{shown}: {what}")).with_executed(crate::Executed::No)
        })
    }

    /// All routes, sorted by path.
    pub fn routes(&self) -> Vec<Route> {
        let mut all: Vec<_> = self.routes.load().values().cloned().collect();
        all.sort_by(|a, b| a.method.path.cmp(&b.method.path));
        all
    }
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.routes.load().keys()).finish()
    }
}

/// A method and what runs it.
#[derive(Clone)]
pub struct Route {
    method: Arc<MethodDescriptor>,
    handler: Arc<dyn Handler>,
    pace: Arc<Pace>,
}

impl Route {
    /// A method and what runs it.
    pub fn new(method: Arc<MethodDescriptor>, handler: Arc<dyn Handler>) -> Route {
        Route { method, handler, pace: Arc::default() }
    }

    /// The method.
    pub fn method(&self) -> &Arc<MethodDescriptor> {
        &self.method
    }

    /// How long its handler's first polls take.
    pub fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Runs a call. Dropping the future cancels it.
    pub fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply>> {
        self.handler.call(call)
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Route").field(&self.method.path).finish()
    }
}

/// Decides whether a method's first poll runs on the task that reads the connection or on a task of
/// its own.
///
/// A first poll longer than [`Pace::SLOW`] counts [`Pace::STEP`], a quicker one takes 1 away. At
/// [`Pace::SPAWN_AT`] the method is spawned: three slow polls close together do it, one in a hundred
/// never does. After [`Pace::RETRY`] spawned calls it is tried inline again.
#[derive(Debug, Default)]
pub struct Pace {
    score: AtomicU32,
    spawned: AtomicU32,
}

impl Pace {
    /// A first poll longer than this is slow.
    pub const SLOW: Duration = Duration::from_micros(500);
    /// What one slow poll adds to the score.
    pub const STEP: u32 = 16;
    /// The score at which the method is spawned.
    pub const SPAWN_AT: u32 = 40;
    /// How many calls are spawned before one is tried inline again.
    pub const RETRY: u32 = 64;

    /// Whether the next first poll should run inline.
    pub fn inline(&self) -> bool {
        if self.score.load(Ordering::Relaxed) < Self::SPAWN_AT {
            return true;
        }
        self.spawned.fetch_add(1, Ordering::Relaxed) % Self::RETRY == Self::RETRY - 1
    }

    /// Records how long an inline first poll took.
    pub fn record(&self, took: Duration) {
        let score = self.score.load(Ordering::Relaxed);
        if took > Self::SLOW {
            self.score.store((score + Self::STEP).min(Self::SPAWN_AT + Self::STEP), Ordering::Relaxed);
        } else if score > 0 {
            // A quick poll while spawned is the retry: give inline another chance.
            let less = if score >= Self::SPAWN_AT { Self::SPAWN_AT / 2 } else { score - 1 };
            self.score.store(less, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Body;

    fn route(path: (&str, &str)) -> Route {
        let handler = |call: Call| -> BoxFuture<'static, Result<Reply>> {
            Box::pin(async move { Ok(Reply::new(Body::One(call.body.one()?))) })
        };
        Route::new(Arc::new(MethodDescriptor::new(path.0, path.1)), Arc::new(handler))
    }

    #[test]
    fn an_unknown_path_says_what_is_missing() {
        let dispatcher = Dispatcher::new(Codecs::default());
        dispatcher.add(vec![route(("greeter", "hello"))]).expect("free");
        assert!(dispatcher.resolve("greeter/hello").is_ok());
        for (path, what) in
            [("greeter/bye", "no such method"), ("other/hello", "no such service"), ("", "no such service")]
        {
            let error = dispatcher.resolve(path).expect_err("unknown");
            assert!(error.message().contains(what), "{error}");
            assert_eq!(error.executed(), crate::Executed::No);
        }
    }

    #[test]
    fn a_path_has_one_handler() {
        let dispatcher = Dispatcher::new(Codecs::default());
        dispatcher.add(vec![route(("a", "b"))]).expect("free");
        assert!(dispatcher.add(vec![route(("a", "c")), route(("a", "b"))]).is_err());
        assert!(dispatcher.resolve("a/c").is_err(), "nothing of a refused set is in place");
        dispatcher.remove("a");
        assert!(dispatcher.add(vec![route(("a", "b"))]).is_ok());
    }

    #[test]
    fn repeated_slow_polls_are_spawned_and_one_is_not() {
        let pace = Pace::default();
        for _ in 0..1000 {
            pace.record(Pace::SLOW * 2);
            (0..99).for_each(|_| pace.record(Duration::ZERO));
            assert!(pace.inline());
        }
        (0..3).for_each(|_| pace.record(Pace::SLOW * 2));
        let inline = (0..Pace::RETRY).filter(|_| pace.inline()).count();
        assert_eq!(inline, 1, "tried again once in {} calls", Pace::RETRY);
        pace.record(Duration::ZERO);
        assert!(pace.inline());
    }
}

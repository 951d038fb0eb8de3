//! The way from a method's path to what runs it.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    task::Context,
    time::Duration,
};

use arc_swap::ArcSwap;

use tokio::time::Instant;

use crate::{
    BoxFuture, Call, Codecs, Deadline, Handler, Kind, Limit, Map, MethodDescriptor, Reply, Result, ServiceDescriptor,
    Started, Status,
};

/// Finds what runs a method by its name. Every protocol of an App enters calls through one of
/// these; the handlers in it are the App's whole server pipeline, so that deadline, panics,
/// middleware, tracing and counting are the same whatever the protocol.
#[derive(Clone)]
pub struct Dispatcher {
    table: Arc<ArcSwap<Table>>,
    codecs: Codecs,
}

/// Every method by its names.
#[derive(Clone, Default)]
struct Table {
    /// How often it was changed.
    revision: u64,
    services: Vec<Arc<ServiceDescriptor>>,
    /// `greeter/hello`
    by_path: Map<String, Route>,
    /// `greeter.Greeter/Hello`
    by_proto: Map<String, Route>,
    /// `Greeter.Hello`, which several services may have: packages of several versions, for example.
    by_dotted: Map<String, Vec<Route>>,
    /// `greeter.Hello`: the service's own name, where nothing else is spelled so.
    by_service: Map<String, Route>,
}

impl Table {
    /// Puts a route in place under all its names.
    fn add(&mut self, route: Route) -> Result<()> {
        let method = route.method().clone();
        if self.by_path.contains_key(&method.path) {
            return Err(taken(&method.path, "each path has one handler"));
        }
        if let Some(other) = self.by_proto.get(method.proto_path()) {
            let (path, other) = (&method.path, &other.method().path);
            let why = format!(
                "it is what protobuf calls both {other} and {path}; give one of the services a name of its own \
                 there with #[motet::service(proto_name = \"…\")]"
            );
            return Err(taken(method.proto_path(), &why));
        }
        self.by_proto.insert(method.proto_path().to_owned(), route.clone());
        self.by_dotted.entry(method.dotted()).or_default().push(route.clone());
        self.by_service.insert(crate::spelling::by_service(&method), route.clone());
        self.by_path.insert(method.path.clone(), route);
        Ok(())
    }

    /// Takes the routes of a service away under all their names.
    fn remove(&mut self, service: &str) {
        self.services.retain(|served| served.name != service);
        let stays = |route: &Route| route.method().service() != service;
        for index in [&mut self.by_path, &mut self.by_proto, &mut self.by_service] {
            index.retain(|_, route| stays(route));
        }
        self.by_dotted.retain(|_, routes| {
            routes.retain(stays);
            !routes.is_empty()
        });
    }
}

fn taken(name: &str, why: &str) -> Status {
    Status::already_exists(format!("{name} is served already: {why}"))
}

impl Dispatcher {
    /// A dispatcher without routes.
    pub fn new(codecs: Codecs) -> Dispatcher {
        Dispatcher { table: Arc::default(), codecs }
    }

    /// The codecs that calls may arrive in.
    pub fn codecs(&self) -> &Codecs {
        &self.codecs
    }

    /// Changes whenever a service is added or removed: for protocols that keep an index of their own.
    pub fn revision(&self) -> u64 {
        self.table.load().revision
    }

    /// Puts all routes of a service in place at once.
    ///
    /// # Errors
    /// AlreadyExists when a path or a protobuf name is taken; then none is in place.
    pub fn add(&self, service: &Arc<ServiceDescriptor>, routes: Vec<Route>) -> Result<()> {
        let mut table = Table::clone(&self.table.load());
        table.revision += 1;
        table.services.push(service.clone());
        routes.into_iter().try_for_each(|route| table.add(route))?;
        self.table.store(Arc::new(table));
        Ok(())
    }

    /// Takes away the routes of a service.
    pub fn remove(&self, service: &str) {
        let mut table = Table::clone(&self.table.load());
        table.revision += 1;
        table.remove(service);
        self.table.store(Arc::new(table));
    }

    /// What is served, in the order it was added.
    pub fn services(&self) -> Vec<Arc<ServiceDescriptor>> {
        self.table.load().services.clone()
    }

    /// The route of a path such as `greeter/hello`, if it is served here.
    pub fn find(&self, path: &str) -> Option<Route> {
        self.table.load().by_path.get(path).cloned()
    }

    /// The route of a protobuf name such as `greeter.Greeter/Hello`.
    pub fn find_proto(&self, path: &str) -> Option<Route> {
        self.table.load().by_proto.get(path).cloned()
    }

    /// The route of a name such as `Greeter.Hello`; `None` also where two services have that name, of
    /// which [`Dispatcher::ambiguous`] tells. With the service's own name, `greeter.Hello`, it is found as
    /// well: Go programs register under names of lower case too.
    pub fn find_dotted(&self, name: &str) -> Option<Route> {
        let table = self.table.load();
        match table.by_dotted.get(name).map(Vec::as_slice) {
            Some([one]) => Some(one.clone()),
            Some(_) => None,
            None => table.by_service.get(name).cloned(),
        }
    }

    /// What to answer to a name such as `Greeter.Hello` where several services have it: Unimplemented,
    /// executed: no, with the names that tell them apart. `None` where it is one service's or nobody's.
    pub fn ambiguous(&self, name: &str) -> Option<Status> {
        let table = self.table.load();
        let routes = table.by_dotted.get(name).filter(|routes| routes.len() > 1)?;
        let mut names: Vec<_> = routes.iter().map(|route| crate::spelling::by_service(route.method())).collect();
        names.sort();
        let text = format!("{name} is a method of several services here; call {}", names.join(" or "));
        Some(Status::unimplemented(text).with_executed(crate::Executed::No))
    }

    /// The route of a path such as `greeter/hello`.
    ///
    /// # Errors
    /// Unimplemented, executed: no, saying whether the service or only the method is missing.
    pub fn resolve(&self, path: &str) -> Result<Route> {
        let table = self.table.load();
        table.by_path.get(path).cloned().ok_or_else(|| {
            let service = path.split('/').next().unwrap_or_default();
            let shown: String = path.chars().filter(|c| !c.is_control()).take(256).collect();
            let known = table.by_path.values().any(|route| route.method().service() == service);
            let what = if known { "this service has no such method" } else { "no such service here" };
            Status::unimplemented(format!("{shown}: {what}")).with_executed(crate::Executed::No)
        })
    }

    /// All routes, sorted by path.
    pub fn routes(&self) -> Vec<Route> {
        let mut all: Vec<_> = self.table.load().by_path.values().cloned().collect();
        all.sort_by(|a, b| a.method().path.cmp(&b.method().path));
        all
    }
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.table.load().by_path.keys()).finish()
    }
}

/// A method and what runs it.
#[derive(Clone)]
pub struct Route(Arc<Parts>);

/// In one place, because a route is cloned for every call.
#[derive(Clone)]
struct Parts {
    method: Arc<MethodDescriptor>,
    handler: Arc<dyn Handler>,
    pace: Arc<Pace>,
    timeouts: Timeouts,
}

/// How long unary calls may take; streams have no deadline unless their caller gives one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For calls whose caller sent no deadline and whose method has no timeout of its own: 10 s.
    pub default: Duration,
    /// The most that a caller may ask for: 10 min.
    pub max: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts { default: Duration::from_secs(10), max: Duration::from_secs(600) }
    }
}

impl Timeouts {
    /// When a call must be over that came at `now` and whose caller left it this much time.
    pub fn deadline(&self, method: &MethodDescriptor, callers: Option<Duration>, now: Instant) -> Option<Deadline> {
        let (timeout, limit) = match (callers, method.timeout()) {
            (Some(callers), _) if method.kind != Kind::Unary => (callers, Limit::Caller),
            (Some(callers), own) => {
                let most = own.map_or(self.max, |own| own.max(self.max));
                if callers <= most { (callers, Limit::Caller) } else { (most, Limit::Server) }
            }
            (None, _) if method.kind != Kind::Unary => return None,
            (None, Some(own)) => (own, Limit::Method),
            (None, None) => (self.default, Limit::Server),
        };
        Some(Deadline::starting(now, timeout, limit))
    }
}

impl Route {
    /// A method and what runs it.
    pub fn new(method: Arc<MethodDescriptor>, handler: Arc<dyn Handler>) -> Route {
        Route(Arc::new(Parts { method, handler, pace: Arc::default(), timeouts: Timeouts::default() }))
    }

    /// The same route with other timeouts.
    #[must_use]
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Route {
        Arc::make_mut(&mut self.0).timeouts = timeouts;
        self
    }

    /// When a call must be over that comes now and whose caller left it this much time, if it said:
    /// protocols give it to [`Context::incoming`](crate::Context::incoming).
    pub fn deadline(&self, callers: Option<Duration>) -> Option<Deadline> {
        self.deadline_at(Instant::now(), callers)
    }

    /// As [`Route::deadline`], for protocols that read the clock once for many calls.
    pub fn deadline_at(&self, now: Instant, callers: Option<Duration>) -> Option<Deadline> {
        self.0.timeouts.deadline(&self.0.method, callers, now)
    }

    /// The method.
    pub fn method(&self) -> &Arc<MethodDescriptor> {
        &self.0.method
    }

    /// How long its handler's first polls take.
    pub fn pace(&self) -> &Arc<Pace> {
        &self.0.pace
    }

    /// Runs a call. Dropping the future cancels it.
    pub fn call(&self, call: Call) -> BoxFuture<'static, Result<Reply>> {
        self.0.handler.call(call)
    }

    /// Runs a call up to where it first waits; see [`Handler::start`].
    pub fn start(&self, call: Call, task: &mut Context<'_>) -> Started {
        self.0.handler.start(call, task)
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Route").field(&self.0.method.path).finish()
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
    sampled: AtomicU32,
    slow: AtomicU64,
    told: Told,
}

/// Who is told of slow polls.
#[derive(Default)]
struct Told(OnceLock<Box<dyn Fn(Duration) + Send + Sync>>);

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Told")
    }
}

impl Pace {
    /// A first poll longer than this is slow.
    pub const SLOW: Duration = Duration::from_micros(500);
    /// What one slow poll adds to the score.
    pub const STEP: u32 = 16;
    /// The score at which the method is spawned.
    pub const SPAWN_AT: u32 = 40;
    /// One in this many first polls is timed while all were quick.
    pub const SAMPLE: u32 = 8;
    /// How many calls are spawned before one is tried inline again.
    pub const RETRY: u32 = 64;

    /// Whether the next first poll should run inline.
    pub fn inline(&self) -> bool {
        if !self.is_slow() {
            return true;
        }
        self.spawned.fetch_add(1, Ordering::Relaxed) % Self::RETRY == Self::RETRY - 1
    }

    /// Whether the next inline first poll should be timed: each while there were slow ones lately,
    /// else one in [`Pace::SAMPLE`], because reading the clock is a noticeable part of a short call.
    pub fn samples(&self) -> bool {
        self.score.load(Ordering::Relaxed) > 0
            || self.sampled.fetch_add(1, Ordering::Relaxed).is_multiple_of(Self::SAMPLE)
    }

    /// How many recorded polls were slow.
    pub fn slow_polls(&self) -> u64 {
        self.slow.load(Ordering::Relaxed)
    }

    /// Whether slow polls have come close together.
    pub fn is_slow(&self) -> bool {
        self.score.load(Ordering::Relaxed) >= Self::SPAWN_AT
    }

    /// Has `f` called with the time that a slow poll took, while [`Pace::is_slow`]. The first to ask is
    /// told.
    pub fn when_slow(&self, f: impl Fn(Duration) + Send + Sync + 'static) {
        let _ = self.told.0.set(Box::new(f));
    }

    /// Records how long an inline first poll took.
    pub fn record(&self, took: Duration) {
        let score = self.score.load(Ordering::Relaxed);
        if took > Self::SLOW {
            self.slow.fetch_add(1, Ordering::Relaxed);
            self.score.store((score + Self::STEP).min(Self::SPAWN_AT + Self::STEP), Ordering::Relaxed);
            if score + Self::STEP >= Self::SPAWN_AT
                && let Some(tell) = self.told.0.get()
            {
                tell(took);
            }
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

    /// The routes of a service whose trait is `Greeter`.
    fn add(dispatcher: &Dispatcher, service: &str, methods: &[&str]) -> Result<()> {
        let mut service = ServiceDescriptor::new(service, "1.0.0").ident("Greeter");
        methods.iter().for_each(|name| service.add(MethodDescriptor::new(&service.name.clone(), *name)));
        let handler = |call: Call| -> BoxFuture<'static, Result<Reply>> {
            Box::pin(async move { Ok(Reply::new(Body::One(call.body.one()?))) })
        };
        let routes = service.methods.iter().map(|method| Route::new(method.clone(), Arc::new(handler))).collect();
        dispatcher.add(&Arc::new(service), routes)
    }

    #[test]
    fn an_unknown_path_says_what_is_missing() {
        let dispatcher = Dispatcher::new(Codecs::default());
        add(&dispatcher, "greeter", &["hello"]).expect("free");
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
        add(&dispatcher, "a", &["b"]).expect("free");
        assert!(add(&dispatcher, "a", &["c", "b"]).is_err());
        assert!(dispatcher.resolve("a/c").is_err(), "nothing of a refused set is in place");
        assert_eq!((dispatcher.services().len(), dispatcher.revision()), (1, 1));
        dispatcher.remove("a");
        assert!(dispatcher.services().is_empty() && dispatcher.find_dotted("Greeter.B").is_none());
        assert!(add(&dispatcher, "a", &["b"]).is_ok());
    }

    #[test]
    fn a_method_is_found_by_each_spelling() {
        let dispatcher = Dispatcher::new(Codecs::default());
        add(&dispatcher, "north", &["say_hi"]).expect("free");
        let path = |route: Option<Route>| route.map(|route| route.method().path.clone());
        assert_eq!(path(dispatcher.find_proto("north.Greeter/SayHi")), Some("north/say_hi".to_owned()));
        assert_eq!(path(dispatcher.find_dotted("Greeter.SayHi")), Some("north/say_hi".to_owned()));
        assert_eq!(path(dispatcher.find_dotted("north.SayHi")), Some("north/say_hi".to_owned()));
    }

    #[test]
    fn of_a_name_that_several_services_have_the_caller_is_told_the_ways_out() {
        let dispatcher = Dispatcher::new(Codecs::default());
        add(&dispatcher, "north", &["say_hi"]).expect("free");
        assert!(dispatcher.ambiguous("Greeter.SayHi").is_none() && dispatcher.ambiguous("Greeter.Bye").is_none());
        add(&dispatcher, "south", &["say_hi"]).expect("in protobuf it has a name of its own");
        assert!(dispatcher.find_dotted("Greeter.SayHi").is_none(), "which one is meant?");
        let told = dispatcher.ambiguous("Greeter.SayHi").expect("two");
        assert_eq!(
            told.message(),
            "Greeter.SayHi is a method of several services here; call north.SayHi or south.SayHi"
        );
        let path = |name| dispatcher.find_dotted(name).map(|route| route.method().path.clone());
        assert_eq!(path("south.SayHi"), Some("south/say_hi".to_owned()));
        dispatcher.remove("north");
        assert_eq!(path("Greeter.SayHi"), Some("south/say_hi".to_owned()));
        assert!(dispatcher.ambiguous("Greeter.SayHi").is_none());
    }

    #[test]
    fn a_protobuf_name_has_one_handler_and_the_error_names_both_services_and_the_way_out() {
        let dispatcher = Dispatcher::new(Codecs::default());
        add(&dispatcher, "north-east", &["say_hi"]).expect("free");
        let error = add(&dispatcher, "north_east", &["wave", "say_hi"]).expect_err("north_east.Greeter/SayHi twice");
        for part in ["north_east.Greeter/SayHi", "north-east/say_hi", "north_east/say_hi", "proto_name"] {
            assert!(error.message().contains(part), "{error}");
        }
        assert!(dispatcher.find("north_east/wave").is_none(), "nothing of a refused set is in place");
        dispatcher.remove("north-east");
        add(&dispatcher, "north_east", &["say_hi"]).expect("free again");
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

    #[test]
    fn slow_polls_close_together_are_told() {
        let (pace, told) = (Pace::default(), Arc::new(AtomicU32::new(0)));
        let count = told.clone();
        pace.when_slow(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        for _ in 0..100 {
            pace.record(Pace::SLOW * 2);
            (0..99).for_each(|_| pace.record(Duration::ZERO));
        }
        assert_eq!(told.load(Ordering::Relaxed), 0, "one in a hundred is nothing to tell");
        (0..4).for_each(|_| pace.record(Pace::SLOW * 2));
        assert_eq!(told.load(Ordering::Relaxed), 2, "the third and the fourth in a row");
    }

    #[test]
    fn callers_are_capped_and_silence_means_the_default() {
        let now = Instant::now();
        let seconds = Duration::from_secs;
        let timeouts = Timeouts { default: seconds(10), max: seconds(600) };
        let check = |method: &MethodDescriptor, callers: Option<u64>| {
            let deadline = timeouts.deadline(method, callers.map(seconds), now)?;
            assert_eq!(deadline.at, now + deadline.timeout);
            Some((deadline.timeout.as_secs(), deadline.limit))
        };
        let unary = MethodDescriptor::new("a", "b");
        assert_eq!(check(&unary, None), Some((10, Limit::Server)));
        assert_eq!(check(&unary, Some(5)), Some((5, Limit::Caller)));
        assert_eq!(check(&unary, Some(601)), Some((600, Limit::Server)));
        let options = crate::MethodOptions { timeout_ms: Some(900_000), ..Default::default() };
        let own = unary.options(options);
        assert_eq!(check(&own, None), Some((900, Limit::Method)));
        assert_eq!(check(&own, Some(5)), Some((5, Limit::Caller)));
        assert_eq!(check(&own, Some(901)), Some((900, Limit::Server)));
        let stream = MethodDescriptor::new("a", "c").kind(Kind::ServerStream);
        assert_eq!(check(&stream, None), None);
        assert_eq!(check(&stream, Some(3600)), Some((3600, Limit::Caller)));
    }
}

//! Run with: cargo run --release -p motet-rpc --example pipeline_cost
//!
//! What does the server's pipeline add to a handler that completes at its first poll? The baseline
//! is the same boxed handler called without a pipeline, Context and call being made for both.

use std::{
    hint::black_box,
    sync::Arc,
    task::{Context as Task, Poll, Waker},
    time::Duration,
};

use motet_core::{
    BoxFuture, Call, CallOptions, Codec, Context, Handler, Metadata, MethodDescriptor, Middleware, Next, Payload,
    Reply, Result, Route, Service, ServiceDescriptor,
};
use motet_rpc::{
    Stats,
    server::{PipelineSettings, routes},
};
use tokio::time::Instant;

const CALLS: u32 = 1_000_000;
const ROUNDS: usize = 7;

fn main() {
    let counted = PipelineSettings::default();
    let uncounted = PipelineSettings::default().stats(Stats::disabled());
    let passing: Vec<Arc<dyn Middleware>> = vec![Arc::new(|call: Call, next: Next| next.run(call))];
    let wrapped = PipelineSettings::default().middleware(passing);
    let subjects = [
        ("raw handler", raw()),
        ("pipeline, not counted", only(routes(&service(), &uncounted))),
        ("pipeline, counted", only(routes(&service(), &counted))),
        ("pipeline, counted, one middleware", only(routes(&service(), &wrapped))),
    ];
    let mut best = [Duration::MAX; 4];
    for _ in 0..ROUNDS {
        for (best, (_, route)) in best.iter_mut().zip(&subjects) {
            *best = measure(route).min(*best);
        }
    }
    let raw = best[0];
    println!("{:<36}{:>8}{:>10}", "", "ns/call", "added");
    for ((name, _), took) in subjects.iter().zip(best) {
        let nanos = |time: Duration| time.as_nanos() as f64 / f64::from(CALLS);
        println!("{name:<36}{:>8.1}{:>10.1}", nanos(took), nanos(took.saturating_sub(raw)));
    }
}

fn service() -> Service {
    let mut descriptor = ServiceDescriptor::new("echo", "1.0.0");
    descriptor.methods.push(Arc::new(MethodDescriptor::new("echo", "say")));
    Service::new(descriptor, vec![Arc::new(echo)]).expect("a valid service")
}

fn echo(call: Call) -> BoxFuture<'static, Result<Reply>> {
    Box::pin(async move { Ok(Reply::new(call.body)) })
}

fn raw() -> Route {
    let handler: Arc<dyn Handler> = Arc::new(echo);
    Route::new(Arc::new(MethodDescriptor::new("echo", "say")), handler)
}

fn only(routes: Vec<Route>) -> Route {
    routes.into_iter().next().expect("one method")
}

fn measure(route: &Route) -> Duration {
    let options = Arc::new(CallOptions::default());
    let body = Payload::encoded("hello", Codec::RAW);
    // A protocol reads the clock once for all calls of one read.
    let now = Instant::now();
    let deadline = route.deadline_at(now, Some(Duration::from_secs(5)));
    let mut task = Task::from_waker(Waker::noop());
    let start = Instant::now();
    for _ in 0..CALLS {
        let cx = Context::incoming(deadline, Metadata::new(), None, None);
        let body = motet_core::Body::One(body.clone());
        let mut call = Call::new(route.method().clone(), cx, body, Codec::RAW, options.clone());
        call.started = Some(now);
        match route.call(call).as_mut().poll(&mut task) {
            Poll::Ready(Ok(reply)) => drop(black_box(reply)),
            Poll::Ready(Err(status)) => panic!("{status}"),
            Poll::Pending => panic!("the handler waits for nothing"),
        }
    }
    start.elapsed()
}

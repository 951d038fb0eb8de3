//! Spans and counters on both sides of a call.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use motet::{Code, Context};
use tracing::{
    Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, layer::SubscriberExt, registry::LookupSpan};

use crate::chain::{Chain, Hop};

/// The spans of calls that have ended, by what they recorded.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<Fields>>>);

#[derive(Clone, Debug, Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, cx: tracing_subscriber::layer::Context<'_, S>) {
        let Some(span) = cx.span(id).filter(|span| span.name().starts_with("motet.")) else { return };
        let mut fields = Fields::default();
        fields.0.insert("name", span.name().to_owned());
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, cx: tracing_subscriber::layer::Context<'_, S>) {
        if let Some(span) = cx.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_close(&self, id: Id, cx: tracing_subscriber::layer::Context<'_, S>) {
        if let Some(fields) = cx.span(&id).and_then(|span| span.extensions_mut().remove::<Fields>()) {
            self.0.lock().expect("no panic").push(fields);
        }
    }
}

impl Spans {
    /// What the one span of this name and service has recorded under a key.
    fn of(&self, name: &str, service: &str) -> Fields {
        let spans = self.0.lock().expect("no panic");
        let mut found = spans.iter().filter(|span| span.0["name"] == name && span.0["service"] == service);
        let one = found.next().unwrap_or_else(|| panic!("no {name} of {service} in {spans:?}")).clone();
        assert!(found.next().is_none(), "one span per call and side: {spans:?}");
        one
    }
}

/// A chain that has been called: a place in the code that makes spans for the first time, while other
/// tests run, may miss a subscriber that is being set.
async fn warm(transport: &str) -> Chain {
    let chain = Chain::start(transport).await;
    chain.client.answer(&Context::new(), "fine".into()).await.expect("fine");
    chain
}

#[tokio::test]
async fn each_call_has_a_span_on_each_side_and_all_are_one_trace() {
    let chain = warm("tcp").await;
    let spans = Spans::default();
    let _listening = tracing::subscriber::set_default(tracing_subscriber::registry().with(spans.clone()));
    chain.client.answer(&Context::new(), "wrong".into()).await.expect_err("wrong");
    let all = [
        spans.of("motet.client", "b"),
        spans.of("motet.server", "b"),
        spans.of("motet.client", "c"),
        spans.of("motet.server", "c"),
    ];
    for span in &all {
        assert_eq!((&*span.0["method"], &*span.0["code"]), ("answer", "NOT_FOUND"), "{span:?}");
        assert_eq!(span.0["trace_id"], all[0].0["trace_id"], "{span:?}");
        assert_eq!(span.0["trace_id"].len(), 32);
    }
    assert!(all[0].0["node"].starts_with("b-") && all[0].0["attempt"] == "1", "{:?}", all[0]);
    assert!(all[1].0["peer"].starts_with("127.0.0.1:"), "{:?}", all[1]);

    // A trace that the caller brings goes on.
    spans.0.lock().expect("no panic").clear();
    let trace = motet::core::TraceParent { trace_id: 0xabc, span_id: 1, flags: 1 };
    chain.client.answer(&Context::new().with_trace(trace), "fine".into()).await.expect("fine");
    for (name, service) in [("motet.client", "b"), ("motet.server", "b"), ("motet.client", "c"), ("motet.server", "c")]
    {
        let span = spans.of(name, service);
        assert_eq!((&*span.0["code"], &*span.0["trace_id"]), ("OK", format!("{:032x}", 0xabc).as_str()));
    }
    chain.stop().await;
}

#[tokio::test]
async fn a_call_inside_an_app_has_both_spans_too() {
    let chain = warm("memory").await;
    let spans = Spans::default();
    let _listening = tracing::subscriber::set_default(tracing_subscriber::registry().with(spans.clone()));
    let inside = crate::chain::HopClient::named(chain.app_c.client(), "c");
    inside.answer(&Context::new(), "fine".into()).await.expect("fine");
    let (client, server) = (spans.of("motet.client", "c"), spans.of("motet.server", "c"));
    assert_eq!(client.0["trace_id"], server.0["trace_id"]);
    assert_eq!(server.0["peer"], "this process");
    chain.stop().await;
}

#[tokio::test]
async fn both_sides_count_calls_errors_and_time_by_method() {
    let chain = Chain::start("tcp").await;
    for how in ["fine", "wrong", "fine"] {
        let _ = chain.client.answer(&Context::new(), how.into()).await;
    }
    let mut ticks = chain.client.ticks(&Context::new()).await.expect("a stream");
    ticks.next().await.expect("an item").expect("a tick");
    let (a, b) = (chain.a.stats(), chain.app_b.stats());
    let of = |side: &[motet::MethodSnapshot], path: &str| {
        side.iter().find(|method| method.path == path).cloned().unwrap_or_else(|| panic!("no {path}"))
    };
    for side in [of(&a.client, "b/answer"), of(&b.server, "b/answer"), of(&b.client, "c/answer")] {
        assert_eq!((side.count, side.error_count(), side.in_flight), (3, 1, 0), "{side:?}");
        assert_eq!(side.errors.get(Code::NotFound.name()), Some(&1));
        assert!(side.p50_us > 0.0 && side.p50_us <= side.p99_us && side.max_us > 0.0, "{side:?}");
    }
    for side in [of(&a.client, "b/ticks"), of(&b.server, "b/ticks"), of(&b.client, "c/ticks")] {
        assert_eq!((side.count, side.in_flight), (0, 1), "a stream counts until its end: {side:?}");
    }
    drop(ticks);
    chain.c.over().await;
    chain.b.over().await;
    let ended = of(&chain.a.stats().client, "b/ticks");
    assert_eq!((ended.count, ended.errors.get("CANCELLED")), (1, Some(&1)));
    chain.stop().await;
}

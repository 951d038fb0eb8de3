//! What a call tells the calls it makes, and what it does not.

use motet::{Context, core::TraceParent};

use crate::chain::{Chain, Hop};

#[tokio::test]
async fn trace_baggage_and_request_id_go_along_and_credentials_and_the_rest_do_not() {
    let chain = Chain::start("tcp").await;
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let mut cx = Context::new();
    for (key, value) in [
        ("traceparent", traceparent),
        ("tracestate", "vendor=1"),
        ("baggage", "user=7"),
        ("x-request-id", "r-1"),
        ("authorization", "Bearer secret"),
        ("cookie", "id=secret"),
        ("color", "blue"),
    ] {
        cx = cx.with_metadata(key, value).expect("valid");
    }
    let at_c = chain.client.seen(&cx).await.expect("answers");
    let at_b = chain.b.metadata.lock().expect("no panic").last().cloned().expect("called");
    assert_eq!(at_b.len(), 7, "the first hop gets what was given: {at_b:?}");
    assert_eq!(at_b["authorization"], "Bearer secret");
    let keys: Vec<_> = at_c.keys().map(String::as_str).collect();
    assert_eq!(keys, ["baggage", "traceparent", "tracestate", "x-request-id"]);
    assert_eq!((&*at_c["tracestate"], &*at_c["baggage"], &*at_c["x-request-id"]), ("vendor=1", "user=7", "r-1"));
    let (first, last) = (TraceParent::parse(traceparent), TraceParent::parse(&at_c["traceparent"]));
    let (first, last) = (first.expect("valid"), last.expect("valid"));
    assert_eq!((first.trace_id, first.flags), (last.trace_id, last.flags));
    assert_ne!(first.span_id, last.span_id, "each call is a span of its own");
    chain.stop().await;
}

#[tokio::test]
async fn captured_metadata_is_that_of_the_call_and_not_of_the_calls_behind_it() {
    let chain = Chain::start("memory").await;
    let (cx, seen) = Context::new().with_metadata("color", "blue").expect("valid").capture();
    chain.client.seen(&cx).await.expect("answers");
    let initial = seen.initial().expect("captured");
    assert_eq!(initial.get_all("seen-by").collect::<Vec<_>>(), ["b"]);
    assert!(initial.get("color").is_none(), "replies do not echo what was asked");
    assert!(seen.trailing().is_none_or(|trailing| trailing.is_empty()));
    chain.stop().await;
}

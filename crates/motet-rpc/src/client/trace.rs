//! Spans of calls, and the trace that travels with them.

use motet_core::{Call, Entropy, Result, Status, TraceParent};
use tracing::{Span, level_filters::LevelFilter};

use super::target::Place;

const NAME: &str = "motet.client";

/// Whether a call is part of a trace or somebody listens: one comparison where neither is so.
#[inline]
pub(super) fn wanted(call: &Call) -> bool {
    call.cx.trace().is_some() || tracing::span_enabled!(tracing::Level::INFO)
}

/// The span of a call, disabled where nobody listens. The call's metadata carries the trace on, as
/// made by this span.
///
/// # Errors
/// ResourceExhausted when the metadata has no room for it.
pub(super) fn begin(call: &mut Call, entropy: &Entropy) -> Result<Span> {
    let span = tracing::info_span!(
        NAME,
        service = call.method.service(),
        method = call.method.name,
        node = tracing::field::Empty,
        attempt = tracing::field::Empty,
        trace_id = tracing::field::Empty,
        code = tracing::field::Empty,
    );
    let parent = match call.cx.trace() {
        Some(parent) => parent,
        None if span.is_disabled() => return Ok(span),
        None => TraceParent {
            trace_id: (u128::from(entropy.next_u64()) << 64 | u128::from(entropy.next_u64())).max(1),
            span_id: 1,
            flags: 1,
        },
    };
    let trace = parent.with_span(entropy.next_u64());
    call.metadata.insert(TraceParent::KEY, &trace.to_string())?;
    span.record("trace_id", tracing::field::display(format_args!("{:032x}", trace.trace_id)));
    Ok(span)
}

/// An attempt goes to a node.
#[inline]
pub(super) fn sent(place: &Place, attempt: u32) {
    if LevelFilter::current() >= LevelFilter::INFO {
        let span = Span::current();
        if span.metadata().is_some_and(|metadata| metadata.name() == NAME) {
            span.record("node", place.candidate.node().id.as_str());
            span.record("attempt", attempt);
        }
    }
}

/// A call ends.
pub(super) fn ended(span: &Span, status: Option<&Status>) {
    if !span.is_disabled() {
        span.record("code", status.map_or("OK", |status| status.code().name()));
    }
}

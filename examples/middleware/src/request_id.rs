//! An id that follows a request through all services: middleware as a closure.

use motet::{Call, Entropy, Middleware, Next};

/// The metadata key. Motet passes it on from a call to the calls that its handler makes.
pub const REQUEST_ID: &str = "x-request-id";

/// For clients: gives each call an id unless it inherits one.
pub fn request_ids(entropy: Entropy) -> impl Middleware {
    move |mut call: Call, next: Next| {
        let id = entropy.next_u64();
        async move {
            if call.metadata.get(REQUEST_ID).is_none() {
                call.metadata.insert(REQUEST_ID, &format!("{id:016x}"))?;
            }
            next.run(call).await
        }
    }
}

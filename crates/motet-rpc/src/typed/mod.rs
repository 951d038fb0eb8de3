//! What the generated code of service traits calls, and what closures are made of.
//!
//! A service trait's expansion says for each method how its arguments and its reply are carried
//! ([`Pick`] finds it by type); everything else is generic code here: handlers of the four kinds,
//! calls of the four kinds, descriptors, and the queues of `serial` and `blocking` methods.
//!
//! Users write none of this by hand. A service without trait and closures is a
//! [`ServiceDescriptor`](motet_core::ServiceDescriptor) with one [`Handler`](motet_core::Handler)
//! per method, given to [`Service::new`](motet_core::Service::new).

mod blocking;
mod builder;
mod caller;
mod handlers;
mod into_service;
mod outcome;
mod pick;
mod serial;
mod settle;

pub use blocking::MAX_BLOCKING;
pub use builder::{Bodies, ServiceBuilder, bodies, method};
pub use caller::Caller;
pub use handlers::{Answer, Request, bidi, client_stream, server_stream, unary};
pub use into_service::IntoService;
pub use outcome::{Outcome, ServiceError, Speaks, check_error, check_outcome, details, text, unimplemented, variant};
pub use pick::{
    Checks, FormatTag, IsChecked, IsMessage, IsOther, IsPlain, IsProstAlone, IsProstWithSerde, IsUnchecked, IsUnit,
    Pick, check_plain, check_portable, check_prost,
};
pub use serial::MAX_SERIAL;
pub use settle::{IsCarrier, IsRefused, Refused, Settle};

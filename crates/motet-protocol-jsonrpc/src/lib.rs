//! JSON-RPC: version 1.0 as Go's `net/rpc/jsonrpc` speaks it, and 2.0, on one connection.
//!
//! The pure part knows no socket and no method: [`Framing`] cuts JSON values from a stream of bytes,
//! [`Session`] makes requests of them and replies of outcomes, batches included. A door of another
//! kind, such as HTTP, uses the same two, and [`request_body`] and [`reply_result`] between parameters
//! and bodies. [`JsonRpcServer`] and [`JsonRpcClient`] put them on TCP.
//!
//! ```
//! use bytes::{Bytes, BytesMut};
//! use motet_protocol_jsonrpc::Session;
//!
//! let (mut session, mut out) = (Session::new(100), BytesMut::new());
//! let requests = session.receive(Bytes::from(r#"{"method":"sum.Add","params":[2],"id":7}"#), &mut out).unwrap();
//! assert_eq!((requests[0].method.as_str(), requests[0].params.as_deref()), ("sum.Add", Some(&b"[2]"[..])));
//! session.answer(requests[0].token, Ok(Bytes::from("4")), &mut out);
//! assert_eq!(&out[..], b"{\"id\":7,\"result\":4,\"error\":null}\n");
//! ```

mod body;
mod client;
mod config;
mod error;
mod framing;
#[cfg(feature = "http")]
mod http;
mod message;
mod scan;
mod server;
mod session;

#[cfg(feature = "http")]
pub use self::http::HttpJsonRpc;
pub use body::{bare_message, reply_body, reply_result, request_body, request_params, wrapped_message};
pub use client::JsonRpcClient;
pub use config::JsonRpcConfig;
pub use error::ErrorObject;
pub use framing::{Framing, FramingError};
pub use message::{Id, Malformed, Message, Request, Response, Version};
pub use server::{JsonRpcServer, json, json_request};
pub use session::{Session, SessionRequest};

/// For the fuzz targets; not for use by hand, and free to change in any release.
#[doc(hidden)]
pub mod __fuzz {
    use motet_rpc::exchange::{Answering, Asking};

    use crate::JsonRpcConfig;

    /// The server's machine.
    pub fn server(max_message: usize) -> impl Answering {
        crate::server::machine(&JsonRpcConfig { max_message, ..JsonRpcConfig::default() })
    }

    /// The client's machine.
    pub fn client(max_message: usize) -> impl Asking {
        crate::client::machine(&JsonRpcConfig { max_message, ..JsonRpcConfig::default() })
    }
}

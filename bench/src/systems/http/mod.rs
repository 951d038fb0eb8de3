//! HTTP/JSON: a bare axum handler and Motet's door, called by the same client.

mod axum;
mod client;
mod motet_http;

pub(crate) use self::{axum::AxumJson, motet_http::MotetHttp};

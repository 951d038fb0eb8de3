//! What gRPC, gRPC-Web and Connect look like as bytes and headers.
//!
//! Everything here is a function of bytes: no socket, no task, no clock. [`FrameDecoder`] cuts a body
//! into messages however it was split, [`Compression`] packs and unpacks them within a limit,
//! [`metadata`], [`timeout`] and [`status`] go between headers and the values of `motet-core`,
//! [`reflection`] is what a reflection service is asked, [`web`] and [`connect`] hold what those two flavours do differently.

mod code;
mod compress;
pub mod connect;
mod frame;
pub mod metadata;
pub(crate) mod micro;
mod percent;
pub mod reflection;
pub mod rpc;
pub mod status;
pub mod timeout;
pub mod web;

pub use code::{code_of_http, code_of_reset, connect_code, connect_http_status, connect_name};
pub use compress::Compression;
pub(crate) use frame::too_long;
pub use frame::{COMPRESSED, CONNECT_END, Frame, FrameDecoder, PREFIX, WEB_TRAILERS, put_frame, put_message};
pub use percent::{percent_decode, percent_encode};

/// The longest message unless configured otherwise, after decompression: 4 MiB, as gRPC has it.
pub const MAX_MESSAGE: usize = 4 << 20;

//! One connection: the HTTP library on a watched stream of bytes, and its clock.

mod drive;
mod frames;
mod serve;
mod streams;
mod tasks;
mod watch;

pub use self::frames::{Broken, Frames};
pub(crate) use self::serve::{serve_h1, serve_h2};
pub use self::tasks::{Owned, Tasks};

//! Configuration: a tree of sections, merged from files, the environment and flags, each value
//! remembering where it came from.

mod de;
mod examine;
mod layers;
mod nearest;
mod settings;
mod source;
mod tree;

pub use examine::{Examined, examine};
pub use source::ConfigSource;
pub use tree::{Config, ConfigView};

pub(crate) use layers::{Loaded, USAGE, load};
pub use nearest::nearest;
pub(crate) use settings::{Introspection, LogFormat, LogSettings, OnPanic, ServiceSettings, Settings, Supervision};

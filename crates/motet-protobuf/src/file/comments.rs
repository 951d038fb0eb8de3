//! Documentation, as a file descriptor holds it.

use prost_types::{SourceCodeInfo, source_code_info::Location};

/// The comments of a file, by the path of what they stand before.
#[derive(Default)]
pub(super) struct Comments(Vec<Location>);

impl Comments {
    /// Puts text before what is at this path.
    pub(super) fn add(&mut self, path: &[i32], text: &str) {
        if text.is_empty() {
            return;
        }
        let lines = text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!(" {line}\n") });
        self.0.push(Location {
            path: path.to_vec(),
            // There is no source; readers want a place.
            span: vec![0, 0, 0],
            leading_comments: Some(lines.collect()),
            ..Location::default()
        });
    }

    pub(super) fn finish(mut self) -> Option<SourceCodeInfo> {
        self.0.sort_by(|a, b| a.path.cmp(&b.path));
        (!self.0.is_empty()).then_some(SourceCodeInfo { location: self.0 })
    }
}

/// Documentation of something whose values must not be shown.
pub(super) fn of_field(doc: &str, sensitive: bool) -> String {
    match (sensitive, doc) {
        (false, doc) => doc.to_owned(),
        (true, "") => SENSITIVE.to_owned(),
        (true, doc) => format!("{doc}\n{SENSITIVE}"),
    }
}

const SENSITIVE: &str = "Sensitive: not for logs and tools.";

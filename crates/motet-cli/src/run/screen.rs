//! What `motet run` writes: its own lines and those of the services, each whole.

use std::{
    io::{IsTerminal, Write},
    sync::Arc,
};

/// The colours of labels, in turn, as terminals number them.
const COLOURS: [u8; 6] = [36, 33, 32, 35, 34, 31];

/// Writes lines to standard output. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Screen {
    labels: Arc<[String]>,
    width: usize,
    colour: bool,
}

impl Screen {
    /// A screen for the lines of programs of these names.
    pub(super) fn new(labels: &[String]) -> Screen {
        let width = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0);
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
        Screen { labels: labels.into(), width, colour }
    }

    /// The name of a program.
    pub(super) fn label(&self, program: usize) -> &str {
        &self.labels[program]
    }

    /// Writes a line of a program.
    pub(super) fn line(&self, program: usize, text: &str) {
        let label = format!("{:<width$} |", self.labels[program], width = self.width);
        self.write(&format!("{} {text}\n", self.coloured(&label, COLOURS[program % COLOURS.len()])));
    }

    /// Says something about the run itself.
    pub(super) fn say(&self, text: &str) {
        self.write(&format!("{} {text}\n", self.coloured("motet:", 1)));
    }

    /// Writes a block of lines.
    pub(super) fn block(&self, text: &str) {
        self.write(text);
    }

    /// Text that stands out.
    pub(super) fn strong(&self, text: &str) -> String {
        self.coloured(text, 1)
    }

    fn coloured(&self, text: &str, colour: u8) -> String {
        match self.colour {
            true => format!("\x1b[{colour}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }

    /// What cannot be written is lost: whoever read it has gone, the services have not.
    fn write(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

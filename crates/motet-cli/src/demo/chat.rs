//! Requests and replies at once.

use motet::prelude::*;

/// Something said.
#[motet::message]
pub(super) struct Line {
    /// What.
    #[garde(length(max = 1000))]
    pub(super) text: String,
}

/// Has something to say.
#[motet::service(name = "chat", version = "1.0.0")]
pub(super) trait Chat {
    /// Answers each line, while more come in.
    async fn talk(&self, cx: &Context, lines: Streaming<Line>) -> Result<Streaming<Line>>;
}

struct Echo;

impl Chat for Echo {
    async fn talk(&self, _: &Context, lines: Streaming<Line>) -> Result<Streaming<Line>> {
        Ok(lines.map(|line| Ok(Line { text: format!("you said {:?}", line.text) })))
    }
}

pub(super) fn service() -> impl IntoService + Send {
    ChatServer::new(Echo)
}

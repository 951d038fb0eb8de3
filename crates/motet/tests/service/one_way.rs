//! Calls without a reply.

use motet::{Context, Result};
use tokio::sync::mpsc;

use crate::support::remote;

#[motet::service(name = "log", version = "1.0.0")]
pub(crate) trait Log {
    /// Writes a line.
    async fn write(&self, cx: &Context, line: String) -> Result<()>;
}

struct Lines(mpsc::UnboundedSender<String>);

impl Log for Lines {
    async fn write(&self, _: &Context, line: String) -> Result<()> {
        tokio::task::yield_now().await;
        let _ = self.0.send(line);
        Ok(())
    }
}

#[tokio::test]
async fn a_one_way_call_is_ready_once_it_is_sent_and_runs_to_its_end() {
    let (sender, mut lines) = mpsc::unbounded_channel();
    let local = LogClient::local(Lines(sender.clone()));
    let (app, client) = remote("log", LogServer::new(Lines(sender))).await;
    for log in [local, LogClient::new(client)] {
        log.one_way().write(&Context::new(), "hello".into()).await.expect("sent");
        assert_eq!(lines.recv().await.as_deref(), Some("hello"));
    }
    app.stop().await;
}

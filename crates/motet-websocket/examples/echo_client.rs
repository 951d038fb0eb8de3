//! Run with: `cargo run -p motet-websocket --example echo_client ADDRESS FIRST LAST [remember]`
//!
//! Takes the cases FIRST to LAST of an Autobahn testsuite that serves at ADDRESS (`interop/autobahn`):
//! for each, every message that comes is sent back. `LAST` of 0 means all; `remember` lets both sides
//! keep their compression windows.

mod support;

use std::{io, sync::Arc};

use http::Uri;
use motet_websocket::{CloseCode, CompressionConfig, Message, WebSocketConfig};

const AGENT: &str = "motet";

#[tokio::main]
async fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "ws://127.0.0.1:9001".into());
    let mut number = || arguments.next().and_then(|number| number.parse::<u32>().ok());
    let (first, last) = (number().unwrap_or(1), number().unwrap_or(0));
    let forgets = arguments.next().as_deref() != Some("remember");

    // The suite has messages of 16 MiB, and every message is to be compressed.
    let mut config = WebSocketConfig::default();
    (config.max_message, config.max_frame) = (16 << 20, 17 << 20);
    let mut compression = CompressionConfig::default();
    compression.min_size = 0;
    (compression.own_no_context_takeover, compression.peer_no_context_takeover) = (forgets, forgets);
    config.compression = Some(compression);
    let config = Arc::new(config);

    let last = if last == 0 { count(&address, &config).await? } else { last };
    for case in first..=last {
        run(&address, case, &config).await?;
    }
    let mut report = support::connect(&uri(&address, &format!("updateReports?agent={AGENT}"))?, config).await?;
    report.close(CloseCode::NORMAL, "").await.map_err(io::Error::other)
}

fn uri(address: &str, path: &str) -> io::Result<Uri> {
    format!("{address}/{path}").parse().map_err(io::Error::other)
}

async fn count(address: &str, config: &Arc<WebSocketConfig>) -> io::Result<u32> {
    let mut socket = support::connect(&uri(address, "getCaseCount")?, config.clone()).await?;
    match socket.next().await.map_err(io::Error::other)? {
        Some(Message::Text(count)) => count.parse().map_err(io::Error::other),
        _ => Err(io::Error::other("the suite does not say how many cases it has")),
    }
}

async fn run(address: &str, case: u32, config: &Arc<WebSocketConfig>) -> io::Result<()> {
    let uri = uri(address, &format!("runCase?case={case}&agent={AGENT}"))?;
    let mut socket = support::connect(&uri, config.clone()).await?;
    // Many cases end in errors: that is what they test.
    while let Ok(Some(message)) = socket.next().await {
        if socket.feed(message).await.is_err() {
            break;
        }
    }
    Ok(())
}

//! The answer to an HTTP request that nobody claims.

use std::time::Duration;

use motet_core::BoxIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout, timeout_at},
};

/// How much of the request is read before closing. Closing with unread bytes resets the connection,
/// and the answer may be lost with it.
const LINGER_BYTES: usize = 64 * 1024;
const LINGER: Duration = Duration::from_secs(1);

/// Answers with 400 and a sentence, then closes.
pub(super) async fn bad_request(mut io: BoxIo, sentence: &str, by: Instant) {
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{sentence}\n",
        sentence.len() + 1
    );
    let send = async {
        io.write_all(answer.as_bytes()).await?;
        io.shutdown().await
    };
    if matches!(timeout_at(by, send).await, Ok(Ok(()))) {
        let _ = timeout(LINGER, discard(&mut io)).await;
    }
}

async fn discard(io: &mut BoxIo) {
    let mut left = LINGER_BYTES;
    let mut buffer = [0; 512];
    while left > 0 {
        match io.read(&mut buffer).await {
            Ok(n) if n > 0 => left = left.saturating_sub(n),
            _ => return,
        }
    }
}

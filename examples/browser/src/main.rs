//! Run with: cargo run -p browser -- --listen tcp://127.0.0.1:4000
//!
//! and open <http://127.0.0.1:4000/>: a page that greets, counts and chats over one WebSocket, with the client
//! that the service itself gives it. <http://127.0.0.1:4000/-/try> tries the same methods by form.

#[motet::main]
async fn main() -> motet::Result<()> {
    browser::app()?.run().await
}

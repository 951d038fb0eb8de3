//! Run with: cargo run -p http-example -- --listen tcp://127.0.0.1:4000
//!
//! ```sh
//! curl http://127.0.0.1:4000/books/2
//! curl http://127.0.0.1:4000/books?text=The
//! curl http://127.0.0.1:4000/old/hello/Ada
//! curl http://127.0.0.1:4000/admin/ping
//! ```
//!
//! and, in a browser, <http://127.0.0.1:4000/-/try>.

#[motet::main]
async fn main() -> motet::Result<()> {
    http_example::app()?.run().await
}

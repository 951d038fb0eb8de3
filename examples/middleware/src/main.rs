//! Run with: cargo run -p middleware
//!
//! Two services behind tokens, the first of which asks the second, and the log of both.

use middleware::{Library, LibraryClient, LibraryServer, Log, MyLibrary, RequireToken, SendToken, request_ids, timed};
use motet::{App, Context, Entropy, MemoryRegistry, Result};

#[motet::main]
async fn main() -> Result<()> {
    let (log, registry) = (Log::default(), MemoryRegistry::new());
    let server = App::builder()
        .registry(registry.clone())
        // The first is the outermost: it also sees what the second refuses.
        .middleware(timed(log.clone()))
        .middleware(RequireToken::new("secret", "Ada"))
        .service(LibraryServer::new(MyLibrary { behind: None }))
        .start()
        .await?;
    let client = App::builder()
        .registry(registry)
        .client_middleware(request_ids(Entropy::seeded(1)))
        .client_middleware(SendToken::new("secret"))
        .start()
        .await?;
    let library = LibraryClient::new(client.client());
    let cx = &Context::new();
    let name = library.whoami(cx).await?;
    println!("{}", library.hello(cx, name).await?);
    println!("{:?}", library.books(cx, 3).await?.collect().await?);
    let mut endless = library.books(cx, u32::MAX).await?;
    let _ = endless.next().await;
    drop(endless);
    client.stop().await;
    server.stop().await;
    log.lines().iter().for_each(|line| println!("{line}"));
    Ok(())
}

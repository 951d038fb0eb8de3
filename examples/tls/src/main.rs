//! Run with: cargo run -p tls
//!
//! Knocks at a door in three ways: with TLS, with TLS and a certificate of its own, and over a Unix
//! socket.

use motet::{App, AppBuilder, ClientCertificates, ClientTls, Context, Result, ServerTls};
use tls::{Authority, Door, DoorClient, DoorServer, MyDoor};

async fn knock(client: AppBuilder, address: &str) -> Result<()> {
    let app = client.start().await?;
    let door = DoorClient::new(app.client().to(address)?);
    let cx = &Context::new();
    println!("{}", door.knock(cx).await?);
    println!("  {}", door.enter(cx).await.unwrap_or_else(|status| status.to_string()));
    app.stop().await;
    Ok(())
}

#[motet::main]
async fn main() -> Result<()> {
    let authority = Authority::new()?;
    let (host, ada) = (authority.issue(&["localhost", "127.0.0.1"])?, authority.issue(&["ada"])?);
    let door = MyDoor::default().knowing("Ada", &ada);
    let server_tls = ServerTls::from_pem(host.chain, host.key)?
        // Callers may show a certificate; `Required` would refuse those who do not.
        .with_client_ca(authority.pem(), ClientCertificates::Optional)?;
    let secured = App::builder().server_tls(server_tls).service(DoorServer::new(door.clone())).start().await?;
    let address = secured.endpoints()[0].to_string();
    let trusting = ClientTls::from_pem(authority.pem())?;
    knock(App::builder().client_tls(trusting.clone()), &address).await?;
    knock(App::builder().client_tls(trusting.with_identity(ada.chain, ada.key)?), &address).await?;
    secured.stop().await;

    // A socket that only this user may open: nobody else on the machine, and nobody elsewhere.
    #[cfg(unix)]
    {
        let path = std::env::temp_dir().join(format!("motet-door-{}.sock", std::process::id()));
        let address = format!("unix://{}", path.display());
        let socket = App::builder().listen(&address).service(DoorServer::new(door)).start().await?;
        knock(App::builder(), &address).await?;
        socket.stop().await;
    }
    Ok(())
}

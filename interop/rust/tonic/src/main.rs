//! `serve` serves `grpc.testing.TestService` by tonic, with the version of reflection that is named, and prints its
//! port; `call ADDRESS [PID]` runs the cases
//! against a server, whose process `peer_killed` ends, and prints a line for each.

use anyhow::{Result, bail};
use motet_interop_tonic::{
    cases::{ALL, Peer},
    server,
};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", ref reflection @ ..] if reflection.len() < 2 => {
            let reflection = reflection.first().map(|name| name.parse()).transpose()?;
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            println!("{}", listener.local_addr()?.port());
            server::serve(listener, reflection).await
        }
        ["call", address, ref pid @ ..] => {
            let pid = pid.first().map(|pid| pid.parse()).transpose()?;
            let peer = Peer::connect(address, pid).await?;
            let mut failed = 0;
            for case in ALL {
                match peer.run(case).await {
                    Ok(()) => println!("{case} ok"),
                    Err(error) => {
                        failed += 1;
                        println!("{case} FAILED {}", format!("{error:#}").replace('\n', " "));
                    }
                }
            }
            if failed > 0 {
                bail!("{failed} cases failed");
            }
            Ok(())
        }
        _ => bail!("usage: motet-interop-tonic serve [v1 | v1alpha] | call ADDRESS [PID]"),
    }
}

//! Clients of go-micro call a Motet service, on the one port of an App.

use std::sync::atomic::Ordering::SeqCst;

use motet::{App, Config, Endpoint, Result, RunningApp};

use crate::{
    greeter::{GreeterServer, LONG, Template, until},
    peer::Peers,
    table::Table,
};

pub(crate) async fn all(peers: &Peers, table: &mut Table, program: &str, flavour: &str, name: &str) {
    let way = &format!("{name} → Motet");
    let (app, endpoint, template) = match start().await {
        Ok(started) => started,
        Err(status) => return table.note(way, "start", Err(status.to_string())),
    };
    let mut said = peers.cases(program, &[flavour, "client", &endpoint.address]).await;
    if flavour == "mucp" {
        // By the name of the service: every call goes where this variable says.
        said.extend(peers.cases_with("MICRO_PROXY", &endpoint.address, program, &[flavour, "proxied"]).await);
    }
    let lost = [flavour, "lost", &endpoint.address];
    let begun = template.begun.load(SeqCst);
    let leaving = async {
        until("the call runs", || template.begun.load(SeqCst) > begun).await;
        app.abort().await;
    };
    let (cases, ()) = tokio::join!(peers.cases(program, &lost), leaving);
    for (case, outcome) in said.into_iter().chain(cases) {
        table.note(way, &case, outcome);
    }
}

/// An App whose port speaks what is compiled in.
pub(crate) async fn start() -> Result<(Stopping, Endpoint, Template)> {
    let template = Template::default();
    // The peer that is killed in mid-call goes at once.
    let config = Config::toml("[app]\nstop_timeout = \"1ms\"\n")?;
    let app = App::builder()
        .name("greeter")
        .config(config)
        .listen("tcp://127.0.0.1:0")
        .service(GreeterServer::new(template.clone()))
        .build()
        .start()
        .await?;
    let endpoint = app.endpoints()[0].clone();
    Ok((Stopping(app), endpoint, template))
}

pub(crate) struct Stopping(RunningApp);

impl Stopping {
    /// Ends it with what runs.
    pub(crate) async fn abort(self) {
        // What has not ended is the case's subject.
        let _ = tokio::time::timeout(LONG, self.0.stop()).await;
    }
}

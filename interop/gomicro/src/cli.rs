//! go-micro's command-line tool calls a Motet service: it finds no registry, `MICRO_PROXY` says where.

use crate::{
    peer::{Peers, Said},
    served,
    table::Table,
};

const WAY: &str = "go-micro's CLI 1.1.4, by MICRO_PROXY → Motet";

/// A case, what is typed behind the tool's name, whether it succeeds, and what it prints.
type Case = (&'static str, &'static [&'static str], bool, &'static str);

const CASES: [Case; 8] = [
    ("call", &["call", "greeter", "Greeter.Call", r#"{"name":"John"}"#], true, "{\"msg\":\"Hello John\"}\n"),
    ("call without a body", &["call", "greeter", "Greeter.ClientStream"], false, "Micro-Stream"),
    (
        "call, an error",
        &["call", "greeter", "Greeter.Find", r#"{"name":"Ada"}"#],
        false,
        r#"{"id":"GreetError.Nobody","code":404,"detail":"nobody is called Ada","status":"Not Found"}"#,
    ),
    ("call, no such service", &["call", "nobody", "Nobody.Call"], false, "rpc: can't find service Nobody"),
    ("call, no such method", &["call", "greeter", "Greeter.Bye"], false, "rpc: can't find method Bye"),
    (
        "stream server",
        &["stream", "server", "greeter", "Greeter.ServerStream", r#"{"count":3}"#],
        true,
        "{\"count\":0}\n{\"count\":1}\n{\"count\":2}\n",
    ),
    (
        "stream bidi",
        &["stream", "bidi", "greeter", "Greeter.BidiStream", r#"{"stroke":1}"#, r#"{"stroke":2}"#],
        true,
        "{\"stroke\":1}\n{\"stroke\":2}\n",
    ),
    (
        "stream bidi, an error",
        &["stream", "bidi", "greeter", "Greeter.BidiStream", r#"{"stroke":-1}"#],
        false,
        "minus one",
    ),
];

pub(crate) async fn all(peers: &Peers, table: &mut Table) {
    let (app, endpoint, _) = match served::start().await {
        Ok(started) => started,
        Err(status) => return table.note(WAY, "start", Err(status.to_string())),
    };
    for (case, typed, succeeds, prints) in CASES {
        let said = peers.run("cli", ("MICRO_PROXY", &endpoint.address), typed).await;
        table.note(WAY, case, said.and_then(|said| check(&said, succeeds, prints)));
    }
    app.abort().await;
}

fn check(said: &Said, succeeds: bool, prints: &str) -> Result<(), String> {
    let as_expected = if succeeds { said.out == prints } else { said.out.contains(prints) };
    match said.success == succeeds && as_expected {
        true => Ok(()),
        false => Err(format!("it ended {}: {:?} {:?}", said.success, said.out, said.error)),
    }
}

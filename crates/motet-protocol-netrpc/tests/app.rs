//! An App with the features `netrpc` and `jsonrpc`, as users have it.

use motet::{Service, prelude::*};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

#[motet::service(name = "world", version = "1.0.0")]
trait World {
    async fn hello_world(&self, cx: &Context, name: String) -> Result<String>;
}

struct Mine;

impl World for Mine {
    async fn hello_world(&self, _: &Context, name: String) -> Result<String> {
        Ok(format!("{name} 你好...."))
    }
}

#[tokio::test]
async fn an_app_answers_and_calls_in_all_of_them_on_one_port() {
    let config = "[protocols.jsonrpc]\nmax_batch = 1\nwrite_timeout = \"5s\"\n[protocols.netrpc]\nmax_calls = 10\n";
    let service = Service::new("world").serve(WorldServer::new(Mine)).listen("tcp://127.0.0.1:0");
    let app = service.config(motet::Config::toml(config).expect("TOML")).start().await.expect("starts");
    let address = app.endpoints()[0].address.clone();
    for protocol in ["motet", "netrpc", "netrpc-http", "jsonrpc", "jsonrpc2"] {
        let client = app.client().to(format!("{protocol}://{address}")).expect("an address");
        let reply = WorldClient::new(client).hello_world(&Context::new(), "李白".into()).await;
        assert_eq!(reply.expect(protocol), "李白 你好....", "{protocol}");
    }
    let mut socket = TcpStream::connect(&address).await.expect("it listens");
    let batch = r#"[{"jsonrpc":"2.0","method":"a.B","id":1},{"jsonrpc":"2.0","method":"a.B","id":2}]"#;
    socket.write_all(batch.as_bytes()).await.expect("it reads");
    socket.shutdown().await.expect("half closed");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.contains("at most 1 requests"), "{answer}");
    assert!(app.stop().await.is_clean());
}

#[tokio::test]
async fn a_setting_that_does_not_exist_is_named() {
    let service = Service::new("world").serve(WorldServer::new(Mine)).listen("tcp://127.0.0.1:0");
    let config = motet::Config::toml("[protocols.netrpc]\nmax_call = 10\n").expect("TOML");
    let error = service.config(config).start().await.expect_err("a mistake");
    assert!(error.message().contains("max_call"), "{error}");
}

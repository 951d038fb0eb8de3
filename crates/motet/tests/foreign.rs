//! The protocols of other systems in an App: on its one port, by its client, with its configuration.

use motet::{App, Code, Config, Context, Result, RunningApp};

#[motet::service(name = "echo")]
trait Echo {
    async fn say(&self, cx: &Context, text: String) -> Result<String>;
    async fn protocol(&self, cx: &Context) -> Result<String>;
}

struct Me;

impl Echo for Me {
    async fn say(&self, _: &Context, text: String) -> Result<String> {
        Ok(text)
    }

    async fn protocol(&self, cx: &Context) -> Result<String> {
        Ok(cx.peer().map(|peer| peer.protocol.clone()).unwrap_or_default())
    }
}

async fn start(config: &str) -> Result<RunningApp> {
    let config = Config::toml(config)?;
    App::builder()
        .name("echo")
        .config(config)
        .listen("tcp://127.0.0.1:0")
        .service(EchoServer::new(Me))
        .build()
        .start()
        .await
}

fn client(app: &RunningApp, protocol: &str) -> EchoClient {
    let endpoint = &app.endpoints()[0];
    EchoClient::new(app.client().to(format!("{protocol}://{}", endpoint.address)).expect("an address"))
}

#[tokio::test]
async fn one_port_speaks_all_of_them() {
    let app = start("").await.expect("starts");
    let spoken = &app.endpoints()[0].protocols;
    for protocol in ["motet", "gorpc", "rpcx", "mucp"] {
        assert!(spoken.iter().any(|known| known == protocol), "{spoken:?}");
        let echo = client(&app, protocol);
        assert_eq!(echo.protocol(&Context::new()).await.expect("answered"), protocol);
        assert_eq!(echo.say(&Context::new(), "你好".to_owned()).await.expect("answered"), "你好");
    }
    assert!(app.stop().await.is_clean());
}

#[tokio::test]
async fn the_app_s_limit_on_messages_holds_unless_they_have_their_own() {
    let config = "[server]\nmessage_limit = 65536\n[protocols.rpcx]\nmax_message = 200000";
    let app = start(config).await.expect("starts");
    let long = "x".repeat(100_000);
    let status = client(&app, "gorpc").say(&Context::new(), long.clone()).await.expect_err("too long");
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(client(&app, "rpcx").say(&Context::new(), long.clone()).await.expect("its own limit"), long);
    assert!(app.stop().await.is_clean());
}

#[tokio::test]
async fn an_app_s_labels_are_its_tags_for_go_rpc() {
    let asks = |tag: &str| format!("[app.labels]\nidc = \"lf\"\n[protocols.gorpc.ask_tags]\nidc = \"{tag}\"");
    for (tag, served) in [("lf", true), ("bj", false)] {
        let app = start(&asks(tag)).await.expect("starts");
        let answer = client(&app, "gorpc").say(&Context::new(), String::new()).await;
        assert_eq!(answer.is_ok(), served, "{answer:?}");
        assert!(app.stop().await.is_clean());
    }
}

#[tokio::test]
async fn a_setting_that_is_misspelt_names_the_nearest() {
    for (config, expected) in [
        (
            "[protocols.rpcx]\nmax_mesage = 1",
            "protocols.rpcx.max_mesage is no known key; did you mean \"max_message\"?",
        ),
        ("[protocols.gorpc]\nserialize = 'xml'", "protocols.gorpc.serialize must be one of \"json\", \"msgpack\""),
        ("[protocols.rpcx]\nframe_timeout = 5", "protocols.rpcx.frame_timeout must be a time"),
    ] {
        let status = start(config).await.map(drop).expect_err(config);
        assert!(status.message().contains(expected), "{status}");
    }
}

//! The cases with Motet as the client: those of `interop/go/netrpc/cases.go`.

use std::{fmt::Debug, sync::Arc, time::Duration};

use motet::{Client, Code, Context, Executed, Status, TcpTransport};
use motet_protocol_jsonrpc::{JsonRpcClient, JsonRpcConfig, Version};
use motet_protocol_netrpc::{NetRpcClient, NetRpcConfig};

use crate::world::{Inner, Item, world, worldClient};

type Outcome = Result<(), String>;

/// Runs one case against a server.
pub(crate) async fn call(flavour: &str, address: &str, case: &str) -> Outcome {
    let scheme = match flavour {
        "gob" => "netrpc",
        "http" => "netrpc-http",
        "jsonrpc" => "jsonrpc",
        _ => return Err(format!("no flavour {flavour}")),
    };
    let client = Client::builder()
        .transport(Arc::new(TcpTransport::new()))
        .protocol(Arc::new(NetRpcClient::new(NetRpcConfig::default())))
        .protocol(Arc::new(NetRpcClient::over_http(NetRpcConfig::default())))
        .protocol(Arc::new(JsonRpcClient::new(Version::V1, JsonRpcConfig::default())))
        .build()
        .to(format!("{scheme}://{address}"))
        .map_err(|error| error.to_string())?;
    let service = worldClient::new(client.clone());
    let cx = Context::new().with_timeout(Duration::from_secs(80));
    match case {
        "unary" => unary(&service, &cx, flavour).await,
        "errors" => errors(&client, &service, &cx, flavour).await,
        "zero" => zero(&service, &cx).await,
        "large" => large(&service, &cx, flavour).await,
        "concurrent" => concurrent(&service, &cx).await,
        "pipelined" => pipelined(&service, &cx).await,
        "late" => {
            want("Nothing", service.nothing(&cx).await, Ok(()))?;
            tokio::time::sleep(Duration::from_secs(61)).await;
            unary(&service, &Context::new(), flavour).await
        }
        "killed" => killed(&service, &cx).await,
        _ => Err(format!("no case {case}")),
    }
}

fn want<T: Debug + PartialEq>(what: &str, got: T, expected: T) -> Outcome {
    if got == expected {
        return Ok(());
    }
    let short = |value: &T| format!("{value:?}").chars().take(300).collect::<String>();
    Err(format!("{what}: {}, not {}", short(&got), short(&expected)))
}

fn item(flavour: &str) -> Item {
    Item {
        name: "<李白>".into(),
        count: 1 << 31,
        ratio: 17.5,
        flag: true,
        // Bytes are base64 text in Go's JSON and numbers in ours.
        data: if flavour == "jsonrpc" { Vec::new() } else { vec![0, 1, 255] },
        list: vec!["a".into(), String::new()],
        nested: vec![Inner { text: "x".into(), n: -1 }, Inner::default()],
        by_name: [("k".to_owned(), 1 << 40)].into(),
        maybe: Some(Inner { text: "m".into(), n: 2 }),
        user_id: -1 << 62,
    }
}

async fn unary(service: &worldClient, cx: &Context, flavour: &str) -> Outcome {
    want("HelloWorld", service.hello_world(cx, "李白".into()).await, Ok("李白 你好....".to_owned()))?;
    want("Divide", service.divide(cx, -7, 2).await, Ok(-3))?;
    let item = item(flavour);
    want("Echo", service.echo(cx, item.clone()).await, Ok(item))?;
    let texts = ["a", "", "bcd"].map(str::to_owned);
    let lengths = texts.clone().map(|text| (text.clone(), text.len() as i64)).into();
    want("Lengths", service.lengths(cx, texts.into()).await, Ok(lengths))?;
    want("Nothing", service.nothing(cx).await, Ok(()))
}

async fn errors(client: &Client, service: &worldClient, cx: &Context, flavour: &str) -> Outcome {
    let said = |status: Status| (status.code(), status.message().to_owned(), status.executed());
    let failed = service.divide(cx, 1, 0).await.expect_err("no number");
    want("Divide", said(failed), (Code::Unknown, "divide by zero".to_owned(), Executed::Unknown))?;
    for (of, text) in
        [("world", "rpc: can't find method world.Missing"), ("nobody", "rpc: can't find service nobody.Missing")]
    {
        let missing = client.service(of).call_json(cx, "Missing", "{}").await.err();
        want(of, missing.map(said), Some((Code::Unimplemented, text.to_owned(), Executed::No)))?;
    }
    unary(service, cx, flavour).await
}

async fn zero(service: &worldClient, cx: &Context) -> Outcome {
    want("HelloWorld", service.hello_world(cx, String::new()).await, Ok(" 你好....".to_owned()))?;
    want("Divide", service.divide(cx, 0, 5).await, Ok(0))?;
    want("Echo", service.echo(cx, Item::default()).await, Ok(Item::default()))?;
    want("Lengths", service.lengths(cx, Vec::new()).await.map(|map| map.len()), Ok(0))
}

async fn large(service: &worldClient, cx: &Context, flavour: &str) -> Outcome {
    let size = (4 << 20) - 1024;
    let item = match flavour {
        "jsonrpc" => Item { name: "x".repeat(size), ..Item::default() },
        _ => Item { data: vec![7; size], ..Item::default() },
    };
    want("Echo", service.echo(cx, item.clone()).await, Ok(item))
}

async fn concurrent(service: &worldClient, cx: &Context) -> Outcome {
    let call = |n: i64| {
        let (service, cx) = (service.clone(), cx.clone());
        tokio::spawn(async move { service.divide(&cx, n * 3, 3).await })
    };
    for (n, call) in (0..1000).map(call).collect::<Vec<_>>().into_iter().enumerate() {
        want("Divide", call.await.map_err(|error| error.to_string())?, Ok(n as i64))?;
    }
    Ok(())
}

async fn pipelined(service: &worldClient, cx: &Context) -> Outcome {
    let slow = tokio::spawn({
        let (service, cx) = (service.clone(), cx.clone());
        async move { service.slow(&cx, 600).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    want("the quick call", service.slow(cx, 0).await, Ok(0))?;
    if slow.is_finished() {
        return Err("the slow call was answered first".to_owned());
    }
    want("the slow call", slow.await.map_err(|error| error.to_string())?, Ok(600))
}

async fn killed(service: &worldClient, cx: &Context) -> Outcome {
    want("Nothing", service.nothing(cx).await, Ok(()))?;
    println!("running");
    let error = service.slow(cx, 60_000).await.err().map(|error| (error.code(), error.executed()));
    want("Slow", error, Some((Code::Unavailable, Executed::Unknown)))
}

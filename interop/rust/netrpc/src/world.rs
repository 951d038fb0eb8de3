//! The service that both sides offer, and Motet serving it.
#![allow(non_camel_case_types, reason = "Go programs register the service under a name of lower case")]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use motet::{Server, prelude::*};
use motet_protocol_jsonrpc::{JsonRpcConfig, JsonRpcServer};
use motet_protocol_netrpc::{NetRpcConfig, NetRpcServer};
use tokio::io::AsyncReadExt;

/// Part of an [`Item`].
#[motet::message]
#[derive(Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Inner {
    pub(crate) text: String,
    pub(crate) n: i64,
}

/// One field of each kind, with the names that Go exports.
#[motet::message]
#[derive(Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Item {
    pub(crate) name: String,
    pub(crate) count: u32,
    pub(crate) ratio: f64,
    pub(crate) flag: bool,
    #[motet(bytes)]
    pub(crate) data: Vec<u8>,
    pub(crate) list: Vec<String>,
    pub(crate) nested: Vec<Inner>,
    pub(crate) by_name: BTreeMap<String, i64>,
    pub(crate) maybe: Option<Inner>,
    #[serde(rename = "UserID")]
    pub(crate) user_id: i64,
}

/// The service. A Go program knows it as `world`.
#[motet::service(name = "world", version = "1.0.0")]
pub(crate) trait world {
    async fn hello_world(&self, cx: &Context, name: String) -> Result<String>;
    async fn divide(&self, cx: &Context, a: i64, b: i64) -> Result<i64>;
    async fn echo(&self, cx: &Context, item: Item) -> Result<Item>;
    async fn slow(&self, cx: &Context, ms: u64) -> Result<u64>;
    async fn lengths(&self, cx: &Context, texts: Vec<String>) -> Result<BTreeMap<String, i64>>;
    async fn nothing(&self, cx: &Context) -> Result<()>;
}

struct Mine;

impl world for Mine {
    async fn hello_world(&self, _: &Context, name: String) -> Result<String> {
        Ok(format!("{name} 你好...."))
    }

    async fn divide(&self, _: &Context, a: i64, b: i64) -> Result<i64> {
        a.checked_div(b).ok_or_else(|| Status::invalid_argument("divide by zero"))
    }

    async fn echo(&self, _: &Context, item: Item) -> Result<Item> {
        Ok(item)
    }

    async fn slow(&self, _: &Context, ms: u64) -> Result<u64> {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        Ok(ms)
    }

    async fn lengths(&self, _: &Context, texts: Vec<String>) -> Result<BTreeMap<String, i64>> {
        Ok(texts.into_iter().map(|text| (text.clone(), text.len() as i64)).collect())
    }

    async fn nothing(&self, _: &Context) -> Result<()> {
        Ok(())
    }
}

/// Serves on a free port in every flavour at once and prints the address.
pub(crate) async fn serve_until_input_ends() -> Result<(), String> {
    let server = Server::builder()
        .protocol(Arc::new(NetRpcServer::new(NetRpcConfig::default())))
        .protocol(Arc::new(JsonRpcServer::new(JsonRpcConfig::default())))
        .service(worldServer::new(Mine).into_service().map_err(|error| error.to_string())?)
        .build()
        .map_err(|error| error.to_string())?;
    let endpoint = server.listen("tcp://127.0.0.1:0").await.map_err(|error| error.to_string())?;
    println!("{}", endpoint.address);
    let mut input = tokio::io::stdin();
    while input.read(&mut [0; 64]).await.is_ok_and(|n| n > 0) {}
    Ok(())
}

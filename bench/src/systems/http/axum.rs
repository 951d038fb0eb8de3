//! `axum-json`: a handler and nothing around it.

use ::axum::{Json, Router, routing::post, serve::ListenerExt};
use anyhow::Result;
use tokio::net::TcpListener;

use super::client;
use crate::message::{Message, Sample};
use crate::plain::{Big, Small};
use crate::systems::System;
use crate::window::{Figures, Load};

/// axum 0.8 over plaintext HTTP/1.1.
pub(crate) struct AxumJson;

impl System for AxumJson {
    const NAME: &'static str = "axum-json";
    const PER_CALL: &'static str = "HTTP/1.1 and JSON by serde, a bare axum handler; client: raw requests, one \
        connection for each call in flight, whatever the shape says";

    async fn serve(listener: TcpListener, _: Message) -> Result<()> {
        let router = Router::new()
            .route("/bench/big", post(async |Json(message): Json<Big>| Json(message.handle())))
            .route("/bench/small", post(async |Json(message): Json<Small>| Json(message.handle())));
        // Without Nagle's delay, as all the others.
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        Ok(::axum::serve(listener, router).await?)
    }

    async fn load(load: Load) -> Result<Figures> {
        client::load(load).await
    }
}

//! The protocols of other systems that are compiled in.

use std::sync::Arc;

use motet_core::{ClientProtocol, ServerProtocol};
use motet_rpc::native::MemoryBudget;

use crate::config::{Config, Settings};

/// Both sides of the protocols of other systems, in the order in which they are asked.
#[derive(Default)]
pub(super) struct Foreign {
    pub(super) server: Vec<Arc<dyn ServerProtocol>>,
    pub(super) client: Vec<Arc<dyn ClientProtocol>>,
    /// What the HTTP door carries.
    #[cfg(feature = "http")]
    pub(super) http: Vec<Arc<dyn motet_http::HttpProtocol>>,
}

/// Those that are compiled in. Their messages count against the same budget as all others; their
/// limit on messages and the tags of go-rpc are the App's own unless configured. mucp and net/rpc
/// stand before HTTP, to which they look like HTTP.
pub(super) fn protocols(config: &Config, settings: &Settings, budget: &MemoryBudget) -> Foreign {
    let mut foreign = Foreign::default();
    #[cfg(feature = "gorpc")]
    {
        let mut own = settings.gorpc.clone();
        if !config.contains("protocols.gorpc.max_message") {
            own.max_message = settings.server.message_limit;
        }
        if !config.contains("protocols.gorpc.tags") {
            own.tags.clone_from(&settings.app.labels);
        }
        let server = motet_protocol_gorpc::GoRpcServer::new(own.clone()).with_budget(budget.clone());
        #[cfg(feature = "http")]
        if own.gateway {
            foreign.http.push(Arc::new(server.gateway()));
        }
        foreign.server.push(Arc::new(server));
        foreign.client.push(Arc::new(motet_protocol_gorpc::GoRpcClient::new(own)));
    }
    #[cfg(feature = "rpcx")]
    {
        let mut own = settings.rpcx.clone();
        if !config.contains("protocols.rpcx.max_message") {
            own.max_message = settings.server.message_limit;
        }
        let server = motet_protocol_rpcx::RpcxServer::new(own.clone()).with_budget(budget.clone());
        foreign.server.push(Arc::new(server));
        foreign.client.push(Arc::new(motet_protocol_rpcx::RpcxClient::new(own)));
    }
    #[cfg(feature = "mucp")]
    {
        let mut own = settings.mucp.clone();
        if !config.contains("protocols.mucp.max_message") {
            own.max_message = settings.server.message_limit;
        }
        let server = motet_protocol_mucp::MucpServer::new(own.clone()).with_budget(budget.clone());
        foreign.server.push(Arc::new(server));
        foreign.client.push(Arc::new(motet_protocol_mucp::MucpClient::new(own)));
    }
    #[cfg(feature = "netrpc")]
    {
        use motet_protocol_netrpc::{NetRpcClient, NetRpcServer};
        let mut own = settings.netrpc.clone();
        if !config.contains("protocols.netrpc.max_message") {
            own.max_message = settings.server.message_limit;
        }
        foreign.server.push(Arc::new(NetRpcServer::new(own.clone()).with_budget(budget.clone())));
        foreign.client.push(Arc::new(NetRpcClient::new(own.clone())));
        foreign.client.push(Arc::new(NetRpcClient::over_http(own)));
    }
    #[cfg(feature = "jsonrpc")]
    {
        use motet_protocol_jsonrpc::{JsonRpcClient, JsonRpcServer, Version};
        let mut own = settings.jsonrpc.clone();
        if !config.contains("protocols.jsonrpc.max_message") {
            own.max_message = settings.server.message_limit;
        }
        foreign.server.push(Arc::new(JsonRpcServer::new(own.clone()).with_budget(budget.clone())));
        foreign.client.push(Arc::new(JsonRpcClient::new(Version::V1, own.clone())));
        foreign.client.push(Arc::new(JsonRpcClient::new(Version::V2, own)));
    }
    let _ = (config, settings, budget, &mut foreign);
    foreign
}

//! The client: from a call to a connection.

use std::{sync::Arc, time::Duration};

use motet_core::{Call, CallOptions, Reply, Result, Service};

/// Settings of a [`Client`].
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// The time a unary call may take unless its Context, method or options say otherwise.
    pub timeout: Duration,
}

/// Calls services: shared by everything of one App.
#[derive(Clone, Debug)]
pub struct Client(());

/// Builds a [`Client`].
#[derive(Debug)]
pub struct ClientBuilder(());

impl Client {
    /// A client of this service in this process, over no network.
    pub fn local(service: Service) -> Client {
        let _ = service;
        unimplemented!()
    }

    /// The client for one service.
    pub fn service(&self, name: &str) -> ServiceClient {
        let _ = name;
        unimplemented!()
    }
}

/// Calls one service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ServiceClient(Arc<CallOptions>);

impl ServiceClient {
    /// Makes a call of any kind; resolves at the reply's head.
    ///
    /// # Errors
    /// The status of the call.
    pub async fn call(&self, call: Call) -> Result<Reply> {
        let _ = call;
        unimplemented!()
    }

    /// The options of calls made through this.
    pub fn options(&self) -> &Arc<CallOptions> {
        &self.0
    }

    /// The same client with other options.
    #[must_use]
    pub fn with_options(&self, options: CallOptions) -> ServiceClient {
        ServiceClient(Arc::new(options))
    }
}

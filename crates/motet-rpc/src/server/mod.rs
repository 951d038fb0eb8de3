//! The server: from a connection to a handler.

use std::time::Duration;

use motet_core::{Dispatcher, Endpoint, Result, Service};

/// Settings of a [`Server`].
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The time a unary call may take whose caller sent no deadline.
    pub default_timeout: Duration,
}

/// Serves services on listeners.
#[derive(Clone, Debug)]
pub struct Server(());

/// Builds a [`Server`].
#[derive(Debug)]
pub struct ServerBuilder(());

impl Server {
    /// Where calls enter.
    pub fn dispatcher(&self) -> &Dispatcher {
        unimplemented!()
    }

    /// Serves one more service.
    ///
    /// # Errors
    /// AlreadyExists when a path is taken.
    pub fn add(&self, service: Service) -> Result<()> {
        let _ = service;
        unimplemented!()
    }

    /// Listens at an address such as `tcp://127.0.0.1:0`.
    ///
    /// # Errors
    /// Unavailable when it is taken.
    pub async fn listen(&self, address: &str) -> Result<Endpoint> {
        let _ = address;
        unimplemented!()
    }

    /// Stops taking calls, lets running ones finish for at most `grace`, then ends all.
    pub async fn shutdown(&self, grace: Duration) {
        let _ = grace;
    }
}

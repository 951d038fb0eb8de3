//! Moving bytes.

use std::{fmt, sync::Arc};

use crate::{BoxFuture, BoxIo, Endpoint, Map, Peer, Result, Status};

/// Moves bytes: listens and dials. It knows nothing of what the bytes mean.
pub trait Transport: Send + Sync + 'static {
    /// The name in addresses, such as `tcp`.
    fn scheme(&self) -> &str;

    /// Listens at an address as this transport writes it.
    ///
    /// # Errors
    /// InvalidArgument for an address it cannot read, Unavailable when it is taken.
    fn listen<'a>(&'a self, address: &'a str) -> BoxFuture<'a, Result<Box<dyn Listener>>>;

    /// Connects to an endpoint, with TLS where the endpoint says so.
    ///
    /// # Errors
    /// Unavailable, executed: no, when nobody listens there. It says why; who dials says where.
    fn dial<'a>(&'a self, endpoint: &'a Endpoint) -> BoxFuture<'a, Result<BoxIo>>;

    /// As [`Transport::dial`], offering these names by ALPN where the endpoint speaks TLS, in place
    /// of `motet/1`, or none at all if there are none. Transports without TLS need not implement it.
    ///
    /// # Errors
    /// As [`Transport::dial`].
    fn dial_alpn<'a>(&'a self, endpoint: &'a Endpoint, alpn: &'a [&'a str]) -> BoxFuture<'a, Result<BoxIo>> {
        let _ = alpn;
        self.dial(endpoint)
    }
}

/// Accepts connections. Dropping it stops listening.
pub trait Listener: Send + Sync + 'static {
    /// Where it listens, with the port that was chosen.
    fn endpoint(&self) -> Endpoint;

    /// The next connection. Cancel safe.
    ///
    /// # Errors
    /// A failure of this one connection or a lack of resources; the listener goes on.
    fn accept(&self) -> BoxFuture<'_, Result<Accepted>>;
}

/// A connection that was accepted.
pub struct Accepted {
    /// The bytes.
    pub io: BoxIo,
    /// The other end.
    pub peer: Peer,
}

impl fmt::Debug for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accepted").field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// The transports that an App has, by scheme.
#[derive(Clone, Default)]
pub struct Transports(Arc<Map<String, Arc<dyn Transport>>>);

impl Transports {
    /// None.
    pub fn new() -> Transports {
        Transports::default()
    }

    /// These and one more, which replaces one of the same scheme.
    #[must_use]
    pub fn with(mut self, transport: Arc<dyn Transport>) -> Transports {
        Arc::make_mut(&mut self.0).insert(transport.scheme().to_owned(), transport);
        self
    }

    /// The transport of a scheme.
    ///
    /// # Errors
    /// Unimplemented, naming those that there are.
    pub fn find(&self, scheme: &str) -> Result<&Arc<dyn Transport>> {
        self.0.get(scheme).ok_or_else(|| {
            let mut known: Vec<_> = self.0.keys().map(String::as_str).collect();
            known.sort_unstable();
            Status::unimplemented(format!("transport {scheme:?} is not enabled; there are: {}", known.join(", ")))
                .with_executed(crate::Executed::No)
        })
    }
}

impl fmt::Debug for Transports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

//! TCP.

use std::{io, net::SocketAddr, pin::pin, time::Duration};

use futures_util::{
    StreamExt,
    future::{Either, select},
    stream::FuturesUnordered,
};
use motet_core::{Accepted, BoxFuture, BoxIo, Endpoint, Executed, Listener, Peer, Result, Status, Transport};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::tls::{ClientTls, DEFAULT_ALPN, dial_tls};

/// How many connections wait to be accepted; the system's `somaxconn` may be lower.
const BACKLOG: u32 = 4096;
/// How long data that was sent may stay unacknowledged before the connection counts as dead.
const USER_TIMEOUT: Duration = Duration::from_secs(20);
/// When an idle connection is first probed, and how often then.
const KEEPALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(10));
/// The head start of one address before the next is tried as well (RFC 8305 §5).
const HEAD_START: Duration = Duration::from_millis(250);
/// How many addresses of one name are tried.
const MAX_ADDRESSES: usize = 16;

/// TCP, IPv4 and IPv6, for addresses such as `127.0.0.1:4000`, `[::1]:0` and `db.internal:4000`.
///
/// Nagle's algorithm is off on every socket. All addresses of a name are tried, each with a quarter
/// of a second's head start before the next. A peer that vanished is noticed after 20 s with data on
/// the way and after about 80 s without.
#[derive(Clone, Debug)]
pub struct TcpTransport {
    tls: Option<ClientTls>,
    user_timeout: Option<Duration>,
}

impl Default for TcpTransport {
    fn default() -> TcpTransport {
        TcpTransport { tls: None, user_timeout: Some(USER_TIMEOUT) }
    }
}

impl TcpTransport {
    /// TCP that dials no TLS.
    pub fn new() -> TcpTransport {
        TcpTransport::default()
    }

    /// Sets how endpoints that speak TLS are dialled.
    #[must_use]
    pub fn with_tls(mut self, tls: ClientTls) -> TcpTransport {
        self.tls = Some(tls);
        self
    }

    /// Sets how long sent data may stay unacknowledged before the connection counts as dead; `None`
    /// leaves it to the system. 20 s by default; heeded on Linux and Android.
    #[must_use]
    pub fn with_user_timeout(mut self, timeout: Option<Duration>) -> TcpTransport {
        self.user_timeout = timeout;
        self
    }

    async fn dial(&self, endpoint: &Endpoint, alpn: &[&str]) -> Result<BoxIo> {
        let stream = connect(&endpoint.address)
            .await
            .map_err(|error| Status::unavailable(error.to_string()).with_executed(Executed::No))?;
        tune(&stream, self.user_timeout);
        match endpoint.tls {
            true => dial_tls(self.tls.as_ref(), endpoint, alpn, Box::pin(stream)).await,
            false => Ok(Box::pin(stream)),
        }
    }
}

impl Transport for TcpTransport {
    fn scheme(&self) -> &str {
        "tcp"
    }

    fn listen<'a>(&'a self, address: &'a str) -> BoxFuture<'a, Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let resolved = resolve(address)
                .await
                .map_err(|error| Status::invalid_argument(format!("listen address tcp://{address}: {error}")))?;
            let listener = bind(&resolved).map_err(|error| {
                Status::unavailable(format!("cannot listen at tcp://{address}: {error}; choose another, or port 0"))
            })?;
            let bound = listener.local_addr().map_err(|error| Status::unavailable(error.to_string()))?;
            Ok(Box::new(Tcp { listener, bound, user_timeout: self.user_timeout }) as Box<dyn Listener>)
        })
    }

    fn dial<'a>(&'a self, endpoint: &'a Endpoint) -> BoxFuture<'a, Result<BoxIo>> {
        Box::pin(self.dial(endpoint, &[DEFAULT_ALPN]))
    }

    fn dial_alpn<'a>(&'a self, endpoint: &'a Endpoint, alpn: &'a [&'a str]) -> BoxFuture<'a, Result<BoxIo>> {
        Box::pin(self.dial(endpoint, alpn))
    }
}

struct Tcp {
    listener: TcpListener,
    bound: SocketAddr,
    user_timeout: Option<Duration>,
}

impl Listener for Tcp {
    fn endpoint(&self) -> Endpoint {
        Endpoint::new("tcp", self.bound.to_string())
    }

    fn accept(&self) -> BoxFuture<'_, Result<Accepted>> {
        Box::pin(async move {
            let (stream, from) =
                self.listener.accept().await.map_err(|error| Status::resource_exhausted(error.to_string()))?;
            tune(&stream, self.user_timeout);
            let peer = Peer::new("tcp", from.to_string(), from.ip().to_canonical().is_loopback());
            Ok(Accepted { io: Box::pin(stream), peer })
        })
    }
}

fn bind(addresses: &[SocketAddr]) -> io::Result<TcpListener> {
    let mut result = Err(io::Error::other("the name has no address"));
    for address in addresses {
        let bound = (|| {
            let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            // A restart may bind at once, while connections of before are still in TIME_WAIT.
            socket.set_reuseaddr(true)?;
            socket.bind(*address)?;
            socket.listen(BACKLOG)
        })();
        match bound {
            Ok(listener) => return Ok(listener),
            Err(error) => result = Err(error),
        }
    }
    result
}

/// Options that make a connection better and are no reason to refuse it where they fail.
fn tune(stream: &TcpStream, user_timeout: Option<Duration>) {
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_keepalive(&KEEPALIVE);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if user_timeout.is_some() {
        let _ = socket.set_tcp_user_timeout(user_timeout);
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = user_timeout;
}

async fn resolve(address: &str) -> io::Result<Vec<SocketAddr>> {
    match address.parse() {
        Ok(address) => Ok(vec![address]),
        // The system's resolver takes its time on a thread of its own; dropping the future leaves it.
        Err(_) => Ok(tokio::net::lookup_host(address).await?.take(MAX_ADDRESSES).collect()),
    }
}

/// Connects to the first address that answers.
async fn connect(address: &str) -> io::Result<TcpStream> {
    let addresses = resolve(address).await?;
    let mut untried = addresses.into_iter();
    let mut last = io::Error::other("the name has no address");
    let mut trying = FuturesUnordered::new();
    trying.extend(untried.next().map(TcpStream::connect));
    loop {
        let all_tried = untried.len() == 0;
        let patience = pin!(async move {
            match all_tried {
                true => std::future::pending().await,
                false => tokio::time::sleep(HEAD_START).await,
            }
        });
        match select(trying.next(), patience).await {
            Either::Left((Some(Ok(stream)), _)) => return Ok(stream),
            Either::Left((Some(Err(error)), _)) => last = error,
            Either::Left((None, _)) if all_tried => return Err(last),
            _ => {}
        }
        trying.extend(untried.next().map(TcpStream::connect));
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn bytes_travel_both_ways_and_the_peer_is_local() {
        for address in ["127.0.0.1:0", "[::1]:0", "localhost:0"] {
            let transport = TcpTransport::new();
            let listener = transport.listen(address).await.expect("a port is free");
            let endpoint = listener.endpoint();
            let (dialled, accepted) = tokio::join!(Transport::dial(&transport, &endpoint), listener.accept());
            let (mut near, far) = (dialled.expect("listening"), accepted.expect("dialled"));
            assert!(far.peer.local, "{address}");
            let mut io = far.io;
            near.write_all(b"ping").await.expect("open");
            let mut buffer = [0; 4];
            io.read_exact(&mut buffer).await.expect("open");
            assert_eq!(&buffer, b"ping");
        }
    }

    #[tokio::test]
    async fn sockets_do_not_wait_to_send() {
        let listener = bind(&["127.0.0.1:0".parse().expect("an address")]).expect("a port is free");
        let stream = connect(&listener.local_addr().expect("bound").to_string()).await.expect("listening");
        tune(&stream, Some(USER_TIMEOUT));
        assert!(stream.nodelay().expect("open"));
        #[cfg(target_os = "linux")]
        assert_eq!(SockRef::from(&stream).tcp_user_timeout().expect("open"), Some(USER_TIMEOUT));
    }

    #[tokio::test]
    async fn a_dial_that_fails_was_provably_not_executed() {
        let listener = bind(&["127.0.0.1:0".parse().expect("an address")]).expect("a port is free");
        let address = listener.local_addr().expect("bound").to_string();
        drop(listener);
        let transport = TcpTransport::new();
        let error = transport.dial(&Endpoint::new("tcp", &address), &[]).await.err().expect("nobody listens");
        assert_eq!((error.code(), error.executed()), (motet_core::Code::Unavailable, Executed::No));
        assert!(error.message().contains("refused"), "{error}");
    }

    #[tokio::test]
    async fn a_taken_port_and_a_bad_address_are_told_apart() {
        let transport = TcpTransport::new();
        let listener = transport.listen("127.0.0.1:0").await.expect("a port is free");
        let taken = transport.listen(&listener.endpoint().address).await.err().expect("taken");
        assert_eq!(taken.code(), motet_core::Code::Unavailable);
        let bad = transport.listen("127.0.0.1").await.err().expect("no port");
        assert_eq!(bad.code(), motet_core::Code::InvalidArgument);
    }
}

//! One connection, from its first byte to the protocol that serves it.

use std::{
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{Arc, atomic::AtomicU64},
    task::Poll,
    time::Duration,
};

use bytes::{Buf, BytesMut};
use futures_util::future::{Either, select};
use motet_core::{Accepted, BoxIo, Drain, Endpoint, Incoming, Offence, Peer, RunningCalls};
use tokio::{
    io::{AsyncRead, ReadBuf},
    time::{Instant, timeout_at},
};

use super::{
    Front,
    admission::Seat,
    count,
    prefixed::Prefixed,
    proxy::{ProxyHeader, ProxySource},
    recognise::{MAX_FIRST, Verdict, is_http, is_tls, recognise},
    refusal::bad_request,
};

/// How much is read at once while the first bytes are looked at.
const CHUNK: usize = 1024;
/// What a connection that was made just before the stop has to say something.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// The first bytes of a connection, and the rest of it.
struct First {
    bytes: BytesMut,
    io: BoxIo,
    /// No more will come.
    ended: bool,
    head_by: Instant,
}

/// Why a connection was closed before a protocol got it.
enum Closed {
    /// It ended, or the server stops; nothing to say.
    Quietly,
    /// It was silent and others needed its place.
    MadeRoom,
    /// Its first byte did not come in time.
    NeverSpoke,
    /// Its first bytes took too long.
    TooSlow,
    /// No protocol recognises it.
    Unrecognised(First),
    /// It speaks no TLS and must.
    Plaintext(First),
    /// The TLS handshake failed, or what was agreed in it was broken.
    Tls(String),
    /// The header of the PROXY protocol breaks a rule.
    Proxy(&'static str),
}

/// Serves a connection to its end.
pub(super) async fn run(accepted: Accepted, mut seat: Seat, tls: bool, at: Arc<Endpoint>, front: Arc<Front>) {
    let _held = front.drain.hold();
    let mut peer = accepted.peer;
    // Boxed and dropped before the protocol serves: an idle connection keeps none of it.
    let opening = Box::pin(open(accepted.io, &mut peer, &mut seat, tls, &front)).await;
    match opening {
        Ok(Opened { protocol, io, head_by }) => {
            let incoming = Incoming::new(io, peer, head_by, front.dispatcher.clone(), front.drain.clone());
            let incoming = incoming.with_offences(front.counters.offences.clone()).with_listener(at);
            front.protocols[protocol].serve(incoming).await;
        }
        Err(closed) => Box::pin(closed.report(&front, &peer.address, tls)).await,
    }
}

/// A connection whose protocol is known.
struct Opened {
    protocol: usize,
    io: BoxIo,
    head_by: Instant,
}

/// Finds the protocol of a connection, and who its peer is.
async fn open(io: BoxIo, peer: &mut Peer, seat: &mut Seat, tls: bool, front: &Front) -> Result<Opened, Closed> {
    peer.running = RunningCalls::counted();
    let mut first = First::read(io, seat, front).await?;
    if front.believes(peer) {
        first = behind_proxy(first, peer, seat, front).await?;
    }
    if let Some(acceptor) = front.tls.as_ref().filter(|_| tls) {
        if first.until_decided(is_tls).await? == Verdict::Nobody {
            if !front.allow_plaintext {
                return Err(Closed::Plaintext(first));
            }
        } else {
            let io: BoxIo = Box::pin(Prefixed::new(first.bytes, first.io));
            let (io, established) = match timeout_at(first.head_by, acceptor.accept(io)).await {
                Ok(accepted) => accepted.map_err(Closed::Tls)?,
                Err(_) => return Err(Closed::TooSlow),
            };
            peer.tls = Some(established);
            seat.silent();
            first = First::read(io, seat, front).await?;
            if is_tls(&first.bytes) == Verdict::Speaks(0) {
                return Err(Closed::Tls("TLS inside TLS is refused".to_owned()));
            }
        }
    }
    let encrypted = peer.tls.is_some();
    loop {
        match recognise(&front.protocols, &first.bytes, encrypted, first.ended) {
            Verdict::Speaks(n) => {
                agreed(peer, front.protocols[n].alpn())?;
                front.protocols[n].name().clone_into(&mut peer.protocol);
                let io: BoxIo = match first.bytes.is_empty() {
                    true => first.io,
                    false => Box::pin(Prefixed::new(first.bytes, first.io)),
                };
                return Ok(Opened { protocol: n, io, head_by: first.head_by });
            }
            Verdict::More => first.more().await?,
            Verdict::Nobody => {
                first.until_decided(is_http).await?;
                first.until_decided(is_proxy).await?;
                return Err(Closed::Unrecognised(first));
            }
        }
    }
}

/// Takes the header of the PROXY protocol off, if there is one: the peer is who is behind the proxy.
async fn behind_proxy(mut first: First, peer: &mut Peer, seat: &mut Seat, front: &Front) -> Result<First, Closed> {
    let (length, source) = loop {
        match ProxyHeader::read(&first.bytes) {
            ProxyHeader::Absent => return Ok(first),
            ProxyHeader::Read(length, source) => break (length, source),
            ProxyHeader::Wrong(why) => return Err(Closed::Proxy(why)),
            ProxyHeader::More if first.ended => return Err(Closed::Proxy("it has no end")),
            ProxyHeader::More => first.more().await?,
        }
    };
    first.bytes.advance(length);
    match source {
        ProxySource::Proxy => {}
        // Whoever it is, nobody says that it is on this machine.
        ProxySource::Unknown => peer.local = false,
        ProxySource::At(address) => {
            peer.local &= address.ip().to_canonical().is_loopback();
            peer.address = address.to_string();
        }
    }
    if !first.bytes.is_empty() {
        return Ok(first);
    }
    // The header came by itself; who is behind the proxy may take its time as others may.
    seat.silent();
    First::read(first.io, seat, front).await
}

/// Whether these bytes begin a header of the PROXY protocol.
fn is_proxy(first: &[u8]) -> Verdict {
    match ProxyHeader::read(first) {
        ProxyHeader::Absent => Verdict::Nobody,
        // A few bytes may begin something else yet.
        ProxyHeader::More if first.len() < 12 && !first.starts_with(b"PROXY ") => Verdict::More,
        _ => Verdict::Speaks(0),
    }
}

impl Front {
    /// Whether the peer may say that it speaks for another.
    fn believes(&self, peer: &Peer) -> bool {
        let address = || peer.address.parse::<SocketAddr>().ok().map(|address| address.ip());
        !self.proxy_from.is_empty()
            && address().is_some_and(|address| self.proxy_from.iter().any(|network| network.contains(address)))
    }
}

/// An ALPN name that was agreed on must be that of the protocol that is spoken.
fn agreed(peer: &Peer, spoken: Option<&str>) -> Result<(), Closed> {
    match peer.tls.as_ref().and_then(|tls| tls.alpn.as_deref()) {
        Some(agreed) if spoken != Some(agreed) => Err(Closed::Tls(format!(
            "ALPN agreed on {agreed}, the bytes speak {}",
            spoken.unwrap_or("another protocol")
        ))),
        _ => Ok(()),
    }
}

impl First {
    /// Waits for the first byte: for long, but not for ever, and only while there is room for silent
    /// connections.
    async fn read(mut io: BoxIo, seat: &mut Seat, front: &Front) -> Result<First, Closed> {
        let mut bytes = BytesMut::new();
        {
            let reading = pin!(read_some(&mut io, &mut bytes));
            let (evicted, stopping) = (pin!(seat.evicted()), pin!(last_words(&front.drain)));
            let waiting = select(reading, select(evicted, stopping));
            match tokio::time::timeout(front.idle_first_byte, waiting).await {
                Ok(Either::Left((Ok(1..), _))) => {}
                Ok(Either::Right((Either::Left(_), _))) => return Err(Closed::MadeRoom),
                Err(_) => return Err(Closed::NeverSpoke),
                Ok(Either::Left(_) | Either::Right(_)) => return Err(Closed::Quietly),
            }
        }
        seat.speaks();
        Ok(First { bytes, io, ended: false, head_by: Instant::now() + front.head_timeout })
    }

    /// Reads on; at the end of input nothing more comes.
    async fn more(&mut self) -> Result<(), Closed> {
        match timeout_at(self.head_by, read_some(&mut self.io, &mut self.bytes)).await {
            Err(_) => Err(Closed::TooSlow),
            Ok(Err(_)) => Err(Closed::Quietly),
            Ok(Ok(n)) => {
                self.ended = n == 0;
                Ok(())
            }
        }
    }

    /// Reads on until a question about the first bytes has an answer.
    async fn until_decided(&mut self, question: fn(&[u8]) -> Verdict) -> Result<Verdict, Closed> {
        loop {
            match question(&self.bytes) {
                Verdict::More if self.ended => return Ok(Verdict::Nobody),
                Verdict::More => self.more().await?,
                verdict => return Ok(verdict),
            }
        }
    }
}

async fn last_words(drain: &Drain) {
    drain.draining().await;
    tokio::time::sleep(LAST_WORDS).await;
}

/// Appends what is there, at most up to [`MAX_FIRST`]; the buffer is on the stack while it waits.
async fn read_some(io: &mut BoxIo, bytes: &mut BytesMut) -> std::io::Result<usize> {
    std::future::poll_fn(|cx| {
        let mut chunk = [0; CHUNK];
        let mut chunk = ReadBuf::new(&mut chunk[..CHUNK.min(MAX_FIRST - bytes.len())]);
        std::task::ready!(Pin::new(&mut *io).poll_read(cx, &mut chunk))?;
        bytes.extend_from_slice(chunk.filled());
        Poll::Ready(Ok(chunk.filled().len()))
    })
    .await
}

impl Closed {
    /// Counts it, tells the operator, and a client that can read it.
    async fn report(self, front: &Front, peer: &str, tls: bool) {
        let counters = &front.counters;
        match self {
            Closed::Quietly => {}
            Closed::MadeRoom => {
                if counters.crowded.lets_through() {
                    tracing::warn!(peer, "too many silent connections, the oldest is closed; told once a second");
                }
            }
            Closed::NeverSpoke => {
                count(&counters.never_spoke);
                tracing::debug!(peer, within = ?front.idle_first_byte, "closed: it said nothing");
            }
            Closed::TooSlow => {
                count(&counters.too_slow);
                tracing::info!(peer, within = ?front.head_timeout, "closed: the first bytes were not complete in time");
            }
            Closed::Tls(problem) => {
                count(&counters.tls_failed);
                tracing::info!(peer, problem, "closed: TLS failed");
            }
            Closed::Proxy(problem) => {
                counters.offences.count(Offence::Malformed, 1);
                tracing::info!(peer, problem, "closed: the header of the PROXY protocol is wrong");
            }
            Closed::Plaintext(first) | Closed::Unrecognised(first) if is_proxy(&first.bytes) == Verdict::Speaks(0) => {
                let sentence =
                    "A header of the PROXY protocol is believed once, and from the networks of server.proxy_from only.";
                first.refuse(&counters.unrecognised, front, peer, sentence).await;
            }
            Closed::Plaintext(first) => {
                let sentence = "This port speaks TLS only: use https, or set server.allow_plaintext.";
                first.refuse(&counters.plaintext_refused, front, peer, sentence).await;
            }
            Closed::Unrecognised(first) if !tls && is_tls(&first.bytes) == Verdict::Speaks(0) => {
                let sentence = "This port has no TLS configured: set server.tls.";
                first.refuse(&counters.unrecognised, front, peer, sentence).await;
            }
            Closed::Unrecognised(first) => {
                let sentence =
                    format!("No protocol enabled on this port recognises this. Enabled: {}.", front.spoken());
                first.refuse(&counters.unrecognised, front, peer, &sentence).await;
            }
        }
    }
}

impl First {
    async fn refuse(self, counter: &AtomicU64, front: &Front, peer: &str, sentence: &str) {
        count(counter);
        let first = hex(&self.bytes[..self.bytes.len().min(16)]);
        tracing::info!(peer, first, enabled = front.spoken(), "closed: {sentence}");
        if is_http(&self.bytes) == Verdict::Speaks(0) {
            bad_request(self.io, sentence, self.head_by).await;
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

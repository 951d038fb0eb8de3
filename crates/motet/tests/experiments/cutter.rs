//! A proxy that cuts the connections which run through it where it is told to.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::timeout,
};

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cut {
    /// Before the caller's next bytes are passed on.
    Before,
    /// In the middle of them.
    Within,
    /// Behind them.
    After,
    /// Before the server's next bytes after them are passed on.
    Answer,
    /// In the middle of those.
    WithinAnswer,
}

impl Cut {
    pub(crate) const ALL: [Cut; 5] = [Cut::Before, Cut::Within, Cut::After, Cut::Answer, Cut::WithinAnswer];

    fn waits_for_the_answer(self) -> bool {
        matches!(self, Cut::Answer | Cut::WithinAnswer)
    }
}

/// A proxy in front of one server. Dropping it closes everything.
pub(crate) struct Cutter {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    server: SocketAddr,
    next: Mutex<Option<Cut>>,
    cuts: watch::Sender<u64>,
    /// Whether it is to listen, and whether it does.
    open: watch::Sender<bool>,
    listens: watch::Sender<bool>,
}

impl Cutter {
    pub(crate) async fn start(server: SocketAddr) -> Cutter {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let shared = Arc::new(Shared {
            server,
            next: Mutex::default(),
            cuts: watch::Sender::new(0),
            open: watch::Sender::new(true),
            listens: watch::Sender::new(true),
        });
        let accepting = tokio::spawn(accept(listener, address, shared.clone()));
        Cutter { address, shared, accepting }
    }

    /// Cuts one connection once, as soon as this can be done.
    pub(crate) fn cut(&self, cut: Cut) {
        *self.next() = Some(cut);
    }

    /// Whether nothing is left to be cut.
    pub(crate) fn has_cut(&self) -> bool {
        self.next().is_none()
    }

    /// How many connections were cut by [`Cutter::cut`].
    pub(crate) fn cuts(&self) -> u64 {
        *self.shared.cuts.borrow()
    }

    /// Closes all connections; until [`Cutter::accept`] others are refused.
    pub(crate) async fn refuse(&self) {
        self.listen(false).await;
    }

    /// Takes connections again.
    pub(crate) async fn accept(&self) {
        self.listen(true).await;
    }

    async fn listen(&self, open: bool) {
        self.shared.open.send_replace(open);
        let mut listens = self.shared.listens.subscribe();
        let done = timeout(PATIENCE, listens.wait_for(|listens| *listens == open)).await;
        done.expect("the port is free").expect("the task runs");
    }

    fn next(&self) -> std::sync::MutexGuard<'_, Option<Cut>> {
        self.shared.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(mut listener: TcpListener, address: SocketAddr, shared: Arc<Shared>) {
    let mut open = shared.open.subscribe();
    loop {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    if let Ok((caller, _)) = accepted {
                        connections.spawn(pass(caller, shared.clone()));
                    }
                }
                _ = open.wait_for(|open| !*open) => break,
            }
            while connections.try_join_next().is_some() {}
        }
        drop(listener);
        connections.shutdown().await;
        shared.listens.send_replace(false);
        let _ = open.wait_for(|open| *open).await;
        listener = loop {
            match TcpListener::bind(address).await {
                Ok(listener) => break listener,
                // Somebody else's connection has the port for a moment.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        shared.listens.send_replace(true);
    }
}

/// Passes bytes on until one side ends, or until the connection is cut: dropping the sockets does it.
async fn pass(mut caller: TcpStream, shared: Arc<Shared>) -> std::io::Result<()> {
    let mut server = TcpStream::connect(shared.server).await?;
    caller.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut asked, mut answered) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let mut answer_cut = None;
    let done = |cut: Cut| {
        tracing::trace!(?cut, "cut");
        shared.cuts.send_modify(|cuts| *cuts += 1);
        Ok(())
    };
    loop {
        tokio::select! {
            read = caller.read(&mut asked) => {
                let bytes = &asked[..read?];
                if bytes.is_empty() {
                    return Ok(());
                }
                let cut = shared.next.lock().unwrap_or_else(PoisonError::into_inner).take();
                match cut {
                    Some(Cut::Before) => return done(Cut::Before),
                    Some(Cut::Within) => {
                        server.write_all(&bytes[..bytes.len() / 2]).await?;
                        return done(Cut::Within);
                    }
                    _ => server.write_all(bytes).await?,
                }
                if cut == Some(Cut::After) {
                    return done(Cut::After);
                }
                answer_cut = cut.filter(|cut| cut.waits_for_the_answer()).or(answer_cut);
            }
            read = server.read(&mut answered) => {
                let bytes = &answered[..read?];
                match answer_cut {
                    _ if bytes.is_empty() => return Ok(()),
                    Some(cut) => {
                        let passed = if cut == Cut::WithinAnswer { bytes.len() / 2 } else { 0 };
                        caller.write_all(&bytes[..passed]).await?;
                        return done(cut);
                    }
                    None => caller.write_all(bytes).await?,
                }
            }
        }
    }
}

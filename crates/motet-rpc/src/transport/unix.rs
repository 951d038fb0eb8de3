//! Unix sockets.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use motet_core::{Accepted, BoxFuture, BoxIo, Endpoint, Executed, Listener, Peer, Result, Status, Transport};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{UnixListener, UnixStream};

use super::tls::{ClientTls, DEFAULT_ALPN, dial_tls};

/// The longest path that every system takes: `sun_path` is 108 bytes on Linux and 104 on BSD and
/// macOS, the last one being zero.
const MAX_PATH: usize = 103;
/// How long to wait for another process that takes a socket in the same directory.
const LOCK_FOR: Duration = Duration::from_secs(2);

/// Unix sockets, for addresses such as `/run/greeter.sock`.
///
/// The file is made with mode 0600 and removed when the listener is dropped. A socket file that a
/// dead process left behind is replaced; one that somebody listens at, or a file of another kind, is
/// refused.
#[derive(Clone, Debug, Default)]
pub struct UnixTransport {
    tls: Option<ClientTls>,
}

impl UnixTransport {
    /// Unix sockets that dial no TLS.
    pub fn new() -> UnixTransport {
        UnixTransport::default()
    }

    /// Sets how endpoints that speak TLS are dialled.
    #[must_use]
    pub fn with_tls(mut self, tls: ClientTls) -> UnixTransport {
        self.tls = Some(tls);
        self
    }

    async fn dial(&self, endpoint: &Endpoint, alpn: &[&str]) -> Result<BoxIo> {
        let stream = UnixStream::connect(&endpoint.address)
            .await
            .map_err(|error| Status::unavailable(error.to_string()).with_executed(Executed::No))?;
        match endpoint.tls {
            true => dial_tls(self.tls.as_ref(), endpoint, alpn, Box::pin(stream)).await,
            false => Ok(Box::pin(stream)),
        }
    }
}

impl Transport for UnixTransport {
    fn scheme(&self) -> &str {
        "unix"
    }

    fn listen<'a>(&'a self, address: &'a str) -> BoxFuture<'a, Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let path = std::path::absolute(address)
                .map_err(|error| Status::invalid_argument(format!("listen address unix://{address}: {error}")))?;
            let at = path.clone();
            let bound = tokio::task::spawn_blocking(move || bind(&at)).await;
            let (socket, identity) = bound.map_err(|_| Status::internal("binding a Unix socket panicked"))??;
            let listener = UnixListener::from_std(socket).map_err(|error| refused(&path, &error.to_string()))?;
            Ok(Box::new(UnixSocket { listener, path, identity }) as Box<dyn Listener>)
        })
    }

    fn dial<'a>(&'a self, endpoint: &'a Endpoint) -> BoxFuture<'a, Result<BoxIo>> {
        Box::pin(self.dial(endpoint, &[DEFAULT_ALPN]))
    }

    fn dial_alpn<'a>(&'a self, endpoint: &'a Endpoint, alpn: &'a [&'a str]) -> BoxFuture<'a, Result<BoxIo>> {
        Box::pin(self.dial(endpoint, alpn))
    }
}

struct UnixSocket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the file that we made.
    identity: (u64, u64),
}

impl Listener for UnixSocket {
    fn endpoint(&self) -> Endpoint {
        Endpoint::new("unix", self.path.to_string_lossy())
    }

    fn accept(&self) -> BoxFuture<'_, Result<Accepted>> {
        Box::pin(async move {
            let (stream, _) =
                self.listener.accept().await.map_err(|error| Status::resource_exhausted(error.to_string()))?;
            let peer = Peer::new("unix", self.path.to_string_lossy(), true);
            Ok(Accepted { io: Box::pin(stream), peer })
        })
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        // Another process may have put its own socket there: that one stays.
        if identity(&self.path).is_ok_and(|now| now == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn refused(path: &Path, problem: &str) -> Status {
    Status::unavailable(format!("cannot listen at unix://{}: {problem}", path.display()))
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

/// Binds under a name of our own, restricts it to the owner, and only then gives it the name that
/// others know: at no moment can another user connect.
fn bind(path: &Path) -> Result<(std::os::unix::net::UnixListener, (u64, u64))> {
    let fail = |error: io::Error| refused(path, &error.to_string());
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Status::invalid_argument(format!("unix://{} names no file", path.display())));
    };
    let mut ours = name.to_owned();
    ours.push("~");
    let ours = directory.join(ours);
    let length = ours.as_os_str().len();
    if length > MAX_PATH {
        return Err(Status::invalid_argument(format!(
            "unix://{} is {} bytes long, the system allows {}: choose a shorter path",
            path.display(),
            length - 1,
            MAX_PATH - 1
        )));
    }
    // Two processes that find the same dead socket must not replace each other's.
    let _locked = lock(directory).map_err(fail)?;
    check_vacant(path)?;
    match fs::remove_file(&ours) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
        _ => {}
    }
    let listener = std::os::unix::net::UnixListener::bind(&ours).map_err(fail)?;
    let placed = (|| {
        fs::set_permissions(&ours, fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        let identity = identity(&ours)?;
        fs::rename(&ours, path)?;
        Ok(identity)
    })();
    match placed {
        Ok(identity) => Ok((listener, identity)),
        Err(error) => {
            let _ = fs::remove_file(&ours);
            Err(fail(error))
        }
    }
}

fn lock(directory: &Path) -> io::Result<fs::File> {
    let file = fs::File::open(directory)?;
    let until = std::time::Duration::from_millis(10);
    for _ in 0..LOCK_FOR.as_millis() / until.as_millis() {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::WouldBlock) => std::thread::sleep(until),
            Err(fs::TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, "another process holds the lock of the directory"))
}

/// There is nothing at this path, or only what a dead process left.
fn check_vacant(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(refused(path, &error.to_string())),
        Ok(found) if !found.file_type().is_socket() => {
            Err(refused(path, "there is a file that is no socket; remove it or choose another path"))
        }
        Ok(_) if is_listened_at(path).map_err(|error| refused(path, &error.to_string()))? => {
            Err(refused(path, "another process listens there; stop it or choose another path"))
        }
        Ok(_) => Ok(()),
    }
}

fn is_listened_at(path: &Path) -> io::Result<bool> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A full backlog must not block us; it is a sign of life.
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Ok(()) => Ok(true),
        Err(error) => match error.kind() {
            io::ErrorKind::WouldBlock => Ok(true),
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Ok(false),
            _ => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use motet_core::Code;

    use super::*;

    fn path() -> (tempfile::TempDir, String) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("s").to_string_lossy().into_owned();
        (directory, path)
    }

    async fn listen(path: &str) -> Result<Box<dyn Listener>> {
        UnixTransport::new().listen(path).await
    }

    #[tokio::test]
    async fn the_socket_is_its_owner_s_only_and_goes_with_the_listener() {
        let (directory, path) = path();
        let listener = listen(&path).await.expect("vacant");
        assert_eq!(fs::symlink_metadata(&path).expect("there").mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&directory).expect("there").count(), 1, "nothing else is left behind");
        let endpoint = listener.endpoint();
        let transport = UnixTransport::new();
        let (dialled, accepted) = tokio::join!(Transport::dial(&transport, &endpoint), listener.accept());
        assert!(dialled.is_ok() && accepted.expect("dialled").peer.local);
        drop(listener);
        assert!(!Path::new(&path).exists());
        let gone = Transport::dial(&transport, &endpoint).await.err().expect("gone");
        assert_eq!((gone.code(), gone.executed()), (Code::Unavailable, Executed::No));
    }

    #[tokio::test]
    async fn a_dead_process_s_socket_is_replaced_and_a_live_one_refused() {
        let (_directory, path) = path();
        drop(std::os::unix::net::UnixListener::bind(&path).expect("vacant"));
        assert!(Path::new(&path).exists(), "the standard library leaves it behind");
        let live = listen(&path).await.expect("stale");
        let error = listen(&path).await.err().expect("live");
        assert!(error.code() == Code::Unavailable && error.message().contains("another process"), "{error}");
        drop(live);
        assert!(listen(&path).await.is_ok());
    }

    #[tokio::test]
    async fn other_files_and_long_paths_are_refused() {
        let (directory, path) = path();
        fs::write(&path, "precious").expect("writable");
        assert!(listen(&path).await.err().expect("a file").message().contains("no socket"));
        assert_eq!(fs::read(&path).expect("still there"), b"precious");
        let long = directory.path().join("x".repeat(200));
        let error = listen(&long.to_string_lossy()).await.err().expect("too long");
        assert!(error.code() == Code::InvalidArgument && error.message().contains("shorter"), "{error}");
    }

    #[tokio::test]
    async fn a_socket_that_took_our_place_stays() {
        let (_directory, path) = path();
        let listener = listen(&path).await.expect("vacant");
        fs::remove_file(&path).expect("ours");
        let other = std::os::unix::net::UnixListener::bind(&path).expect("vacant");
        drop(listener);
        assert!(Path::new(&path).exists());
        drop(other);
    }
}

//! The registry.

use std::{fmt, sync::Arc, time::Duration};

use motet_core::{
    Abilities, BoxFuture, Node, Registration, Registry, Result, ServiceSummary, Status, Watch, WatchAbility,
};

use crate::{
    FileConfig,
    folder::Folder,
    hold::TemporaryNames,
    registration::{Desk, Entry, FileRegistration},
    scan::{Nodes, Scan},
    watch::{Hub, of},
};

/// How long a record may outlive its owner, at most.
const LEASE: Duration = Duration::from_secs(1);

/// A registry that the processes of one machine share; see the crate's documentation.
///
/// Clones are one registry: they share what they know of the folder and the one task that looks at
/// it, which runs while there are registrations or watches, on the runtime of the first of them.
/// Registries that were opened apart are as two processes to each other.
///
/// ```no_run
/// # fn main() -> motet_core::Result<()> {
/// use motet_registry_file::{FileConfig, FileRegistry};
///
/// let shared_by_this_user = FileRegistry::open(FileConfig::default())?;
/// let of_one_project = FileRegistry::open(FileConfig::from_url("file:///home/ada/project/.motet")?)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct FileRegistry {
    desk: Arc<Desk>,
    hub: Arc<Hub>,
    poll: Duration,
}

impl FileRegistry {
    /// Opens the registry, and creates its folder if it is absent. Blocks for a few system calls.
    ///
    /// # Errors
    /// InvalidArgument for a configuration out of range; FailedPrecondition for a folder that is a
    /// symbolic link, belongs to another user or lets others in; PermissionDenied,
    /// ResourceExhausted (a full disk) or Unavailable when it cannot be created.
    pub fn open(config: FileConfig) -> Result<FileRegistry> {
        let folder = Folder::new(config.checked()?);
        folder.ensure()?;
        let hub = Arc::new(Hub::new(config.poll, Scan::new(folder.clone())));
        let desk = Arc::new(Desk { folder, names: TemporaryNames::new() });
        Ok(FileRegistry { desk, hub, poll: config.poll })
    }

    async fn nodes(&self) -> Result<Arc<Nodes>> {
        let (hub, begun) = (self.hub.clone(), self.hub.begun());
        blocking(move || hub.refresh(begun)).await
    }
}

impl Registry for FileRegistry {
    fn url(&self) -> String {
        format!("file://{}", self.desk.folder.path().display())
    }

    fn abilities(&self) -> Abilities {
        let lease = LEASE.max(self.poll * 3);
        let mut abilities = Abilities::new(Some(lease), WatchAbility::Poll(self.poll));
        abilities.granularity = self.poll;
        abilities
    }

    /// Records a node. The `ttl` is not needed: an owner's end frees its lock at once.
    fn register(&self, node: Node, _: Duration) -> BoxFuture<'_, Result<Box<dyn Registration>>> {
        Box::pin(async move {
            let (desk, hub) = (self.desk.clone(), self.hub.clone());
            let entry = blocking(move || Entry::create(desk, node)).await?;
            let entry = Arc::new(entry);
            hub.keep(&entry);
            Ok(Box::new(FileRegistration::new(entry, hub)) as Box<dyn Registration>)
        })
    }

    fn lookup<'a>(&'a self, service: &'a str) -> BoxFuture<'a, Result<Vec<Node>>> {
        Box::pin(async move { Ok(of(&*self.nodes().await?, service).to_vec()) })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<ServiceSummary>>> {
        Box::pin(async move {
            let nodes = self.nodes().await?;
            let all: Vec<_> = nodes.values().flat_map(|nodes| nodes.iter().cloned()).collect();
            Ok(ServiceSummary::of(&all))
        })
    }

    fn watch<'a>(&'a self, service: &'a str) -> BoxFuture<'a, Result<Watch>> {
        Box::pin(async move {
            self.nodes().await?;
            Ok(self.hub.watch(service.to_owned()))
        })
    }
}

impl fmt::Debug for FileRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileRegistry").field("url", &self.url()).field("poll", &self.poll).finish_non_exhaustive()
    }
}

/// Runs what touches the disk where it may block. When the future is dropped it runs to its end, and
/// its result is dropped with what it holds.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => Err(Status::internal("the file registry panicked").with_source(error)),
        Err(_) => Err(Status::unavailable("the runtime is shutting down")),
    }
}

//! Where files cannot be told apart and locked as the registry needs it.

use std::{convert::Infallible, time::Duration};

use motet_core::{Abilities, BoxFuture, Node, Registration, Registry, Result, ServiceSummary, Status, Watch};

use crate::FileConfig;

/// A registry that the processes of one machine share. It needs a Unix system; elsewhere it cannot
/// be opened.
#[derive(Clone, Debug)]
pub struct FileRegistry(Infallible);

impl FileRegistry {
    /// Says that this system has no file registry.
    ///
    /// # Errors
    /// Unimplemented, always.
    pub fn open(_: FileConfig) -> Result<FileRegistry> {
        Err(Status::unimplemented("the file registry needs a Unix system: configure another registry, such as memory:"))
    }
}

impl Registry for FileRegistry {
    fn url(&self) -> String {
        match self.0 {}
    }

    fn abilities(&self) -> Abilities {
        match self.0 {}
    }

    fn register(&self, _: Node, _: Duration) -> BoxFuture<'_, Result<Box<dyn Registration>>> {
        match self.0 {}
    }

    fn lookup<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<Node>>> {
        match self.0 {}
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<ServiceSummary>>> {
        match self.0 {}
    }

    fn watch<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Watch>> {
        match self.0 {}
    }
}

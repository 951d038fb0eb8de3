//! The registries of the core keep the rules.

use motet_core::{BoxFuture, MemoryRegistry, Node, Result, StaticRegistry};
use motet_testkit::registry::{Keep, RegistryHarness, Shared};

struct Memory(MemoryRegistry);

impl RegistryHarness for Memory {
    fn open(&self) -> BoxFuture<'_, Result<Shared>> {
        Box::pin(async { Ok(Shared::from(self.0.clone())) })
    }
}

struct Fixed;

impl RegistryHarness for Fixed {
    fn open(&self) -> BoxFuture<'_, Result<Shared>> {
        Box::pin(async { Ok(Shared::from(StaticRegistry::default())) })
    }

    fn open_with(&self, nodes: Vec<Node>) -> BoxFuture<'_, Result<(Shared, Keep)>> {
        Box::pin(async { Ok((Shared::from(StaticRegistry::new(nodes)?), Box::new(()) as Keep)) })
    }
}

mod memory {
    use super::*;

    motet_testkit::registry_conformance!(Memory(MemoryRegistry::new()));
}

mod fixed {
    use super::*;

    motet_testkit::registry_conformance!(Fixed);
}

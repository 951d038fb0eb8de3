//! The nodes that an App registers: one for each of its services.

use std::time::Duration;

use motet_core::{Code, Endpoint, Node, NodeState, Registration, Result, Service, WatchAbility};

use super::Shared;
use crate::config::ServiceSettings;

/// How often another id is drawn when one is taken: Apps with the same seed draw the same ids.
const TRIES: usize = 8;

/// Registers a service as starting; `None` where the registry takes no registrations.
///
/// # Errors
/// What the registry says, with the service's name.
pub(super) async fn register(
    shared: &Shared,
    service: &Service,
    endpoints: &[Endpoint],
) -> Result<Option<Box<dyn Registration>>> {
    if !shared.registry.abilities().register {
        tracing::debug!(service = service.name(), registry = shared.registry.url(), "this registry takes no nodes");
        return Ok(None);
    }
    let mut node = describe(shared, service, endpoints)?;
    let mut tries = 0;
    loop {
        match shared.registry.register(node.clone(), shared.settings.registry.ttl).await {
            Ok(registration) => return Ok(Some(registration)),
            Err(status) if status.code() == Code::AlreadyExists && tries < TRIES => {
                tries += 1;
                node.id = id(shared, service);
            }
            Err(status) => {
                let message = format!("service {} could not be registered: {}", service.name(), status.message());
                return Err(status.with_message(message));
            }
        }
    }
}

fn describe(shared: &Shared, service: &Service, endpoints: &[Endpoint]) -> Result<Node> {
    let settings = ServiceSettings::read(&shared.config, service.name())?;
    let descriptor = service.descriptor();
    let mut node = Node::new(service.name(), id(shared, service)).version(&descriptor.version);
    node.metadata = shared.settings.app.labels.clone();
    node.metadata.extend(settings.labels);
    node.zone.clone_from(&shared.settings.app.zone);
    node.weight = settings.weight;
    node.state = NodeState::Starting;
    node.descriptor_hash = descriptor.hash();
    node.methods = descriptor.methods.iter().map(|method| method.name.clone()).collect();
    node.endpoints = endpoints.to_vec();
    Ok(node)
}

/// The service's name and eight random digits, within the length that ids may have.
fn id(shared: &Shared, service: &Service) -> String {
    let name: String = service.name().chars().take(100).collect();
    format!("{name}-{:08x}", shared.entropy.next_u64() >> 32)
}

/// How long callers need to notice that a node is gone: nothing where they are told within this
/// process or are never told, else twice the interval at which they look, and at least a second.
pub(super) fn notice(shared: &Shared) -> Duration {
    let least = Duration::from_secs(1);
    shared.settings.app.drain_delay.unwrap_or_else(|| match shared.registry.abilities().watch {
        WatchAbility::Fixed => Duration::ZERO,
        WatchAbility::Push if shared.registry.url().starts_with("memory:") => Duration::ZERO,
        WatchAbility::Poll(every) => least.max(every * 2),
        _ => least,
    })
}

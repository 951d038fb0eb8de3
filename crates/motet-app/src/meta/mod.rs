//! The built-in service `motet.meta`: what runs in an App, how it is, what it has counted.
//!
//! Every App serves it beside its own services, under the name [`SERVICE`]; it is not registered:
//! tools call it at the node whose services they ask about. Its messages travel as MessagePack or
//! JSON. `health` answers everyone; the others answer callers on the same machine, callers with a
//! verified client certificate, and callers that send the configured `server.introspection_token` as
//! metadata [`TOKEN`]. `server.introspection = "anyone"` opens them to all. It guards itself: the
//! middleware of the App's own services is not around its calls.
//!
//! | method | request | reply |
//! |---|---|---|
//! | `describe` | [`Filter`] | [`DescribeReply`] |
//! | `health` | [`Empty`] | [`HealthReport`] |
//! | `stats` | [`Filter`] | [`StatsReport`] |
//! | `nodes` | [`Empty`] | [`NodesReply`] |

mod access;
mod handler;
#[cfg(feature = "http")]
mod insight;
mod messages;

use std::sync::{Arc, Weak};

use motet_core::{Context, Empty, MethodDescriptor, Result, Service, ServiceDescriptor, Status};

use crate::{HealthReport, app::Shared};

pub use access::TOKEN;
#[cfg(feature = "http")]
pub(crate) use insight::AppInsight;
pub use messages::{DescribeReply, Filter, NodesReply, StatsReport};

use handler::method;

/// The service's name.
pub const SERVICE: &str = "motet.meta";

/// The service of an App. It holds the App weakly: the App holds it.
pub(crate) fn service(shared: &Arc<Shared>) -> Result<Service> {
    let app = Arc::downgrade(shared);
    let parts = [
        method("describe", "Says what services run here: their methods, messages and documentation.", &app, describe),
        method("health", "Says whether this process lives and whether it should be called.", &app, health),
        method("stats", "Says what was counted for each method: calls, errors, latencies.", &app, stats),
        method("nodes", "Says what is registered from here, and where it can be reached.", &app, nodes),
    ];
    let mut descriptor = ServiceDescriptor::new(SERVICE, env!("CARGO_PKG_VERSION"))
        .docs("What runs in this process, how it is, and what it has counted.");
    let mut handlers = Vec::new();
    for (method, handler) in parts {
        descriptor.methods.push(Arc::<MethodDescriptor>::new(method));
        handlers.push(handler);
    }
    Service::new(descriptor, handlers)
}

fn alive(app: &Weak<Shared>) -> Result<Arc<Shared>> {
    app.upgrade().ok_or_else(|| Status::unavailable("the App has ended"))
}

async fn describe(app: Weak<Shared>, cx: Context, filter: Filter) -> Result<DescribeReply> {
    let app = alive(&app)?;
    access::check(&app.settings, &cx)?;
    let services = app.server.services();
    let wanted = |name: &str| filter.service.as_deref().map_or(name != SERVICE, |wanted| wanted == name);
    let mut found: Vec<_> = services.iter().filter(|service| wanted(service.name())).collect();
    if let (Some(service), true) = (&filter.service, found.is_empty()) {
        let shown: String = service.chars().filter(|c| !c.is_control()).take(128).collect();
        return Err(Status::not_found(format!("service {shown} does not run here")));
    }
    found.sort_by(|a, b| a.name().cmp(b.name()));
    Ok(DescribeReply { services: found.into_iter().map(|service| service.descriptor().clone()).collect() })
}

async fn health(app: Weak<Shared>, cx: Context, _: Empty) -> Result<HealthReport> {
    Ok(examine(&*alive(&app)?, &cx).await)
}

/// How the App is, as much of it as this caller may know.
async fn examine(app: &Shared, cx: &Context) -> HealthReport {
    let mut report = app.board.examine().await;
    if access::check(&app.settings, cx).is_err() {
        // A reason is text for operators: it may name hosts and users.
        report.modules.iter_mut().for_each(|module| module.reason = None);
    }
    report
}

async fn stats(app: Weak<Shared>, cx: Context, filter: Filter) -> Result<StatsReport> {
    let app = alive(&app)?;
    access::check(&app.settings, &cx)?;
    let mut report = StatsReport::of(&app);
    if let Some(service) = &filter.service {
        let of = |path: &str| path.split('/').next() == Some(service);
        report.server.retain(|method| of(&method.path));
        report.client.retain(|method| of(&method.path));
    }
    Ok(report)
}

async fn nodes(app: Weak<Shared>, cx: Context, _: Empty) -> Result<NodesReply> {
    let app = alive(&app)?;
    access::check(&app.settings, &cx)?;
    Ok(NodesReply {
        app: app.name.clone(),
        registry: app.registry.url(),
        endpoints: app.endpoints(),
        nodes: app.nodes(),
    })
}

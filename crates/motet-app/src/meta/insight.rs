//! What the built-in HTTP paths ask of an App.

use std::sync::{Arc, OnceLock, Weak};

use motet_core::{BoxFuture, Context, Result, Status};
use motet_protocol_http::{Counted, HealthAnswer, Insight};

use super::{access, examine};
use crate::app::Shared;

/// An App, once it is put together. It holds the App weakly: the App holds it.
#[derive(Default)]
pub(crate) struct AppInsight(OnceLock<Weak<Shared>>);

impl AppInsight {
    /// Says whose it is.
    pub(crate) fn of(&self, shared: &Arc<Shared>) {
        let _ = self.0.set(Arc::downgrade(shared));
    }

    fn app(&self) -> Option<Arc<Shared>> {
        self.0.get().and_then(Weak::upgrade)
    }
}

/// The App is ready or not, and so are all its services.
#[cfg(feature = "grpc")]
impl motet_protocol_grpc::HealthSource for AppInsight {
    fn is_serving(&self, service: &str) -> Option<bool> {
        let app = self.app()?;
        let ready = app.board.report().ready;
        let served = app.server.services();
        let known = |served: &motet_core::Service| {
            served.name() == service || served.descriptor().proto_name == service && !service.is_empty()
        };
        (service.is_empty() || served.iter().any(known)).then_some(ready)
    }

    fn names(&self) -> Vec<String> {
        let Some(app) = self.app() else { return Vec::new() };
        let name = |served: &motet_core::Service| match served.descriptor().proto_name.as_str() {
            "" => served.name().to_owned(),
            name => name.to_owned(),
        };
        let services = app.server.services();
        let own = services.iter().filter(|served| served.name() != super::SERVICE);
        std::iter::once(String::new()).chain(own.map(name)).collect()
    }
}

impl Insight for AppInsight {
    fn name(&self) -> String {
        self.app().map(|app| app.name.clone()).unwrap_or_default()
    }

    fn may_ask(&self, cx: &Context) -> Result<()> {
        let app = self.app().ok_or_else(|| Status::unavailable("the App has ended"))?;
        access::check(&app.settings, cx)
    }

    fn health(&self, cx: Context) -> BoxFuture<'static, HealthAnswer> {
        let app = self.app();
        Box::pin(async move {
            let Some(app) = app else { return HealthAnswer::default() };
            let report = examine(&app, &cx).await;
            let (live, ready) = (report.live, report.ready);
            HealthAnswer { live, ready, report: serde_json::to_value(report).unwrap_or_default() }
        })
    }

    fn counted(&self) -> Counted {
        let Some(app) = self.app() else { return Counted::default() };
        Counted {
            server: app.server.stats().snapshot(),
            client: app.client.stats().snapshot(),
            connections: app.server.connections(),
        }
    }
}

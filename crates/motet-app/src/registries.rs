//! Registries by URL.

use std::{fmt, future::Future, sync::Arc};

use motet_core::{BoxFuture, Endpoint, Map, MemoryRegistry, Node, Registry, Result, StaticRegistry, Status};
use motet_registry_file::{FileConfig, FileRegistry};

use crate::config::nearest;

type Factory = Arc<dyn Fn(String) -> BoxFuture<'static, Result<Arc<dyn Registry>>> + Send + Sync>;

/// The registries that an App can be configured to use: what makes one, by the scheme of its URL.
/// [`Default`] has those that need nothing installed:
///
/// | URL | registry |
/// |---|---|
/// | `memory:` | one that only this App sees |
/// | `static:greeter=127.0.0.1:4000,greeter=tcp+tls://b:4000` | the nodes that it lists |
/// | `file:` or `file:///path` | one that the processes of this machine share |
#[derive(Clone)]
pub struct Registries(Map<String, Factory>);

impl Default for Registries {
    fn default() -> Registries {
        Registries::empty()
            .with("memory", |_| async { Ok(Arc::new(MemoryRegistry::new()) as Arc<dyn Registry>) })
            .with("static", |url| async move { Ok(Arc::new(fixed(&url)?) as Arc<dyn Registry>) })
            .with("file", |url| async move {
                Ok(Arc::new(FileRegistry::open(FileConfig::from_url(&url)?)?) as Arc<dyn Registry>)
            })
    }
}

impl Registries {
    /// None at all.
    pub fn empty() -> Registries {
        Registries(Map::default())
    }

    /// These and one more: `open` makes a registry from a whole URL. It replaces one of the same
    /// scheme.
    #[must_use]
    pub fn with<F, Fut>(mut self, scheme: &str, open: F) -> Registries
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Arc<dyn Registry>>> + Send + 'static,
    {
        self.0.insert(scheme.to_owned(), Arc::new(move |url| Box::pin(open(url))));
        self
    }

    /// The registry of a URL.
    ///
    /// # Errors
    /// InvalidArgument for a scheme that is not in the table, naming those that are; what the
    /// registry says about the rest of the URL. URLs are not quoted: they may hold credentials.
    pub async fn open(&self, url: &str) -> Result<Arc<dyn Registry>> {
        let scheme = url.split(':').next().unwrap_or_default();
        let Some(open) = self.0.get(scheme).filter(|_| url.contains(':')) else {
            let near = nearest(scheme, self.schemes());
            let hint = near.map(|near| format!(" (did you mean {near}:?)")).unwrap_or_default();
            let known: Vec<_> = self.schemes().into_iter().map(|scheme| format!("{scheme}:")).collect();
            let known = known.join(", ");
            return Err(Status::invalid_argument(format!("registry URL: its scheme is none of {known}{hint}")));
        };
        open(url.to_owned()).await
    }

    /// The schemes, sorted.
    pub fn schemes(&self) -> Vec<&str> {
        let mut all: Vec<_> = self.0.keys().map(String::as_str).collect();
        all.sort_unstable();
        all
    }
}

impl fmt::Debug for Registries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.schemes()).finish()
    }
}

/// The nodes of `static:service=address,…`; each service's are numbered.
fn fixed(url: &str) -> Result<StaticRegistry> {
    let list = url.strip_prefix("static:").unwrap_or(url).trim_start_matches("//");
    let mut nodes: Vec<Node> = Vec::new();
    for entry in list.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let (service, address) = entry.split_once('=').ok_or_else(|| {
            Status::invalid_argument(format!("registry URL static: {entry:?} must be service=address"))
        })?;
        let number = nodes.iter().filter(|node| node.service == service).count() + 1;
        nodes.push(Node::new(service, format!("{service}-{number}")).endpoint(endpoint(address)?));
    }
    if nodes.is_empty() {
        return Err(Status::invalid_argument(
            "registry URL static: lists no node; write static:greeter=127.0.0.1:4000",
        ));
    }
    StaticRegistry::new(nodes)
}

fn endpoint(address: &str) -> Result<Endpoint> {
    let (scheme, rest) = address.split_once("://").unwrap_or(("tcp", address));
    let (transport, tls) = scheme.strip_suffix("+tls").map_or((scheme, false), |transport| (transport, true));
    let port_ok = transport != "tcp" || rest.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if rest.is_empty() || !port_ok {
        return Err(Status::invalid_argument(format!(
            "registry URL static: {address:?} must be host:port, tcp+tls://host:port or unix:///path"
        )));
    }
    let mut endpoint = Endpoint::new(transport, rest);
    endpoint.tls = tls;
    Ok(endpoint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_list_of_nodes_is_a_registry() {
        let url = "static:greeter=127.0.0.1:4000,greeter=tcp+tls://b:4000,shop=unix:///run/shop.sock";
        let registry = Registries::default().open(url).await.expect("opens");
        let nodes = registry.lookup("greeter").await.expect("fixed");
        let shown: Vec<_> = nodes.iter().map(|node| format!("{} {}", node.id, node.endpoints[0])).collect();
        assert_eq!(shown, ["greeter-1 tcp://127.0.0.1:4000", "greeter-2 tcp+tls://b:4000"]);
        assert_eq!(registry.lookup("shop").await.expect("fixed")[0].endpoints[0].to_string(), "unix:///run/shop.sock");
    }

    #[tokio::test]
    async fn wrong_urls_say_what_to_write() {
        for (url, expected) in [
            ("consul://marker@host", "none of file:, memory:, static:"),
            ("fle:", "did you mean file:?"),
            ("memory", "none of"),
            ("static:", "static:greeter=127.0.0.1:4000"),
            ("static:greeter", "must be service=address"),
            ("static:greeter=host", "must be host:port"),
        ] {
            let error = Registries::default().open(url).await.expect_err(url);
            assert!(error.message().contains(expected) && !error.message().contains("marker"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_scheme_can_be_added() {
        let registries = Registries::default().with("mine", |url| async move {
            assert_eq!(url, "mine://x");
            Ok(Arc::new(MemoryRegistry::new()) as Arc<dyn Registry>)
        });
        assert!(registries.open("mine://x").await.is_ok());
    }
}

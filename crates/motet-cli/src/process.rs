//! The processes behind nodes, asked through the service `motet.meta` that each of them has.

use std::time::Duration;

use motet::{Client, Code, Context, Endpoint, Node, Result, Status};
use motet_app::meta::{self, DescribeReply, Filter};
use serde::de::DeserializeOwned;

use crate::{failure::Outcome, foreign, session::Session, url};

/// How many processes are asked at once.
const AT_ONCE: usize = 32;

/// A process: one or more services at the same endpoints.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    /// Where it is, the best endpoint first, as it is written.
    pub(crate) address: String,
    /// Its nodes among those that were asked for; none where only its address is known.
    pub(crate) nodes: Vec<Node>,
    clients: Vec<Client>,
    cx: Context,
}

impl Process {
    /// The processes of these nodes, in their order.
    ///
    /// # Errors
    /// When an endpoint cannot be read.
    pub(crate) fn of_nodes(session: &Session, nodes: Vec<Node>) -> Outcome<Vec<Process>> {
        let mut all: Vec<(Vec<Endpoint>, Process)> = Vec::new();
        for node in nodes {
            if let Some((_, process)) = all.iter_mut().find(|(at, _)| *at == node.endpoints) {
                process.nodes.push(node);
                continue;
            }
            let ours = |endpoint: &&Endpoint| {
                endpoint.protocols.iter().any(|name| name == "motet") && endpoint.transport != "memory"
            };
            let clients = node.endpoints.iter().filter(ours).map(|at| session.at(at)).collect::<Result<_>>()?;
            let address = node.endpoints.first().map(ToString::to_string).unwrap_or_default();
            let at = node.endpoints.clone();
            all.push((at, Process { address, nodes: vec![node], clients, cx: session.cx.clone() }));
        }
        Ok(all.into_iter().map(|(_, process)| process).collect())
    }

    /// The process at the one address.
    pub(crate) fn pinned(session: &Session) -> Process {
        let address = session.address.clone().unwrap_or_default();
        Process { address, nodes: Vec::new(), clients: vec![session.pinned().clone()], cx: session.cx.clone() }
    }

    /// The processes of a service, or all: of the one address, or those that are registered.
    ///
    /// # Errors
    /// What is registered instead, when the service has no node; there may be no process at all
    /// where no service was named.
    pub(crate) async fn all(session: &Session, service: Option<&str>) -> Outcome<Vec<Process>> {
        if session.address.is_some() {
            return Ok(vec![Process::pinned(session)]);
        }
        let nodes = match service {
            Some(name) => session.nodes_of(name).await?,
            None => session.lookup(None).await?,
        };
        Process::of_nodes(session, nodes)
    }

    /// The id of the node by which it serves a service; its address where that is not known.
    pub(crate) fn id(&self, service: &str) -> &str {
        self.nodes.iter().find(|node| node.service == service).map_or(&self.address, |node| &node.id)
    }

    /// What runs there: one service, or all.
    ///
    /// # Errors
    /// NotFound when the service does not run there; what [`Process::ask`] says.
    pub(crate) async fn describe(&self, service: Option<&str>, within: Duration) -> Result<DescribeReply> {
        self.ask("describe", &filter(service), within).await
    }

    /// Asks it: a method of `motet.meta`, at the first endpoint that answers.
    ///
    /// # Errors
    /// What it says, or why it cannot be reached.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, method: &str, filter: &Filter, within: Duration) -> Result<T> {
        let protocol = url::protocol(&self.address);
        let mut last = Status::unavailable(format!("{} speaks no protocol that this program speaks", self.address));
        for client in &self.clients {
            let mut answer = ask(client, &self.cx, method, filter, within).await;
            if let ("describe", Err(status)) = (method, &answer)
                && foreign::is_silence(protocol, status)
                && protocol != "motet"
            {
                answer = self.describe_itself(client, filter, within, status.clone()).await;
            }
            match answer {
                Err(status) if status.code() == Code::Unavailable => last = self.named(status),
                Err(status) if status.code() == Code::DeadlineExceeded => {
                    let time = crate::duration::show(within);
                    return Err(status.with_message(format!("{} has not answered within {time}", self.address)));
                }
                answer => return answer,
            }
        }
        Err(last)
    }

    /// What it says of itself in its protocol's own way. Where it cannot, and does not tell this caller
    /// what it might, that is the error.
    async fn describe_itself<T: DeserializeOwned>(
        &self,
        client: &Client,
        filter: &Filter,
        within: Duration,
        silence: Status,
    ) -> Result<T> {
        let closed = matches!(silence.code(), Code::PermissionDenied | Code::Unauthenticated);
        let services = foreign::describe(&self.address, client, &self.cx, within).await;
        let mut services = services.map_err(|status| if closed { silence } else { status })?;
        services.retain(|service| filter.service.as_ref().is_none_or(|wanted| *wanted == service.name));
        let unreadable = |error| Status::internal(format!("a description cannot be read: {error}"));
        let reply = serde_json::to_value(serde_json::json!({ "services": services })).map_err(unreadable)?;
        serde_json::from_value(reply).map_err(unreadable)
    }

    /// The status with the address in it.
    fn named(&self, status: Status) -> Status {
        let message = status.message();
        if message.contains(self.address.trim_start_matches("tcp://")) {
            return status;
        }
        // Without a word is how a server that expects TLS ends a connection that speaks none.
        let closed = message.contains("closed the connection") && !self.address.contains("+tls://");
        let maybe = if closed {
            "; if it speaks TLS, name the authority that signed its certificate with --ca FILE"
        } else {
            ""
        };
        let message = format!("{}: {message}{maybe}", self.address);
        status.with_message(message)
    }
}

/// The filter for a service, or for all.
pub(crate) fn filter(service: Option<&str>) -> Filter {
    service.map_or_else(Filter::default, Filter::service)
}

/// Asks all processes the same, several at once; the answers stand in their order.
pub(crate) async fn ask_all<T: DeserializeOwned + Send + 'static>(
    processes: &[Process],
    method: &'static str,
    filter: &Filter,
    within: Duration,
) -> Vec<Result<T>> {
    let mut answers = Vec::with_capacity(processes.len());
    for some in processes.chunks(AT_ONCE) {
        // Dropped with this future, which ends them.
        let mut asking = tokio::task::JoinSet::new();
        for (at, process) in some.iter().enumerate() {
            let (process, filter) = (process.clone(), filter.clone());
            asking.spawn(async move { (at, process.ask::<T>(method, &filter, within).await) });
        }
        let mut part: Vec<_> = asking.join_all().await;
        part.sort_by_key(|(at, _)| *at);
        answers.extend(part.into_iter().map(|(_, answer)| answer));
    }
    answers
}

async fn ask<T: DeserializeOwned>(
    client: &Client,
    cx: &Context,
    method: &str,
    filter: &Filter,
    within: Duration,
) -> Result<T> {
    let unreadable = |error| Status::internal(format!("{} said something that cannot be read: {error}", meta::SERVICE));
    let request = serde_json::to_string(filter).map_err(unreadable)?;
    let service = client.service(meta::SERVICE).configure(|options| {
        options.timeout = Some(within);
        options.retries = Some(0);
    });
    let answer = service.call_json(cx, method, request).await?;
    serde_json::from_value(answer).map_err(unreadable)
}

//! A process's connection to the registry, made again whenever it is lost.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use futures_util::future::{Either, select};
use motet_core::{BoxIo, Endpoint, Node, Result, Status, Transport};
use tokio::{
    sync::{Notify, oneshot, watch},
    task::AbortHandle,
    time::{interval, timeout},
};

use super::wire::{self, Ask, Tell};

/// How long an answer is waited for, over however many connections.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often the registry hears of its owners.
const BEAT: Duration = Duration::from_secs(1);
/// After so long without a word the connection is made anew.
const SILENCE: Duration = Duration::from_secs(3);
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(2);
/// The pause before it is made again.
const PAUSE: Duration = Duration::from_millis(250);

/// The nodes of a service, or why they are not known.
pub(super) type Nodes = Result<Arc<[Node]>>;

/// What a question is answered with.
pub(super) enum Answer {
    Done,
    Taken,
    Nodes(Vec<Node>),
}

/// A process's connection to the registry.
pub(super) struct Session {
    transport: Arc<dyn Transport>,
    endpoint: Endpoint,
    owner: String,
    wishes: Mutex<Wishes>,
    /// There is something to say.
    news: Arc<Notify>,
}

/// What the process wants of the registry, whether there is a connection or not.
#[derive(Default)]
struct Wishes {
    task: Option<AbortHandle>,
    asked: u64,
    /// To be said on this connection.
    outbox: VecDeque<Ask>,
    questions: BTreeMap<u64, (Ask, oneshot::Sender<Answer>)>,
    records: BTreeMap<(String, String), (Node, Duration)>,
    /// Ids that this process has or is about to have.
    claimed: BTreeSet<(String, String)>,
    watches: Vec<(String, watch::Sender<Nodes>)>,
}

/// An id that is about to be registered; dropped, it is free again.
pub(super) struct Claim(Option<(Arc<Session>, Node)>);

impl Claim {
    /// The id is registered.
    pub(super) fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some((session, node)) = self.0.take() {
            session.remove_later(&node);
        }
    }
}

/// A question that is waited for; dropped, nobody waits any more.
struct Asked<'a>(&'a Session, u64);

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.0.lock().questions.remove(&self.1);
    }
}

fn key(node: &Node) -> (String, String) {
    (node.service.clone(), node.id.clone())
}

fn away() -> Status {
    Status::unavailable("the registry does not answer")
}

impl Session {
    pub(super) fn new(transport: Arc<dyn Transport>, endpoint: Endpoint, owner: String) -> Arc<Session> {
        Arc::new(Session { transport, endpoint, owner, wishes: Mutex::default(), news: Arc::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Wishes> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees to it that a task keeps the connection; it ends with the session.
    fn run(self: &Arc<Self>) {
        let mut wishes = self.lock();
        if wishes.task.is_none() {
            wishes.task = Some(tokio::spawn(run(Arc::downgrade(self))).abort_handle());
        }
    }

    #[cfg(test)]
    pub(super) fn halt(&self) {
        if let Some(task) = &self.lock().task {
            task.abort();
        }
    }

    /// Claims a node's id among those of this process.
    pub(super) fn claim(self: &Arc<Self>, node: &Node) -> Option<Claim> {
        let free = self.lock().claimed.insert(key(node));
        free.then(|| Claim(Some((self.clone(), node.clone()))))
    }

    /// Records a node.
    pub(super) async fn put(self: &Arc<Self>, node: &Node, ttl: Duration) -> Result<Answer> {
        let (owner, node, ttl_ms) = (self.owner.clone(), node.clone(), ttl.as_millis() as u64);
        self.ask(|number| Ask::Put { number, owner, ttl_ms, node }).await
    }

    /// Keeps a record alive, and puts it again where the registry has lost it.
    pub(super) fn keep(&self, node: &Node, ttl: Duration) {
        self.lock().records.insert(key(node), (node.clone(), ttl));
    }

    /// Deletes a record.
    pub(super) async fn remove(self: &Arc<Self>, node: &Node) -> Result<()> {
        self.forget(node);
        let (owner, (service, id)) = (self.owner.clone(), key(node));
        self.ask(|number| Ask::Remove { number, owner, service, id }).await.map(|_| ())
    }

    /// Deletes a record without waiting for it.
    pub(super) fn remove_later(&self, node: &Node) {
        self.forget(node);
        let (service, id) = key(node);
        self.lock().outbox.push_back(Ask::Remove { number: 0, owner: self.owner.clone(), service, id });
        self.news.notify_one();
    }

    fn forget(&self, node: &Node) {
        let mut wishes = self.lock();
        wishes.records.remove(&key(node));
        wishes.claimed.remove(&key(node));
    }

    /// The nodes of one service or of all.
    pub(super) async fn nodes(self: &Arc<Self>, service: Option<&str>) -> Result<Vec<Node>> {
        let service = service.map(str::to_owned);
        match self.ask(|number| Ask::Nodes { number, service }).await? {
            Answer::Nodes(nodes) => Ok(nodes),
            _ => Err(Status::internal("the registry answered something else")),
        }
    }

    /// The nodes of a service, told at each change, from the registry's first answer on.
    pub(super) async fn watch(self: &Arc<Self>, service: &str) -> Result<watch::Receiver<Nodes>> {
        // One channel for each watch: several readers of one would be woken in random order.
        let (sender, mut receiver) = watch::channel(Err(away()));
        self.begin_watch(service, sender);
        match timeout(PATIENCE, receiver.wait_for(Result::is_ok)).await {
            Ok(Ok(_)) => {}
            _ => return Err(away()),
        }
        receiver.mark_changed();
        Ok(receiver)
    }

    fn begin_watch(self: &Arc<Self>, service: &str, sender: watch::Sender<Nodes>) {
        let mut wishes = self.lock();
        wishes.watches.retain(|(_, known)| !known.is_closed());
        wishes.watches.push((service.to_owned(), sender));
        wishes.outbox.push_back(Ask::Watch { service: service.to_owned() });
        drop(wishes);
        self.run();
        self.news.notify_one();
    }

    async fn ask(self: &Arc<Self>, question: impl FnOnce(u64) -> Ask) -> Result<Answer> {
        self.run();
        let (sender, answer) = oneshot::channel();
        let number = {
            let mut wishes = self.lock();
            wishes.asked += 1;
            let number = wishes.asked;
            let ask = question(number);
            wishes.outbox.push_back(ask.clone());
            wishes.questions.insert(number, (ask, sender));
            number
        };
        self.news.notify_one();
        let _asked = Asked(self, number);
        timeout(PATIENCE, answer).await.ok().and_then(|answer| answer.ok()).ok_or_else(away)
    }

    /// A connection begins: everything that is wanted is to be said on it.
    fn begin(&self) {
        let mut wishes = self.lock();
        let records = wishes.records.values().map(|(node, ttl)| Ask::Put {
            number: 0,
            owner: self.owner.clone(),
            ttl_ms: ttl.as_millis() as u64,
            node: node.clone(),
        });
        let watches = wishes.watches.iter().map(|(service, _)| Ask::Watch { service: service.clone() });
        let questions = wishes.questions.values().map(|(ask, _)| ask.clone());
        wishes.outbox = records.chain(watches).chain(questions).collect();
    }

    /// A connection has ended: those who watch learn that what they know may be old.
    fn lost(&self) {
        let mut wishes = self.lock();
        wishes.watches.retain(|(_, known)| !known.is_closed());
        wishes.watches.iter().for_each(|(_, known)| _ = known.send_replace(Err(away())));
    }

    fn beat(&self) -> Ask {
        Ask::Beat { owner: self.owner.clone(), records: self.lock().records.keys().cloned().collect() }
    }

    fn handle(&self, tell: Tell) {
        let mut wishes = self.lock();
        let (number, answer) = match tell {
            Tell::Done { number } => (number, Answer::Done),
            Tell::Taken { number } => (number, Answer::Taken),
            Tell::Nodes { number, nodes } => (number, Answer::Nodes(nodes)),
            Tell::Watched { service, nodes } => {
                let nodes: Arc<[Node]> = nodes.into();
                let watching = wishes.watches.iter().filter(|(watched, _)| *watched == service);
                return watching.for_each(|(_, known)| _ = known.send_replace(Ok(nodes.clone())));
            }
            Tell::Beat => return,
        };
        if let Some((_, asker)) = wishes.questions.remove(&number) {
            // An error means that nobody waits any more.
            let _ = asker.send(answer);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(task) = &self.wishes.get_mut().unwrap_or_else(PoisonError::into_inner).task {
            task.abort();
        }
    }
}

async fn run(session: Weak<Session>) {
    loop {
        let Some((transport, endpoint)) = session.upgrade().map(|s| (s.transport.clone(), s.endpoint.clone())) else {
            return;
        };
        let dialled = timeout(CONNECT, transport.dial(&endpoint)).await;
        if let Ok(Ok(io)) = dialled {
            talk(&session, io).await;
        }
        let Some(strong) = session.upgrade() else { return };
        strong.lost();
        drop(strong);
        tokio::time::sleep(PAUSE).await;
    }
}

/// Uses a connection until it is lost. It holds the session only between the waits.
async fn talk(session: &Weak<Session>, io: BoxIo) {
    let Some(strong) = session.upgrade() else { return };
    strong.begin();
    let news = strong.news.clone();
    drop(strong);
    let (mut reader, mut writer) = tokio::io::split(io);
    let reading = pin!(async {
        while let Ok(Ok(tell)) = timeout(SILENCE, wire::read(&mut reader)).await {
            let Some(session) = session.upgrade() else { return };
            session.handle(tell);
        }
    });
    let writing = pin!(async {
        let mut beats = interval(BEAT);
        loop {
            let Some(next) = session.upgrade().map(|session| session.lock().outbox.pop_front()) else { return };
            let ask = match next {
                Some(ask) => ask,
                None => match select(pin!(news.notified()), pin!(beats.tick())).await {
                    Either::Left(_) => continue,
                    Either::Right(_) => match session.upgrade() {
                        Some(session) => session.beat(),
                        None => return,
                    },
                },
            };
            if wire::write(&mut writer, &ask).await.is_err() {
                return;
            }
        }
    });
    select(reading, writing).await;
}

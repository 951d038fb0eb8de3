//! What is done on every way, and what came of it as text that can be compared.

use std::{fmt::Debug, sync::atomic::Ordering::SeqCst, time::Duration};

use motet::{Code, Context, RpcError, Status, Streaming};
use tokio::time::{sleep, timeout};

use crate::{
    service::{Item, Same, SameError, Wish},
    ways::Way,
};

/// Something that a caller does.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    One(Item, Wish),
    Several(i64, String, Option<bool>),
    Down(Item, u32, Wish),
    /// The parts, and whether the caller's stream fails after them.
    Up(Vec<Item>, bool),
    Chat(Vec<Item>, bool),
    Metadata(Vec<(String, String)>, bool),
    Deadline(u64),
    Brief,
    Cancel,
    Leave,
    LeaveStream(Item),
    OneWay,
    Optional,
}

impl Action {
    /// Does it, and tells what came of it.
    pub(crate) async fn run(self, way: &Way) -> String {
        let told = timeout(Duration::from_secs(20), self.clone().go(way)).await;
        told.unwrap_or_else(|_| panic!("{}: no end of {self:?}", way.name))
    }

    async fn go(self, way: &Way) -> String {
        let (client, cx) = (&way.client, Context::new());
        match self {
            Action::One(item, wish) => outcome(client.one(&cx, item, wish).await),
            Action::Several(a, b, c) => outcome(client.several(&cx, a, b, c).await),
            Action::Down(item, count, wish) => match client.down(&cx, item, count, wish).await {
                Ok(items) => read(items).await,
                // At the head or as the first item: protocols may choose where nothing was sent.
                Err(error) => format!("[] then {}", told(error.into_status())),
            },
            Action::Up(parts, fails) => outcome(client.up(&cx, caller(parts, fails)).await),
            Action::Chat(parts, fails) => match client.chat(&cx, caller(parts, fails)).await {
                Ok(items) => read(items).await,
                Err(error) => format!("[] then {}", told(error.into_status())),
            },
            Action::Metadata(pairs, fail) => {
                let mut cx = cx.with_timeout(Duration::from_secs(5));
                for (key, value) in pairs {
                    cx = cx.with_metadata(&key, &value).expect("valid");
                }
                let (cx, seen) = cx.capture();
                let outcome = outcome(client.about(&cx, fail).await);
                let tail = seen.trailing().and_then(|tail| tail.get("tail").map(str::to_owned));
                let head = seen.initial().and_then(|head| head.get("head").map(str::to_owned));
                // An error has no head.
                format!("{outcome} head {:?} tail {tail:?}", head.filter(|_| !fail))
            }
            Action::Deadline(ms) => {
                let outcome = outcome(client.hold(&cx.with_timeout(Duration::from_millis(ms))).await);
                all_over(way).await;
                outcome
            }
            Action::Brief => outcome(client.brief(&cx).await),
            Action::Cancel => {
                let (cx, cancel) = cx.cancellable();
                let begun = way.service.begun.load(SeqCst);
                let (held, ()) = tokio::join!(client.hold(&cx), async {
                    while way.service.begun.load(SeqCst) == begun {
                        sleep(Duration::from_millis(1)).await;
                    }
                    cancel.cancel();
                });
                all_over(way).await;
                outcome(held)
            }
            Action::Leave => {
                let left = timeout(Duration::from_millis(5), client.hold(&cx)).await;
                all_over(way).await;
                format!("left {}", left.is_err())
            }
            Action::LeaveStream(item) => {
                let mut items = client.down(&cx, item, 1_000_000, Wish::Answer).await.expect("a stream");
                let first = items.next().await.expect("an item");
                format!("{first:?}")
            }
            Action::OneWay => {
                let begun = way.service.begun.load(SeqCst);
                let sent = client.one_way().nothing(&cx).await;
                while way.service.begun.load(SeqCst) == begun {
                    sleep(Duration::from_millis(1)).await;
                }
                all_over(way).await;
                format!("{sent:?}")
            }
            Action::Optional => outcome(client.optional(&cx).await),
        }
    }
}

/// Waits until every handler that has begun is gone.
async fn all_over(way: &Way) {
    while way.service.begun.load(SeqCst) != way.service.over.load(SeqCst) {
        sleep(Duration::from_millis(1)).await;
    }
}

/// A caller's stream.
fn caller(parts: Vec<Item>, fails: bool) -> Streaming<Item> {
    let last = fails.then(|| Err(Status::data_loss("the caller's disk is gone")));
    let (sender, stream) = Streaming::channel(64);
    for part in parts.into_iter().map(Ok).chain(last) {
        sender.try_send(part).expect("room");
    }
    stream
}

async fn read(mut items: Streaming<Item>) -> String {
    let (mut all, mut end) = (Vec::new(), "the end".to_owned());
    while let Some(item) = items.next().await {
        match item {
            Ok(item) => all.push(item),
            Err(status) => end = told(status),
        }
    }
    format!("{all:?} then {end}")
}

fn outcome<T: Debug, E: RpcError>(result: Result<T, E>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => told(error.into_status()),
    }
}

/// What a caller can learn from a status: all of it, and the typed error that it stands for.
fn told(status: Status) -> String {
    let executed = match status.code() {
        // Whether the answer or the caller's own clock was first is a matter of chance.
        Code::DeadlineExceeded | Code::Cancelled => String::new(),
        _ => format!(" executed {:?}", status.executed()),
    };
    let text = format!("{status}{executed}");
    match SameError::from_status(status) {
        SameError::Other(_) => text,
        typed => format!("{text} {typed:?}"),
    }
}

//! The service that all ways lead to.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use motet::{Context, Executed, Result, RpcError, Status, Streaming};

#[motet::message]
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Item {
    #[garde(length(max = 12))]
    pub(crate) name: String,
    pub(crate) number: i64,
    pub(crate) ratio: f64,
    pub(crate) tags: Vec<String>,
    pub(crate) counts: BTreeMap<String, u32>,
    pub(crate) note: Option<String>,
    #[garde(range(max = 100))]
    pub(crate) share: u8,
    pub(crate) raw: Vec<u8>,
}

/// What a handler is to do.
#[motet::message]
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) enum Wish {
    #[default]
    Answer,
    Refuse,
    TooMany,
    Status,
    NotExecuted,
    Panic,
}

#[derive(Debug, PartialEq, motet::RpcError)]
pub(crate) enum SameError {
    #[rpc(code = NotFound, message = "nobody is called {0}")]
    Unknown(String),
    #[rpc(code = ResourceExhausted, message = "{given} of {most} are given")]
    TooMany { given: u32, most: u32 },
    #[rpc(other)]
    Other(Status),
}

#[motet::service(name = "same", version = "1.0.0")]
pub(crate) trait Same {
    async fn one(&self, cx: &Context, item: Item, wish: Wish) -> Result<Item, SameError>;
    async fn several(&self, cx: &Context, a: i64, b: String, c: Option<bool>) -> Result<Vec<String>>;
    async fn nothing(&self, cx: &Context) -> Result<()>;
    /// Gives the item so many times and then does what is wished.
    async fn down(&self, cx: &Context, item: Item, count: u32, wish: Wish) -> Result<Streaming<Item>, SameError>;
    /// Counts parts until there are no more, or one has this name.
    async fn up(&self, cx: &Context, parts: Streaming<Item>) -> Result<u64, SameError>;
    /// Gives back what comes; the name `hush` first is an error.
    async fn chat(&self, cx: &Context, parts: Streaming<Item>) -> Result<Streaming<Item>, SameError>;
    /// Tells what came with the call, and sets what goes with the reply.
    async fn about(&self, cx: &Context, fail: bool) -> Result<Vec<String>>;
    /// Never answers.
    async fn hold(&self, cx: &Context) -> Result<()>;
    #[method(timeout = "40ms")]
    async fn brief(&self, cx: &Context) -> Result<()>;
    #[method(optional)]
    async fn optional(&self, cx: &Context) -> Result<()>;
}

/// Counts what begins and what is gone.
#[derive(Clone, Default)]
pub(crate) struct Me {
    pub(crate) begun: Arc<AtomicUsize>,
    pub(crate) over: Arc<AtomicUsize>,
}

struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Me {
    fn begin(&self) -> Running {
        self.begun.fetch_add(1, SeqCst);
        Running(self.over.clone())
    }
}

fn grant(wish: Wish, name: &str) -> Result<(), SameError> {
    match wish {
        Wish::Answer => Ok(()),
        Wish::Refuse => Err(SameError::Unknown(name.to_owned())),
        Wish::TooMany => Err(SameError::TooMany { given: 3, most: 2 }),
        Wish::Status => Err(Status::aborted("once more").with_reason("Same.Again").into()),
        Wish::NotExecuted => Err(Status::internal("nothing was done").with_executed(Executed::No).into()),
        Wish::Panic => panic!("the secret is 42"),
    }
}

impl Same for Me {
    async fn one(&self, _: &Context, item: Item, wish: Wish) -> Result<Item, SameError> {
        let _running = self.begin();
        grant(wish, &item.name)?;
        Ok(item)
    }

    async fn several(&self, _: &Context, a: i64, b: String, c: Option<bool>) -> Result<Vec<String>> {
        Ok(vec![a.to_string(), b, format!("{c:?}")])
    }

    async fn nothing(&self, _: &Context) -> Result<()> {
        let _running = self.begin();
        tokio::task::yield_now().await;
        Ok(())
    }

    async fn down(&self, _: &Context, item: Item, count: u32, wish: Wish) -> Result<Streaming<Item>, SameError> {
        if count == 0 {
            grant(wish.clone(), &item.name)?;
        }
        let mut left = count;
        let items = Streaming::from_iter(0..=count).map(move |_| {
            if left > 0 {
                left -= 1;
                return Ok(Some(item.clone()));
            }
            grant(wish.clone(), &item.name).map_err(RpcError::into_status).map(|()| None)
        });
        Ok(until_none(items))
    }

    async fn up(&self, _: &Context, mut parts: Streaming<Item>) -> Result<u64, SameError> {
        let _running = self.begin();
        let mut count = 0;
        while let Some(part) = parts.next().await {
            let part = part?;
            if part.name == "stop" {
                return Ok(count);
            }
            if part.name == "hush" {
                return Err(SameError::Unknown(part.name));
            }
            count += 1;
        }
        Ok(count)
    }

    async fn chat(&self, _: &Context, mut parts: Streaming<Item>) -> Result<Streaming<Item>, SameError> {
        match parts.next().await {
            Some(Ok(first)) if first.name == "hush" => Err(SameError::Unknown(first.name)),
            Some(first) => {
                let first = first?;
                let mut first = Some(first);
                let (items, replies) = Streaming::channel(1);
                tokio::spawn(async move {
                    while let Some(item) = first.take() {
                        if items.send(Ok(item)).await.is_err() {
                            return;
                        }
                        match parts.next().await {
                            Some(Ok(item)) => first = Some(item),
                            Some(Err(status)) => drop(items.send(Err(status)).await),
                            None => {}
                        }
                    }
                });
                Ok(replies)
            }
            None => Ok(parts),
        }
    }

    async fn about(&self, cx: &Context, fail: bool) -> Result<Vec<String>> {
        cx.reply().add_initial("head", "1")?;
        cx.reply().add_trailing("tail", "2")?;
        if fail {
            return Err(Status::not_found("nothing is known"));
        }
        let metadata = cx.metadata();
        let known = metadata.iter().map(|(key, _)| format!("{key}={}", metadata.get(key).unwrap_or_default()));
        let mut known: Vec<_> = known.collect();
        // Not all protocols keep the order of different keys.
        known.sort();
        known.push(format!("limited={}", cx.remaining().is_some_and(|left| left.as_secs() < 10)));
        known.push(format!("current={}", Context::current().is_some()));
        Ok(known)
    }

    async fn hold(&self, _: &Context) -> Result<()> {
        let _running = self.begin();
        std::future::pending().await
    }

    async fn brief(&self, _: &Context) -> Result<()> {
        std::future::pending().await
    }
}

/// Ends a stream at its first `None`.
fn until_none(mut items: Streaming<Option<Item>>) -> Streaming<Item> {
    let (sender, stream) = Streaming::channel(1);
    tokio::spawn(async move {
        while let Some(item) = items.next().await {
            let item = match item {
                Ok(Some(item)) => Ok(item),
                Ok(None) => return,
                Err(status) => Err(status),
            };
            if sender.send(item).await.is_err() {
                return;
            }
        }
    });
    stream
}

//! `serial` and `blocking` methods.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicUsize, Ordering},
};
use std::time::Duration;

use motet::{Code, Context, Executed, IntoService, Result, Router};

use crate::support::json;

#[motet::service(name = "account", version = "1.0.0")]
pub(crate) trait Account {
    #[method(serial)]
    async fn deposit(&self, cx: &Context, amount: u64) -> Result<u64>;
    #[method(serial)]
    async fn again(&self, cx: &Context) -> Result<u64>;
    #[method(blocking)]
    async fn hash(&self, cx: &Context, text: String) -> Result<String>;
    async fn free(&self, cx: &Context) -> Result<u64>;
    #[method(max_in_flight = 2)]
    async fn few(&self, cx: &Context, ms: u64) -> Result<()>;
}

#[derive(Default)]
struct Book {
    balance: AtomicUsize,
    running: AtomicUsize,
    hashed: AtomicUsize,
    own: OnceLock<AccountClient>,
}

impl Account for Book {
    async fn deposit(&self, _: &Context, amount: u64) -> Result<u64> {
        assert_eq!(self.running.fetch_add(1, Ordering::SeqCst), 0, "one at a time");
        let balance = self.balance.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.balance.store(balance + amount as usize, Ordering::SeqCst);
        self.running.fetch_sub(1, Ordering::SeqCst);
        Ok((balance + amount as usize) as u64)
    }

    async fn again(&self, cx: &Context) -> Result<u64> {
        self.own.get().expect("set").deposit(cx, 1).await
    }

    async fn hash(&self, cx: &Context, text: String) -> Result<String> {
        assert!(Context::current().is_some());
        cx.check()?;
        std::thread::sleep(Duration::from_millis(30));
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.hashed.fetch_add(1, Ordering::SeqCst);
        Ok(text.to_uppercase())
    }

    async fn free(&self, _: &Context) -> Result<u64> {
        Ok(self.balance.load(Ordering::SeqCst) as u64)
    }

    async fn few(&self, _: &Context, ms: u64) -> Result<()> {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn serial_methods_run_one_at_a_time_in_order() {
    let account = AccountClient::local(Book::default());
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let account = account.clone();
            tokio::spawn(async move { account.deposit(&Context::new(), 1).await })
        })
        .collect();
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.expect("no panic"), Ok(n as u64 + 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_serial_method_that_calls_its_own_group_fails_at_once() {
    let book = Arc::new(Book::default());
    let account = AccountClient::local(book.clone());
    assert!(book.own.set(account.clone()).is_ok());
    let error = account.again(&Context::new()).await.expect_err("it would wait for itself");
    // The call that was refused did not run; the one whose handler made it and passes its error on did.
    assert_eq!((error.code(), error.executed()), (Code::FailedPrecondition, Executed::Yes));
    assert_eq!(account.deposit(&Context::new(), 1).await, Ok(1), "the queue goes on");
}

#[tokio::test(start_paused = true)]
async fn a_full_serial_queue_refuses_and_a_caller_that_leaves_frees_its_place() {
    let service = AccountServer::new(Book::default()).into_service().expect("good");
    let mut calls: Vec<_> = (0..1025).map(|_| Box::pin(json(&service, "deposit", r#"{"amount":1}"#))).collect();
    for call in &mut calls {
        assert!(futures_poll(call).is_none());
    }
    let error = json(&service, "deposit", r#"{"amount":1}"#).await.expect_err("full");
    assert_eq!((error.code(), error.executed()), (Code::ResourceExhausted, Executed::No));
    calls.pop();
    assert!(futures_poll(&mut Box::pin(json(&service, "deposit", r#"{"amount":1}"#))).is_none(), "a place is free");
    assert_eq!(json(&service, "free", "").await.expect("not in the queue"), r#"{"value":0}"#);
}

fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::Pin::new(future).poll(&mut cx) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

#[tokio::test]
async fn blocking_methods_leave_the_runtime_free_and_are_not_interrupted() {
    let book = Arc::new(Book::default());
    let account = AccountClient::local(book.clone());
    let (cx, cancel) = Context::new().cancellable();
    let (hash, free) = tokio::join!(account.hash(&cx, "a".into()), account.free(&cx));
    assert_eq!((hash, free), (Ok("A".to_owned()), Ok(0)));

    let running = tokio::spawn({
        let (account, cx) = (account.clone(), cx.clone());
        async move { account.hash(&cx, "b".into()).await }
    });
    tokio::time::sleep(Duration::from_millis(10)).await;
    cancel.cancel();
    assert_eq!(running.await.expect("no panic").expect_err("cancelled").code(), Code::Cancelled);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(book.hashed.load(Ordering::SeqCst), 2, "it ran to its end");
}

#[tokio::test]
async fn serial_closures_of_a_router_run_one_at_a_time() {
    let busy = Arc::new(AtomicUsize::new(0));
    let enter = move |busy: Arc<AtomicUsize>| async move {
        assert_eq!(busy.fetch_add(1, Ordering::SeqCst), 0, "one at a time");
        tokio::task::yield_now().await;
        busy.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    };
    let (first, second) = (busy.clone(), busy);
    let service = Router::new()
        .serial("a", move |_, ()| enter(first.clone()))
        .serial_args("b", ["n"], move |_: Context, _: u32| enter(second.clone()))
        .into_service_or("queue", "1.0.0")
        .expect("good");
    let (a, b, c) = tokio::join!(json(&service, "a", ""), json(&service, "b", r#"{"n":1}"#), json(&service, "a", ""));
    for reply in [a, b, c] {
        assert_eq!(reply.expect("a reply"), "{}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_method_s_calls_at_once_are_limited_where_it_says_so() {
    let service = AccountServer::new(Book::default()).into_service().expect("valid");
    let limits: Vec<_> = service.methods().map(|(method, _)| method.options.max_in_flight).collect();
    assert_eq!(limits, [None, None, None, None, Some(2)]);
    let account = AccountClient::local(Book::default());
    let few = |ms| {
        let account = account.clone();
        tokio::spawn(async move { account.few(&Context::new().with_timeout(Duration::from_secs(1)), ms).await })
    };
    let (long, short) = (few(500), few(50));
    tokio::time::sleep(Duration::from_millis(1)).await;
    let (third, fourth) = (few(500), few(1));
    assert_eq!(short.await.expect("no panic"), Ok(()));
    assert_eq!(third.await.expect("no panic"), Ok(()), "it had a turn when another was over");
    let refused = fourth.await.expect("no panic").expect_err("two run for too long");
    assert_eq!((refused.code(), refused.executed()), (Code::ResourceExhausted, Executed::No));
    assert!(refused.retry_after().is_some() && refused.message().starts_with("account/few: 2 calls run"), "{refused}");
    assert_eq!(long.await.expect("no panic"), Ok(()));
}

//! Payments that must not be made twice, in a network that fails.
//!
//! [`Payments::pay`] says that it is idempotent, so that Motet sends it again when an answer is lost.
//! [`Cashier::careful`] keeps that promise: it remembers what has been paid. [`Cashier::forgetful`]
//! does not, which no ordinary test notices: it takes an answer that is lost after the payment.
//! [`evening`] simulates such moments, hundreds of evenings in a few seconds.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use motet::{App, prelude::*};
use motet_testkit::simulation::{Chaos, ClientNode, Failure, Run, Simulation};

/// A payment.
#[motet::message]
pub struct Payment {
    /// Its number: the same in every attempt to make it.
    pub number: u64,
    /// To whom.
    pub to: String,
    /// How much.
    pub coins: u64,
}

/// Pays.
#[motet::service(name = "payments", version = "1.0.0")]
pub trait Payments {
    /// Pays, and says what the account holds now.
    #[method(idempotent)]
    async fn pay(&self, cx: &Context, payment: Payment) -> Result<u64>;
}

/// The accounts. They stand for a database: they outlive the cashiers, who share them.
#[derive(Clone, Default)]
pub struct Books(Arc<Mutex<Entries>>);

#[derive(Default)]
struct Entries {
    accounts: BTreeMap<String, u64>,
    paid: BTreeSet<u64>,
}

impl Books {
    fn open(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What all accounts hold together.
    pub fn total(&self) -> u64 {
        self.open().accounts.values().sum()
    }
}

/// Makes payments.
pub struct Cashier {
    books: Books,
    remembers: bool,
}

impl Cashier {
    /// One that remembers what has been paid.
    pub fn careful(books: &Books) -> Cashier {
        Cashier { books: books.clone(), remembers: true }
    }

    /// One that pays as often as it is told to: the bug.
    pub fn forgetful(books: &Books) -> Cashier {
        Cashier { books: books.clone(), remembers: false }
    }
}

impl Payments for Cashier {
    async fn pay(&self, _: &Context, payment: Payment) -> Result<u64> {
        let mut entries = self.books.open();
        let is_new = entries.paid.insert(payment.number);
        let account = entries.accounts.entry(payment.to).or_default();
        if is_new || !self.remembers {
            *account += payment.coins;
        }
        Ok(*account)
    }
}

/// What customers asked for, as far as they know.
#[derive(Clone, Copy, Default)]
struct Asked {
    /// Coins of all payments.
    all: u64,
    /// Coins of those that were confirmed.
    confirmed: u64,
}

/// An evening with two cashiers and a till, under faults drawn from the seed.
///
/// # Errors
/// The invariant that does not hold: nobody is paid twice, and what was confirmed is paid.
pub fn evening(seed: u64, cashier: fn(&Books) -> Cashier) -> Result<Run, Failure> {
    let (books, asked) = (Books::default(), Arc::new(Mutex::new(Asked::default())));
    let app = |books: &Books| {
        let books = books.clone();
        move || App::builder().service(PaymentsServer::new(cashier(&books)))
    };
    let customers = asked.clone();
    Simulation::new(seed)
        .node("cashier-1", app(&books))
        .node("cashier-2", app(&books))
        .client("till", move |till| buy(till, customers.clone()))
        .chaos(
            Chaos::between(Duration::from_secs(1), Duration::from_secs(9))
                .partitions(["till", "cashier-1", "cashier-2"])
                .crashes(["cashier-1", "cashier-2"])
                .loss(0.1),
        )
        .invariant("nobody is paid twice", move |_| {
            let Asked { all, confirmed } = *asked.lock().unwrap_or_else(PoisonError::into_inner);
            let total = books.total();
            assert!(total <= all, "{total} coins were paid and only {all} asked for");
            assert!(total >= confirmed, "{confirmed} coins were confirmed and only {total} paid");
        })
        .try_run(Duration::from_secs(60))
}

/// Customers pay, one after another.
async fn buy(till: ClientNode, asked: Arc<Mutex<Asked>>) {
    let note = |change: &dyn Fn(&mut Asked)| change(&mut asked.lock().unwrap_or_else(PoisonError::into_inner));
    let payments = PaymentsClient::new(till.client());
    for number in 0.. {
        if till.elapsed() > Duration::from_secs(9) {
            return;
        }
        let coins = 1 + till.entropy().below(20) as u64;
        note(&|asked| asked.all += coins);
        let payment = Payment { number, to: format!("shop-{}", number % 3), coins };
        let cx = Context::new().with_timeout(Duration::from_secs(3));
        if payments.pay(&cx, payment).await.is_ok() {
            note(&|asked| asked.confirmed += coins);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

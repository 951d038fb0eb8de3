//! Typed errors, and something to remember.

use std::sync::{Mutex, PoisonError};

use motet::{core::Map, prelude::*};

/// The most accounts that are kept.
const MAX_ACCOUNTS: usize = 1_000;

/// What everybody begins with.
const GIFT: u64 = 100;

/// What is moved.
#[motet::message]
pub(super) struct Movement {
    /// Whose account.
    #[garde(length(min = 1, max = 40))]
    pub(super) account: String,
    /// How much, 1 to 1000.
    #[garde(range(min = 1, max = 1000))]
    pub(super) amount: u64,
}

/// What is there.
#[motet::message]
pub(super) struct Balance {
    /// How much.
    pub(super) balance: u64,
}

/// Why a bank says no.
#[derive(Debug, RpcError)]
pub(super) enum BankError {
    /// There is less than that.
    #[rpc(code = FailedPrecondition, message = "{balance} are there, {asked} were asked for")]
    NotEnough {
        /// What is there.
        balance: u64,
        /// What was asked for.
        asked: u64,
    },
    /// Nobody new is taken.
    #[rpc(code = ResourceExhausted, message = "the bank is full")]
    Full,
    /// Anything else.
    #[rpc(other)]
    Other(Status),
}

/// Keeps money; every account begins with 100.
#[motet::service(name = "bank", version = "1.0.0")]
pub(super) trait Bank {
    /// Says what is there.
    #[method(safe)]
    async fn balance(&self, cx: &Context, account: String) -> Result<Balance>;
    /// Brings money.
    async fn deposit(&self, cx: &Context, req: Movement) -> Result<Balance, BankError>;
    /// Takes money, if there is enough.
    async fn withdraw(&self, cx: &Context, req: Movement) -> Result<Balance, BankError>;
}

#[derive(Default)]
struct Vault(Mutex<Map<String, u64>>);

impl Vault {
    fn change(&self, account: String, by: impl FnOnce(u64) -> Result<u64, BankError>) -> Result<Balance, BankError> {
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if accounts.len() >= MAX_ACCOUNTS && !accounts.contains_key(&account) {
            return Err(BankError::Full);
        }
        let balance = accounts.entry(account).or_insert(GIFT);
        *balance = by(*balance)?;
        Ok(Balance { balance: *balance })
    }
}

impl Bank for Vault {
    async fn balance(&self, _: &Context, account: String) -> Result<Balance> {
        let accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Balance { balance: accounts.get(&account).copied().unwrap_or(GIFT) })
    }

    async fn deposit(&self, _: &Context, req: Movement) -> Result<Balance, BankError> {
        self.change(req.account, |balance| Ok(balance.saturating_add(req.amount)))
    }

    async fn withdraw(&self, _: &Context, req: Movement) -> Result<Balance, BankError> {
        let asked = req.amount;
        self.change(req.account, |balance| balance.checked_sub(asked).ok_or(BankError::NotEnough { balance, asked }))
    }
}

pub(super) fn service() -> impl IntoService + Send {
    BankServer::new(Vault::default())
}

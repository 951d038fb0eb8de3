//! Constraints: what a message may hold is declared on its type, checked before the handler runs,
//! and told to the caller field by field. Handlers see only values that keep the rules.

use motet::core::validate::Report;
use motet::prelude::*;

/// A new account.
#[motet::message]
#[derive(Clone)]
pub struct SignUp {
    /// Letters and digits, 3 to 20 of them.
    #[garde(length(min = 3, max = 20), alphanumeric)]
    pub user: String,
    /// Where letters reach the user.
    #[garde(email)]
    pub email: String,
    /// In years.
    #[garde(range(min = 13, max = 150))]
    pub age: u8,
    /// Never shown: not in `Debug`, not in an error, not in a log; the schema says so, too.
    #[garde(length(min = 8, max = 100))]
    #[motet(sensitive)]
    pub password: String,
    /// What is absent breaks no rule; what is there must keep them.
    #[garde(length(min = 2, max = 30))]
    pub nickname: Option<String>,
    /// `required` makes an optional field one that must be there.
    #[garde(required)]
    pub accepted_terms: Option<u32>,
    /// A message inside is checked by its own rules.
    pub home: Address,
    /// So are those of a list; its length has a rule of its own.
    #[garde(length(max = 3))]
    pub others: Vec<Address>,
    /// `inner` holds for each element.
    #[garde(length(max = 5), inner(length(min = 1, max = 10)))]
    pub tags: Vec<String>,
}

/// Where somebody lives.
#[motet::message]
#[derive(Clone, Debug)]
pub struct Address {
    /// The town.
    #[garde(length(min = 1, max = 60))]
    pub town: String,
    /// The postal code: five digits.
    #[garde(pattern("^[0-9]{5}$"))]
    pub code: String,
}

/// Holds accounts.
#[motet::service(name = "accounts", version = "1.0.0")]
pub trait Accounts {
    /// Opens an account and gives back its number.
    async fn sign_up(&self, cx: &Context, req: SignUp) -> Result<u64>;
    /// Changes a password. An argument can be sensitive as well.
    async fn change(&self, cx: &Context, user: u64, #[motet(sensitive)] password: String, home: Address) -> Result<()>;
}

/// The service.
#[derive(Debug)]
pub struct MyAccounts;

impl Accounts for MyAccounts {
    async fn sign_up(&self, _: &Context, req: SignUp) -> Result<u64> {
        // What needs more than one field, or a database, is checked here.
        if req.others.iter().any(|other| other.code == req.home.code && other.town == req.home.town) {
            return Err(Status::invalid_argument("others: one of them is the home itself"));
        }
        Ok(1)
    }

    async fn change(&self, _: &Context, _: u64, _: String, _: Address) -> Result<()> {
        Ok(())
    }
}

/// What a form shows beside its fields: the field and the rule that it breaks.
pub fn broken(status: &Status) -> Vec<(String, String)> {
    let report = Report::of(status).unwrap_or_default();
    report.violations().iter().map(|broken| (broken.field.clone(), broken.message.clone())).collect()
}

//! Run with: cargo run -p validation
//!
//! Sends an account that breaks many rules, and prints what the caller learns.

use motet::{Context, Service};
use validation::{Accounts, AccountsClient, AccountsServer, Address, MyAccounts, SignUp, broken};

#[motet::main]
async fn main() -> motet::Result<()> {
    let app = Service::new("accounts").serve(AccountsServer::new(MyAccounts)).start().await?;
    let accounts = AccountsClient::new(app.client().to(&app.endpoints()[0])?);
    let nowhere = Address { town: "Nowhere".into(), code: "12".into() };
    let account = SignUp {
        user: "a!".into(),
        email: "nobody".into(),
        age: 7,
        password: "hunter2".into(),
        nickname: Some("x".into()),
        accepted_terms: None,
        home: Address { town: String::new(), code: "12345".into() },
        others: vec![nowhere],
        tags: vec!["fine".into(), String::new()],
    };
    println!("{account:?}");
    if let Err(status) = accounts.sign_up(&Context::new(), account).await {
        println!("{}", status.code());
        for (field, rule) in broken(&status) {
            println!("  {field}: {rule}");
        }
    }
    app.stop().await;
    Ok(())
}

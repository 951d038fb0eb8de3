//! What callers see of broken rules.

use motet::{Code, Context, RunningApp, Service, core::validate::check};
use validation::{Accounts, AccountsClient, AccountsServer, Address, MyAccounts, SignUp, broken};

const SECRET: &str = "xyzzy";

fn home() -> Address {
    Address { town: "Oslo".into(), code: "12345".into() }
}

fn good() -> SignUp {
    SignUp {
        user: "ada".into(),
        email: "ada@example.org".into(),
        age: 36,
        password: "correct horse".into(),
        nickname: None,
        accepted_terms: Some(2),
        home: home(),
        others: Vec::new(),
        tags: vec!["maths".into()],
    }
}

async fn remote() -> (RunningApp, AccountsClient) {
    let app = Service::new("accounts").serve(AccountsServer::new(MyAccounts)).start().await.expect("starts");
    let client = app.client().to(&app.endpoints()[0]).expect("an address");
    (app, AccountsClient::new(client))
}

#[tokio::test]
async fn each_broken_rule_names_its_field() {
    type Break = fn(&mut SignUp);
    let table: [(Break, &str); 11] = [
        (|a| a.user = "ad".into(), "user"),
        (|a| a.user = "ada!".into(), "user"),
        (|a| a.email = "ada".into(), "email"),
        (|a| a.age = 12, "age"),
        (|a| a.password = SECRET.into(), "password"),
        (|a| a.nickname = Some("x".into()), "nickname"),
        (|a| a.accepted_terms = None, "accepted_terms"),
        (|a| a.home.town.clear(), "home.town"),
        (|a| a.others = vec![home(), Address { town: "Bergen".into(), code: "5003".into() }], "others[1].code"),
        (|a| a.others = vec![home(); 4], "others"),
        (|a| a.tags.push(String::new()), "tags[1]"),
    ];
    let (app, remote) = remote().await;
    for accounts in [AccountsClient::local(MyAccounts), remote] {
        assert_eq!(accounts.sign_up(&Context::new(), good()).await, Ok(1));
        for (change, field) in table {
            let mut account = good();
            change(&mut account);
            let error = accounts.sign_up(&Context::new(), account).await.expect_err(field);
            assert_eq!(error.code(), Code::InvalidArgument);
            assert_eq!(broken(&error).into_iter().map(|(field, _)| field).collect::<Vec<_>>(), [field], "{error}");
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn arguments_are_checked_under_their_names() {
    let (app, accounts) = remote().await;
    let nowhere = Address { town: String::new(), code: "12345".into() };
    let error = accounts.change(&Context::new(), 1, SECRET.into(), nowhere).await.expect_err("no town");
    assert_eq!(error.message(), "home.town: length is below 1");
    app.stop().await;
}

#[tokio::test]
async fn what_the_handler_checks_has_no_report() {
    let account = SignUp { others: vec![home()], ..good() };
    let error = AccountsClient::local(MyAccounts).sign_up(&Context::new(), account).await.expect_err("the same");
    assert_eq!((error.code(), broken(&error)), (Code::InvalidArgument, Vec::new()));
}

#[test]
fn a_value_can_be_checked_without_a_call() {
    assert!(check(&good()).is_ok());
    assert_eq!(broken(&check(&SignUp { age: 7, ..good() }).expect_err("too young"))[0].0, "age");
}

#[tokio::test]
async fn a_sensitive_value_is_never_shown() {
    let account = SignUp { password: SECRET.into(), ..good() };
    let (app, accounts) = remote().await;
    let error = accounts.sign_up(&Context::new(), account.clone()).await.expect_err("too short");
    assert!(!format!("{account:?} {error} {error:?} {:?}", broken(&error)).contains(SECRET));
    let method = AccountsServer::descriptor();
    let schema = &method.method("sign_up").expect("described").request;
    assert_eq!(schema["properties"]["password"]["x-sensitive"], true);
    app.stop().await;
}

#[test]
fn the_program_prints_every_broken_rule() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_validation")).output().expect("runs");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(!text.contains("hunter2"), "{text}");
    let fields: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("  ")?.split(':').next()).collect();
    let expected = [
        "user",
        "user",
        "email",
        "age",
        "password",
        "nickname",
        "accepted_terms",
        "home.town",
        "others[0].code",
        "tags[1]",
    ];
    assert_eq!(fields, expected, "{text}");
}

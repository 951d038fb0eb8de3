//! A user's own test in the simulated network: it finds the bug, and holds its repair.

use motet::{App, Context};
use motet_testkit::simulation::Simulation;
use simulation::{Books, Cashier, Payment, Payments, PaymentsClient, PaymentsServer, evening};

#[tokio::test]
async fn an_ordinary_test_notices_nothing() {
    let books = Books::default();
    let app = App::builder().service(PaymentsServer::new(Cashier::forgetful(&books))).start().await.expect("starts");
    let payments = PaymentsClient::new(app.client().to(&app.endpoints()[0]).expect("an address"));
    for number in 0..10 {
        let payment = Payment { number, to: "shop".into(), coins: 7 };
        payments.pay(&Context::new(), payment).await.expect("paid");
    }
    assert_eq!(books.total(), 70);
    app.stop().await;
}

#[test]
fn forgetful_cashiers_are_found_out() {
    let failure =
        Simulation::first_failure(50, |seed| evening(seed, Cashier::forgetful)).expect("one evening shows it");
    assert!(failure.what.contains("nobody is paid twice"), "{failure}");
    // The seed is all that it takes to see the same evening again.
    let again = evening(failure.seed, Cashier::forgetful).expect_err("the same seed, the same mistake");
    assert_eq!((again.what, again.trace), (failure.what, failure.trace));
}

#[test]
fn careful_cashiers_pay_once_whatever_happens() {
    Simulation::seeds(20, |seed| {
        if let Err(failure) = evening(seed, Cashier::careful) {
            panic!("{failure}");
        }
    });
}

#[test]
fn the_program_tells_both_stories() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_simulation")).output().expect("runs");
    let lines = String::from_utf8(output.stdout).expect("text");
    assert!(lines.contains("coins were paid and only"), "{lines}");
    assert!(lines.contains("careful cashiers: 50 evenings without a mistake"), "{lines}");
}

//! What callers see of errors.

use errors::{
    MyShop, Pears, Shop, ShopClient, ShopError, ShopServer, StockError, Warehouse, WarehouseClient, WarehouseServer,
    advice,
};
use motet::{App, Code, Context, Executed, RpcError, Service, Status};

fn shop() -> MyShop {
    MyShop { warehouse: WarehouseClient::local(Pears) }
}

#[tokio::test]
async fn a_caller_matches_on_what_the_service_returned() {
    let app = Service::new("warehouse").serve(WarehouseServer::new(Pears)).start().await.expect("starts");
    let remote = app.client().to(&app.endpoints()[0]).expect("an address");
    let cx = &Context::new();
    for warehouse in [WarehouseClient::local(Pears), WarehouseClient::new(remote)] {
        assert_eq!(warehouse.take(cx, "pear".into(), 3).await, Ok(4));
        assert_eq!(warehouse.take(cx, "pear".into(), 8).await, Err(StockError::TooFew { wanted: 8, left: 7 }));
        assert_eq!(warehouse.take(cx, "fig".into(), 1).await, Err(StockError::Unknown("fig".into())));
        let Err(StockError::Other(status)) = warehouse.take(cx, String::new(), 1).await else { panic!("another") };
        assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "item: which one?"));
    }
    app.stop().await;
}

#[tokio::test]
async fn an_error_of_a_service_behind_passes_through_with_its_reason() {
    let shop = ShopClient::local(shop());
    let cx = &Context::new();
    assert_eq!(shop.order(cx, "pear".into(), 2).await, Ok(6));
    assert_eq!(shop.order(cx, "pear".into(), 8).await, Err(ShopError::SoldOut { item: "pear".into(), left: 7 }));
    let Err(ShopError::Other(status)) = shop.order(cx, "fig".into(), 1).await else { panic!("another") };
    assert_eq!((status.code(), status.message()), (Code::NotFound, "no item is called fig"));
    assert_eq!(status.reason(), Some("StockError.Unknown"));
    // Who knows the type finds the variant again, two services away.
    assert_eq!(StockError::from_status(status), StockError::Unknown("fig".into()));
}

#[tokio::test]
async fn a_status_says_whether_the_method_ran() {
    let app = App::builder().service(ShopServer::new(shop())).start().await.expect("starts");
    let remote = app.client().to(&app.endpoints()[0]).expect("an address");
    let cx = &Context::new();
    for client in [app.client().clone(), remote.clone()] {
        let refused = ShopClient::new(&client).open(cx, 25).await.expect_err("no such hour");
        assert_eq!((refused.code(), refused.executed()), (Code::OutOfRange, Executed::Yes));
        let later = ShopClient::new(&client).open(cx, 24).await.expect_err("not now");
        assert_eq!(later.retry_after(), Some(std::time::Duration::from_secs(60)));
        let Err(StockError::Other(nobody)) = WarehouseClient::new(client).take(cx, "pear".into(), 1).await else {
            panic!("no warehouse here")
        };
        assert_eq!(nobody.executed(), Executed::No, "{nobody}");
    }
    app.stop().await;
    let gone = ShopClient::new(remote).open(cx, 9).await.expect_err("nobody listens");
    assert_eq!((gone.code(), gone.executed()), (Code::Unavailable, Executed::No), "{gone:?}");
}

#[test]
fn advice_comes_from_the_status_alone() {
    let lost = Status::unavailable("the connection broke");
    assert_eq!(advice(&lost), "UNAVAILABLE: ask again later; it may help to try again, if it may run twice");
    let full = lost.with_executed(Executed::No);
    assert_eq!(advice(&full), "UNAVAILABLE: ask again later; it did not run, so that trying again is safe");
    assert!(advice(&Status::internal("a bug")).contains("tell the people behind"));
}

#[test]
fn the_program_prints_what_callers_learn() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_errors")).output().expect("runs");
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout).expect("text");
    assert_eq!(
        lines.lines().collect::<Vec<_>>(),
        [
            "2 pear: 6 coins",
            "9 pear: only 7",
            "1 fig: NOT_FOUND: no item is called fig (StockError.Unknown)",
            "UNAVAILABLE: ask again later; it may help to try again in 60s, if it may run twice",
            "OUT_OF_RANGE: ask differently; trying again will not help",
            // The warehouse did not run, but the shop did, and it is the shop that was called.
            "UNAVAILABLE: ask again later; it may help to try again, if it may run twice",
        ]
    );
}

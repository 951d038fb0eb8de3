//! A Motet client calls a Motet service over WebSocket.

mod support;

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use motet::{App, Client, ClientTls, Code, Context, Executed, Status, Streaming, TcpTransport, WebSocketClient};
use support::*;

#[tokio::test]
async fn all_four_kinds_are_answered() {
    let (app, _) = start("").await;
    let (client, cx) = (client(&app), Context::new());
    assert_eq!(client.square(&cx, 12).await.expect("answered"), 144);
    let counted = client.count(&cx, 200).await.expect("answered").collect().await.expect("to its end");
    assert_eq!(counted, (1..=200).collect::<Vec<_>>(), "more than one window");
    assert_eq!(client.sum(&cx, Streaming::from_iter(1..=200)).await.expect("answered"), 20_100);
    let sums = client.sums(&cx, Streaming::from_iter([1, 2, 3])).await.expect("begun").collect().await;
    assert_eq!(sums.expect("to its end"), [1, 3, 6]);
    let point = Point { x: 1, y: 2, name: Some("grüß".to_owned()) };
    let moved = client.moved(&cx, Streaming::from_iter(vec![point.clone(); 100])).await.expect("begun");
    let moved = moved.collect().await.expect("to its end");
    assert!(moved.len() == 100 && moved.iter().all(|moved| moved.x == 2 && moved.name == point.name));
    assert!(app.stop().await.is_clean());
}

#[tokio::test]
async fn both_sides_of_a_stream_go_in_step() {
    let (app, _) = start("").await;
    let (sender, numbers) = Streaming::channel(1);
    let mut sums = client(&app).sums(&Context::new(), numbers).await.expect("begun");
    for (n, sum) in [(1, 1), (10, 11), (100, 111)] {
        sender.send(Ok(n)).await.expect("it is read");
        assert_eq!(sums.next().await.expect("open"), Ok(sum));
    }
    drop(sender);
    assert!(sums.next().await.is_none());
}

#[tokio::test]
async fn errors_keep_code_reason_and_metadata() {
    let (app, _) = start("").await;
    let (client, cx) = (client(&app), Context::new());
    let status = client.square(&cx, i64::MAX).await.expect_err("too big");
    assert_eq!((status.code(), status.reason()), (Code::OutOfRange, Some("Numbers.TooBig")));
    assert_eq!(status.metadata().get("end"), Some("2"));
    let status = client.count(&cx, 0).await.expect_err("before the stream");
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "to: at least 1"));
    let mut count = client.count(&cx, 2000).await.expect("begun");
    let mut seen = 0;
    let status = loop {
        match count.next().await.expect("it does not end well") {
            Ok(_) => seen += 1,
            Err(status) => break status,
        }
    };
    assert_eq!((seen, status.reason()), (999, Some("Numbers.TooFar")));
    assert!(count.next().await.is_none(), "nothing follows an error");
    let sums = client.sums(&cx, Streaming::from_iter([1, -1])).await.expect("begun").collect().await;
    assert_eq!(sums.expect_err("down").message(), "only up");
}

#[tokio::test]
async fn metadata_goes_both_ways() {
    let (app, _) = start("").await;
    let client = client(&app);
    let cx =
        Context::new().with_metadata("color", "grün").expect("valid").with_metadata("color", "red").expect("valid");
    assert_eq!(client.color(&cx).await.expect("answered"), ["grün", "red", "ws"]);
    let (cx, seen) = Context::new().capture();
    client.square(&cx, 2).await.expect("answered");
    assert_eq!(seen.initial().and_then(|all| all.get("head").map(str::to_owned)).as_deref(), Some("1"));
    assert_eq!(seen.trailing().and_then(|all| all.get("end").map(str::to_owned)).as_deref(), Some("2"));
    let (cx, seen) = Context::new().capture();
    let count = client.count(&cx, 3).await.expect("begun");
    assert_eq!(seen.initial().and_then(|all| all.get("head").map(str::to_owned)).as_deref(), Some("1"));
    count.collect().await.expect("to its end");
    assert_eq!(seen.trailing().and_then(|all| all.get("end").map(str::to_owned)).as_deref(), Some("2"));
}

#[tokio::test]
async fn a_deadline_ends_calls_and_streams_on_both_sides() {
    let (app, me) = start("").await;
    let client = client(&app);
    let cx = || Context::new().with_timeout(Duration::from_millis(200));
    let status = client.hang(&cx()).await.expect_err("late");
    assert_eq!(status.code(), Code::DeadlineExceeded);
    let (_sender, numbers) = Streaming::channel(1);
    let sums = client.sums(&cx(), numbers).await.expect("begun").collect().await;
    assert_eq!(sums.expect_err("late").code(), Code::DeadlineExceeded);
    until(|| me.open.load(SeqCst) == 0).await;
    assert_eq!(client.square(&Context::new(), 3).await.expect("others go on"), 9);
}

#[tokio::test]
async fn who_leaves_cancels_the_call() {
    let (app, me) = start("").await;
    let client = client(&app);
    let hanging = tokio::spawn({
        let client = client.clone();
        async move { client.hang(&Context::new()).await }
    });
    until(|| me.open.load(SeqCst) == 1).await;
    hanging.abort();
    until(|| me.open.load(SeqCst) == 0).await;
    let mut endless = client.endless(&Context::new(), 10).await.expect("begun");
    for _ in 0..100 {
        endless.next().await.expect("endless").expect("well");
    }
    assert_eq!(me.open.load(SeqCst), 1);
    drop(endless);
    until(|| me.open.load(SeqCst) == 0).await;
}

#[tokio::test]
async fn an_error_of_the_caller_s_stream_is_the_call_s() {
    let (app, me) = start("").await;
    let client = client(&app);
    let broken = || {
        let (sender, numbers) = Streaming::channel(2);
        sender.try_send(Ok(1)).expect("room");
        sender.try_send(Err(Status::data_loss("torn"))).expect("room");
        numbers
    };
    assert_eq!(client.sum(&Context::new(), broken()).await.expect_err("torn").message(), "torn");
    let sums = client.sums(&Context::new(), broken()).await.expect("begun").collect().await;
    assert_eq!(sums.expect_err("torn").message(), "torn");
    until(|| me.open.load(SeqCst) == 0).await;
}

#[tokio::test]
async fn a_handler_may_answer_before_the_caller_s_stream_ends() {
    let (app, _) = start("").await;
    let numbers = Streaming::from_iter(std::iter::repeat(1_000_000));
    let answer = tokio::time::timeout(SOON, client(&app).sum(&Context::new(), numbers)).await;
    assert_eq!(answer.expect("in time"), Ok(11_000_000));
}

#[tokio::test]
async fn a_slow_reader_holds_up_its_own_stream_only() {
    let (app, me) = start("").await;
    let client = client(&app);
    let mut endless = client.endless(&Context::new(), 100_000).await.expect("begun");
    for n in 0..50 {
        assert_eq!(client.square(&Context::new(), n).await.expect("answered"), n * n);
    }
    for _ in 0..200 {
        assert_eq!(endless.next().await.expect("endless").expect("well").len(), 100_000);
    }
    drop(endless);
    until(|| me.open.load(SeqCst) == 0).await;
}

#[tokio::test]
async fn a_one_way_call_is_run_and_not_answered() {
    let (app, me) = start("").await;
    client(&app).one_way().take(&Context::new(), "x".to_owned()).await.expect("written");
    until(|| me.taken.load(SeqCst) == 1).await;
}

#[tokio::test]
async fn a_thousand_calls_at_once_are_answered() {
    let (app, _) = start("").await;
    let client = client(&app);
    let calls: Vec<_> = (0..1000)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move { client.wait(&Context::new(), n % 7).await.map(|waited| waited == n % 7) })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.expect("no panic"), Ok(true));
    }
}

#[tokio::test]
async fn messages_up_to_the_limit_pass_and_longer_ones_fail_alone() {
    let (app, _) = start("").await;
    let client = client(&app);
    assert_eq!(client.take(&Context::new(), String::new()).await, Ok(0));
    let long = (4 << 20) - (1 << 10);
    assert_eq!(client.take(&Context::new(), "x".repeat(long)).await, Ok(long as u64));
    let status = client.take(&Context::new(), "x".repeat(4 << 20)).await.expect_err("too long");
    assert_eq!((status.code(), status.executed()), (Code::ResourceExhausted, Executed::No));
    assert_eq!(client.square(&Context::new(), 3).await, Ok(9), "on the same connection");
}

#[tokio::test]
async fn a_server_that_stops_answers_what_runs_and_refuses_the_rest() {
    let (app, _) = start("").await;
    let other = App::builder().start().await.expect("starts");
    let client = NumbersClient::new(other.client().to(format!("ws://{}", address(&app))).expect("an address"));
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.wait(&Context::new(), 300).await }
    });
    assert_eq!(client.square(&Context::new(), 2).await, Ok(4), "the connection is open");
    assert!(app.stop().await.is_clean());
    assert_eq!(waiting.await.expect("no panic"), Ok(300));
    let status = client.square(&Context::new(), 2).await.expect_err("gone");
    assert_eq!((status.code(), status.executed()), (Code::Unavailable, Executed::No));
}

#[tokio::test]
async fn a_port_without_websocket_says_so() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let answering = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        loop {
            let (mut stream, _) = listener.accept().await.expect("listening");
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
        }
    });
    let (app, _) = start("").await;
    let client = NumbersClient::new(app.client().to(format!("ws://{address}")).expect("an address"));
    let status = client.square(&Context::new(), 2).await.expect_err("no WebSocket");
    answering.abort();
    assert_eq!((status.code(), status.executed()), (Code::Unavailable, Executed::No));
    assert!(status.message().contains("no calls over WebSocket"), "{status}");
}

#[tokio::test]
async fn it_goes_over_tls_as_well() {
    let key = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let (certificate, private) = (key.cert.pem(), key.signing_key.serialize_pem());
    let folder = tempfile::tempdir().expect("a folder");
    let (cert, private_key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, &certificate).expect("written");
    std::fs::write(&private_key, private).expect("written");
    let (app, _) = start(&format!(
        "[server.tls]\ncert = {:?}\nkey = {:?}",
        cert.display().to_string(),
        private_key.display().to_string()
    ))
    .await;
    let port = address(&app).rsplit(':').next().expect("a port").to_owned();
    let tls = ClientTls::from_pem(&certificate).expect("a certificate");
    let client = Client::builder()
        .protocol(std::sync::Arc::new(WebSocketClient::default()))
        .transport(std::sync::Arc::new(TcpTransport::new().with_tls(tls)))
        .build();
    let client = NumbersClient::new(client.to(format!("wss://localhost:{port}")).expect("an address"));
    assert_eq!(client.square(&Context::new(), 5).await, Ok(25));
    let sums = client.sums(&Context::new(), Streaming::from_iter([1, 2])).await.expect("begun").collect().await;
    assert_eq!(sums, Ok(vec![1, 3]));
}

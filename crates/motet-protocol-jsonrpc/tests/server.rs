//! The server, byte by byte.

mod support;

use std::{future::poll_fn, sync::atomic::Ordering::SeqCst, task::Poll, time::Duration};

use motet_promises::Measurement;
use motet_protocol_jsonrpc::JsonRpcConfig;
use support::{converse, read_to_end, serve, until};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

#[tokio::test]
async fn requests_of_go_get_the_answers_of_go_at_every_split() {
    let (_server, address, _) = serve(JsonRpcConfig::default()).await;
    let request = "{\"method\":\"world.HelloWorld\",\"params\":[\"李白\"],\"id\":0}\n".as_bytes();
    let expected = "{\"id\":0,\"result\":\"李白 你好....\",\"error\":null}\n";
    for split in 0..request.len() {
        let mut socket = TcpStream::connect(&address).await.expect("the server listens");
        socket.set_nodelay(true).expect("an option");
        socket.write_all(&request[..split]).await.expect("it reads");
        tokio::task::yield_now().await;
        socket.write_all(&request[split..]).await.expect("it reads");
        socket.shutdown().await.expect("half closed");
        assert_eq!(read_to_end(socket).await, expected, "split at {split}");
    }
}

#[tokio::test]
async fn texts_ids_and_odd_requests_are_as_with_go() {
    let (_server, address, _) = serve(JsonRpcConfig::default()).await;
    for (request, reply) in [
        (
            r#"{"method":"World.HelloWorld","params":["a"],"id":"abc"}"#,
            r#"{"id":"abc","result":"a 你好....","error":null}"#,
        ),
        (
            r#"{"method":"World.HelloWorld","params":["a"],"id":{"k":[1]}}"#,
            r#"{"id":{"k":[1]},"result":"a 你好....","error":null}"#,
        ),
        (r#"{"method":"World.Nothing","params":[{}]}"#, r#"{"id":null,"result":{},"error":null}"#),
        (r#"{"method":"World.Nothing","params":[],"id":null}"#, r#"{"id":null,"result":{},"error":null}"#),
        (
            r#"{"method":"world.HelloWorld","paras":["李白"],"id":0}"#,
            r#"{"id":0,"result":null,"error":"jsonrpc: request body missing params"}"#,
        ),
        (
            r#"{"method":"World.HelloWorld","params":{"name":"a"},"id":1}"#,
            r#"{"id":1,"result":null,"error":"json: cannot unmarshal object into Go value of type [1]interface {}"}"#,
        ),
        (
            r#"{"method":"Arith.Add","params":[1],"id":1}"#,
            r#"{"id":1,"result":null,"error":"rpc: can't find service Arith.Add"}"#,
        ),
        (
            r#"{"method":"World.Add","params":[1],"id":1}"#,
            r#"{"id":1,"result":null,"error":"rpc: can't find method World.Add"}"#,
        ),
        (
            r#"{"method":"nonsense","params":[1],"id":1}"#,
            r#"{"id":1,"result":null,"error":"rpc: service/method request ill-formed: nonsense"}"#,
        ),
        (
            r#"{"method":"World.Divide","params":[{"A":1,"B":0}],"id":3}"#,
            r#"{"id":3,"result":null,"error":"divide by zero"}"#,
        ),
        (r#"{"method":"World.Divide","params":[{"A":7,"B":2}],"id":3}"#, r#"{"id":3,"result":3,"error":null}"#),
        (
            r#"{"method":"World.Echo","params":[{"FirstName":"x","count":2,"Note":null,"More":[]}],"id":4}"#,
            r#"{"id":4,"result":{"first_name":"x","count":2,"note":null},"error":null}"#,
        ),
        (r#"{"method":"World.Find","params":[""],"id":5}"#, r#"{"id":5,"result":null,"error":null}"#),
    ] {
        assert_eq!(converse(&address, request.as_bytes()).await, format!("{reply}\n"), "{request}");
    }
    let streams = converse(&address, br#"{"method":"World.Ticks","params":[],"id":1}"#).await;
    assert!(streams.contains("method with streams"), "{streams}");
}

#[tokio::test]
async fn both_versions_are_spoken_on_one_connection_and_each_answered_in_its_own() {
    let (_server, address, world) = serve(JsonRpcConfig::default()).await;
    let requests = r#"{"method":"World.Subtract","params":[{"minuend":1,"subtrahend":2}],"id":1}
        {"jsonrpc":"2.0","method":"World.Subtract","params":[42,23],"id":2}
        {"jsonrpc":"2.0","method":"World.Subtract","params":{"subtrahend":23,"minuend":42},"id":3}
        {"jsonrpc":"2.0","method":"World.Divide","params":[1,0],"id":"four"}
        {"jsonrpc":"2.0","method":"World.Missing","id":5}
        {"jsonrpc":"2.0","method":"World.Divide","params":[1,0,0],"id":6}
        {"jsonrpc":"2.0","method":"World.Nothing"}
        {"jsonrpc":"2.0","method":7}
        [{"jsonrpc":"2.0","method":"World.Nothing"},{"jsonrpc":"2.0","method":"World.HelloWorld","params":["b"],"id":8},9]"#;
    let replies = converse(&address, requests.as_bytes()).await;
    let invalid = r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Invalid Request"},"id":null}"#;
    let expected = [
        r#"{"id":1,"result":-1,"error":null}"#,
        r#"{"jsonrpc":"2.0","result":19,"id":2}"#,
        r#"{"jsonrpc":"2.0","result":19,"id":3}"#,
        r#"{"jsonrpc":"2.0","error":{"code":-32003,"message":"divide by zero","data":{"reason":"Math.Zero","executed":"yes"}},"id":"four"}"#,
        r#"{"jsonrpc":"2.0","error":{"code":-32601,"message":"Method not found"},"id":5}"#,
        r#"{"jsonrpc":"2.0","error":{"code":-32602,"message":"world/divide takes 2 parameters, not 3"},"id":6}"#,
        invalid,
        &format!(r#"[{invalid},{{"jsonrpc":"2.0","result":"b 你好....","id":8}}]"#),
    ];
    assert_eq!(replies.lines().collect::<Vec<_>>(), expected);
    until(|| world.nothings.load(SeqCst) == 2).await;
}

#[tokio::test]
async fn replies_come_when_they_are_ready_also_behind_a_half_close() {
    let (_server, address, _) = serve(JsonRpcConfig::default()).await;
    let slow = |id, ms| format!("{{\"method\":\"World.Slow\",\"params\":[{ms}],\"id\":{id}}}");
    let replies = converse(&address, [slow(1, 500), slow(2, 250), slow(3, 0)].concat().as_bytes()).await;
    let ids: Vec<_> = replies.lines().map(|line| &line[..7]).collect();
    assert_eq!(ids, ["{\"id\":3", "{\"id\":2", "{\"id\":1"]);
}

#[tokio::test]
async fn garbage_ends_its_connection_after_the_answers_and_no_other() {
    let mut measured = Measurement::begin("P14", "garbage_ends_its_connection_after_the_answers_and_no_other");
    let (server, address, _) = serve(JsonRpcConfig::default()).await;
    let mut other = BufReader::new(TcpStream::connect(&address).await.expect("the server listens"));
    other.write_all(br#"{"method":"World.Slow","params":[300],"id":1}"#).await.expect("it reads");
    let slow = r#"{"method":"World.Slow","params":[50],"id":2}"#;
    let answer = "{\"id\":2,\"result\":50,\"error\":null}\n";
    for garbage in ["nonsense", "}", "{\"method\":7}", "{\"id\":1,\"result\":1,\"error\":null}", "{\"method\":tru}"] {
        assert_eq!(converse(&address, format!("{slow}{garbage}{slow}").as_bytes()).await, answer, "{garbage}");
    }
    let parse_error = "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32700,\"message\":\"Parse error\"},\"id\":null}\n";
    let broken = r#"{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]"#;
    assert_eq!(converse(&address, broken.as_bytes()).await, parse_error, "2.0 has an answer for it");
    let mut line = String::new();
    other.read_line(&mut line).await.expect("alive");
    assert_eq!(line, "{\"id\":1,\"result\":300,\"error\":null}\n");
    until(|| server.connections().malformed == 6).await;
    measured.figure(6.0, "kinds refused by JSON-RPC");
    measured.end();
}

#[tokio::test]
async fn messages_beyond_the_limits_end_the_connection() {
    let mut config = JsonRpcConfig::default();
    (config.max_message, config.max_depth, config.max_batch) = (1000, 10, 2);
    let (server, address, _) = serve(config).await;
    for too_much in ["[".repeat(11), format!("{{\"method\":\"{}", "x".repeat(2000))] {
        assert_eq!(converse(&address, too_much.as_bytes()).await, "");
    }
    until(|| server.connections().over_protocol_limit == 2).await;
    let one = r#"{"jsonrpc":"2.0","method":"World.Nothing","id":1}"#;
    let batch = converse(&address, format!("[{one},{one},{one}]").as_bytes()).await;
    assert!(batch.contains("at most 2 requests"), "{batch}");
}

#[tokio::test]
async fn calls_beyond_the_limit_wait_their_turn() {
    let mut config = JsonRpcConfig::default();
    config.max_calls = 2;
    let (_server, address, world) = serve(config).await;
    let mut socket = TcpStream::connect(&address).await.expect("the server listens");
    let slow = r#"{"method":"World.Slow","params":[300],"id":1}"#;
    socket.write_all(slow.repeat(6).as_bytes()).await.expect("it reads");
    socket.shutdown().await.expect("half closed");
    until(|| world.slow.0.load(SeqCst) == 2).await;
    assert_eq!(world.slow.0.load(SeqCst), 2, "the others are not read yet");
    assert_eq!(read_to_end(socket).await.lines().count(), 6);
}

/// What one has sent ahead is handled in turns with what others ask.
#[tokio::test]
async fn who_sends_much_at_once_does_not_keep_the_others_waiting() {
    let (_server, address, world) = serve(JsonRpcConfig::default()).await;
    let mut first = BufReader::new(TcpStream::connect(&address).await.expect("the server listens"));
    let call = br#"{"method":"World.Nothing","params":[],"id":1}"#;
    first.write_all(call).await.expect("it reads");
    first.read_line(&mut String::new()).await.expect("it is served");
    // Nobody else runs in this thread meanwhile.
    let (much, mut sent) = (call.repeat(10_000), 0);
    while let Ok(wrote) = first.get_ref().try_write(&much[sent..]) {
        sent += wrote;
        if sent == much.len() {
            break;
        }
    }
    assert!(sent > 2000 * call.len(), "{sent} bytes wait");
    // A task has its turn as the connections have theirs.
    let others = tokio::spawn(async move {
        let calls = || world.nothings.load(SeqCst);
        let mut last = calls();
        while calls() < sent / call.len() {
            // To the end of the queue, and no further, as `yield_now` goes.
            let mut yielded = false;
            let turn = poll_fn(|cx| match std::mem::replace(&mut yielded, true) {
                true => Poll::Ready(()),
                false => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
            });
            turn.await;
            assert!(calls() <= last + 1024, "{} calls were handled in one turn", calls() - last);
            last = calls();
        }
    });
    others.await.expect("its turns came");
}

#[tokio::test]
async fn a_reset_cancels_what_runs() {
    let (_server, address, world) = serve(JsonRpcConfig::default()).await;
    let mut socket = TcpStream::connect(&address).await.expect("the server listens");
    socket.write_all(br#"{"method":"World.Slow","params":[60000],"id":1}"#).await.expect("it reads");
    until(|| world.slow.0.load(SeqCst) == 1).await;
    socket.set_zero_linger().expect("an option");
    drop(socket);
    until(|| world.slow.1.load(SeqCst) == 1).await;
}

#[tokio::test]
async fn a_stop_answers_what_runs_and_refuses_what_comes() {
    let (server, address, world) = serve(JsonRpcConfig::default()).await;
    let mut socket = BufReader::new(TcpStream::connect(&address).await.expect("the server listens"));
    socket.write_all(br#"{"method":"World.Slow","params":[500],"id":1}"#).await.expect("it reads");
    until(|| world.slow.0.load(SeqCst) == 1).await;
    let stopping = tokio::spawn(async move { server.shutdown(Duration::from_secs(30)).await.drained });
    tokio::time::sleep(Duration::from_millis(50)).await;
    socket.write_all(br#"{"method":"World.Nothing","params":[],"id":2}"#).await.expect("it reads");
    let mut lines = Vec::new();
    for _ in 0..2 {
        let mut line = String::new();
        socket.read_line(&mut line).await.expect("a line");
        lines.push(line);
    }
    let refused = "{\"id\":2,\"result\":null,\"error\":\"motet: not run: the server is stopping\"}\n";
    assert_eq!(lines, [refused, "{\"id\":1,\"result\":500,\"error\":null}\n"]);
    assert!(stopping.await.expect("no panic"));
}

#[tokio::test]
async fn a_connection_may_be_silent_for_long_before_its_first_call() {
    let (_server, address, _) = serve(JsonRpcConfig::default()).await;
    let mut socket = TcpStream::connect(&address).await.expect("the server listens");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(90)).await;
    tokio::time::resume();
    socket.write_all(br#"{"method":"World.Nothing","params":[],"id":1}"#).await.expect("it reads");
    socket.shutdown().await.expect("half closed");
    assert_eq!(read_to_end(socket).await, "{\"id\":1,\"result\":{},\"error\":null}\n");
}

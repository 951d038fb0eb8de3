//! The server, byte by byte: what Go 1.26 sends and expects.

mod support;

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use motet_promises::Measurement;
use motet_protocol_netrpc::NetRpcConfig;
use support::{converse, read_to_end, serve, until};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The definition of the type `Request` under the number 64, and under 65 as older versions write it.
const DEFINITION: &str =
    "2e7f03010107526571756573740 1ff80000102010d536572766963654d6574686f64010c000103536571010600000 0";
const DEFINITION_65: &str =
    "2fff81030101075265717565737401ff82000102010d536572766963654d6574686f64010c00010353657101060000 00";
/// `world.HelloWorld("李白")` as the first call, and its answer.
const CALL: &str = "15ff800110776f726c642e48656c6c6f576f726c6400090c0006e69d8ee799bd";
const ANSWER: &str = "3aff8103010108526573706f6e736501ff82000103010d536572766963654d6574686f64010c00010353657101060001054572726f72010c00000015ff820110776f726c642e48656c6c6f576f726c6400140c0011e69d8ee799bd20e4bda0e5a5bd2e2e2e2e";
/// The same, as the third call, with an empty text.
const EMPTY: &str = "17ff800110776f726c642e48656c6c6f576f726c64010200030c0000";
const EMPTY_ANSWER: &str = "17ff820110776f726c642e48656c6c6f576f726c640102000e0c000b20e4bda0e5a5bd2e2e2e2e";

fn hex(text: &str) -> Vec<u8> {
    let text = text.replace(' ', "");
    let digits = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal");
    (0..text.len()).step_by(2).map(digits).collect()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A call of a method with a value that is written already.
fn call(method: &str, seq: u8, value: &str) -> String {
    let mut header = format!("ff8001{:02x}{}", method.len(), to_hex(method.as_bytes()));
    if seq > 0 {
        header += &format!("01{seq:02x}");
    }
    header += "00";
    format!("{:02x}{header}{value}", header.len() / 2)
}

#[tokio::test]
async fn calls_of_go_get_the_answers_of_go_byte_for_byte_at_every_split() {
    let (_server, address, _) = serve(NetRpcConfig::default()).await;
    let request = hex(&[DEFINITION, CALL, EMPTY].concat());
    assert_eq!(hex(DEFINITION).len() + hex(CALL).len(), 79);
    for split in 0..request.len() {
        let mut socket = TcpStream::connect(&address).await.expect("the server listens");
        socket.set_nodelay(true).expect("an option");
        socket.write_all(&request[..split]).await.expect("it reads");
        tokio::task::yield_now().await;
        socket.write_all(&request[split..]).await.expect("it reads");
        socket.shutdown().await.expect("half closed");
        let answer = read_to_end(socket).await;
        assert_eq!(to_hex(&answer), [ANSWER, EMPTY_ANSWER].concat(), "split at {split}");
    }
}

#[tokio::test]
async fn numbers_of_types_are_the_peers_own() {
    let (_server, address, _) = serve(NetRpcConfig::default()).await;
    let older = [DEFINITION_65, &CALL.replacen("ff80", "ff82", 1)].concat();
    assert_eq!(to_hex(&converse(&address, &hex(&older)).await), ANSWER);
}

#[tokio::test]
async fn connect_is_answered_as_go_does_whatever_ends_its_lines() {
    let (_server, address, _) = serve(NetRpcConfig::default()).await;
    for head in ["CONNECT /_goRPC_ HTTP/1.0\n\n", "CONNECT /_goRPC_ HTTP/1.1\r\nHost: a\r\n\r\n"] {
        let request = [head.as_bytes(), &hex(DEFINITION), &hex(CALL)].concat();
        for step in [1, 7, request.len()] {
            let mut socket = TcpStream::connect(&address).await.expect("the server listens");
            for part in request.chunks(step) {
                socket.write_all(part).await.expect("it reads");
                tokio::task::yield_now().await;
            }
            socket.shutdown().await.expect("half closed");
            let expected = [b"HTTP/1.0 200 Connected to Go RPC\n\n", &hex(ANSWER)[..]].concat();
            assert_eq!(read_to_end(socket).await, expected);
        }
    }
}

#[tokio::test]
async fn errors_have_gos_texts_and_an_empty_struct() {
    let (_server, address, _) = serve(NetRpcConfig::default()).await;
    let empty_definition = "0aff83030102ff84000000";
    // struct { A, B int }{7, 0}
    let args = "18ff83030102ff84000102010141010400010142010400000005ff84010e00";
    for (method, value, text) in [
        ("Arith.Add", "03040002", "rpc: can't find service Arith.Add"),
        ("world.Missing", "03040002", "rpc: can't find method world.Missing"),
        ("nonsense", "03040002", "rpc: service/method request ill-formed: nonsense"),
        ("world.Divide", args, "divide by zero"),
        ("world.HelloWorld", "03ff9000", "gob: a type is not defined"),
    ] {
        let request = [DEFINITION, &call(method, 7, value)].concat();
        let answer = to_hex(&converse(&address, &hex(&request)).await);
        let header = format!(
            "01{:02x}{}010701{:02x}{}00",
            method.len(),
            to_hex(method.as_bytes()),
            text.len(),
            to_hex(text.as_bytes())
        );
        let header = format!("{:02x}ff82{header}", header.len() / 2 + 2);
        assert!(
            answer.contains(&format!("{header}{empty_definition}03ff8400"))
                || answer.ends_with(&format!("{header}03ff8400")),
            "{method}: {answer}"
        );
    }
}

#[tokio::test]
async fn an_unknown_method_does_not_disturb_the_calls_behind_it() {
    let (_server, address, _) = serve(NetRpcConfig::default()).await;
    let request = [DEFINITION, &call("a.B", 1, "050c00026869"), CALL].concat();
    let answer = to_hex(&converse(&address, &hex(&request)).await);
    assert!(answer.ends_with(&ANSWER[ANSWER.len() - 2 * (22 + 21)..]), "{answer}");
}

#[tokio::test]
async fn what_is_no_gob_ends_its_connection_after_the_answers_and_no_other() {
    let mut measured = Measurement::begin("P14", "what_is_no_gob_ends_its_connection_after_the_answers_and_no_other");
    let (server, address, _) = serve(NetRpcConfig::default()).await;
    let mut other = TcpStream::connect(&address).await.expect("the server listens");
    other.write_all(&hex(&[DEFINITION, &call("World.Slow", 0, "050600fe03e8")].concat())).await.expect("it reads");
    for (what, garbage) in [
        ("a type twice", DEFINITION.to_owned()),
        ("a length of 2^64 - 1", "f8ffffffffffffffff".to_owned()),
        ("a length of 9 bytes", "f7".to_owned() + &"00".repeat(9)),
        ("an empty message", "00".to_owned()),
        ("a header that is none", "050c00026869".to_owned()),
        ("a header of an unknown type", "03ff9000".to_owned()),
        ("a struct that goes on for ever", "04ff800300".to_owned()),
        ("a malformed definition", "04ff85 0300".replace(' ', "")),
    ] {
        let request = [DEFINITION, CALL, &garbage, CALL].concat();
        assert_eq!(to_hex(&converse(&address, &hex(&request)).await), ANSWER, "{what}");
    }
    let mut answer = vec![0; 60];
    other.read_exact(&mut answer).await.expect("alive");
    until(|| server.connections().malformed + server.connections().over_protocol_limit == 8).await;
    measured.figure(8.0, "kinds refused by net/rpc");
    measured.end();
}

/// The definition of a struct with this number from 64 to 8191, the first fields and `more` of long names.
fn wide(id: u16, first: &str, more: usize) -> Vec<u8> {
    let number = |zigzag: u16| [&[0xfe][..], &zigzag.to_be_bytes()].concat();
    let mut definition = [number(2 * id - 1), hex("030101015401"), number(2 * id), hex("0001")].concat();
    let firsts = if first.is_empty() { 0 } else { 1 };
    definition.push((firsts + more) as u8);
    definition.extend(hex(first));
    for n in 0..more {
        // A name of 1,000 bytes and the number of `int`.
        definition.extend([hex("01fe03e8"), format!("F{n:02}{}", "x".repeat(997)).into(), hex("010400")].concat());
    }
    definition.extend(hex("0000"));
    [&[0xfc][..], &(definition.len() as u32).to_be_bytes(), &definition].concat()
}

/// Four thousand types of a thousand fields with long names would be gigabytes.
#[tokio::test]
async fn types_take_so_much_memory_and_no_more() {
    let (server, address, _) = serve(NetRpcConfig::default()).await;
    let mut socket = TcpStream::connect(&address).await.expect("the server listens");
    socket.write_all(&hex(DEFINITION)).await.expect("it reads");
    let mut sent = 0;
    for id in 65..4000 {
        let message = wide(id, "", 100);
        if socket.write_all(&message).await.is_err() || server.connections().malformed == 1 {
            break;
        }
        sent += message.len();
    }
    until(|| server.connections().malformed == 1).await;
    assert!((1 << 17..=64 << 20).contains(&sent), "{sent} bytes of types were taken");
}

/// A value goes on with its types, which a stream defines once for many of them.
#[tokio::test]
async fn the_types_of_a_call_count_as_its_memory() {
    let mut config = NetRpcConfig::default();
    config.connection_memory = 64 << 10;
    let (_server, address, world) = serve(config).await;
    let mut socket = TcpStream::connect(&address).await.expect("the server listens");
    // struct { Ms uint; … }{30}
    let slow = hex(&call("World.Slow", 1, "05ff84011e00"));
    let request = [hex(DEFINITION), wide(66, "01024d73010600", 70), slow.repeat(6)].concat();
    socket.write_all(&request).await.expect("it reads");
    socket.shutdown().await.expect("half closed");
    until(|| {
        let (begun, ended) = (world.slow.0.load(SeqCst), world.slow.1.load(SeqCst));
        assert!(begun <= ended + 1, "{begun} began, {ended} ended");
        ended == 6
    })
    .await;
}

#[tokio::test]
async fn a_half_close_waits_for_the_answers_and_a_reset_does_not() {
    let (_server, address, world) = serve(NetRpcConfig::default()).await;
    let slow = |seq, ms: &str| call("World.Slow", seq, ms);
    // 300 ms, then 0 ms.
    let request = [DEFINITION, &slow(1, "050600fe012c"), &slow(2, "03060000")].concat();
    let answer = to_hex(&converse(&address, &hex(&request)).await);
    let (first, second) = (answer.find("010200").expect("the second"), answer.find("010100").expect("the first"));
    assert!(first < second, "replies come when they are ready: {answer}");
    let begun = world.slow.0.load(SeqCst);
    let mut socket = TcpStream::connect(&address).await.expect("the server listens");
    socket.write_all(&hex(&[DEFINITION, &slow(1, "060600fd0f4240")].concat())).await.expect("it reads");
    until(|| world.slow.0.load(SeqCst) == begun + 1).await;
    socket.set_zero_linger().expect("an option");
    drop(socket);
    until(|| world.slow.1.load(SeqCst) == begun + 1).await;
}

#[tokio::test]
async fn who_has_connected_may_be_silent_for_long_before_the_first_call() {
    let (_server, address, _) = serve(NetRpcConfig::default()).await;
    let unknown = [DEFINITION, &call("a.B", 1, "03040002")].concat();
    for beginning in [b"CONNECT /_goRPC_ HTTP/1.0\n\n".to_vec(), hex(&unknown)] {
        let mut socket = TcpStream::connect(&address).await.expect("the server listens");
        socket.write_all(&beginning).await.expect("it reads");
        socket.read_u8().await.expect("an answer");
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(90)).await;
        tokio::time::resume();
        let definition = if beginning.starts_with(b"C") { DEFINITION } else { "" };
        socket.write_all(&hex(&[definition, EMPTY].concat())).await.expect("it reads");
        socket.shutdown().await.expect("half closed");
        assert!(to_hex(&read_to_end(socket).await).ends_with(EMPTY_ANSWER), "{beginning:02x?}");
    }
}

#[tokio::test]
async fn the_debug_page_is_there_only_when_enabled() {
    let get = b"GET /debug/rpc HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let (server, address, _) = serve(NetRpcConfig::default()).await;
    let refused = String::from_utf8(converse(&address, get).await).expect("text");
    assert!(refused.starts_with("HTTP/1.1 400"), "{refused}");
    drop(server);
    let mut config = NetRpcConfig::default();
    config.debug = true;
    let (_server, address, _) = serve(config).await;
    let page = String::from_utf8(converse(&address, get).await).expect("text");
    assert!(page.starts_with("HTTP/1.0 200 OK\r\n") && page.contains("<td>World.HelloWorld</td>"), "{page}");
}

#[tokio::test]
async fn a_stop_answers_what_runs() {
    let (server, address, world) = serve(NetRpcConfig::default()).await;
    let mut socket = TcpStream::connect(&address).await.expect("the server listens");
    socket.write_all(&hex(&[DEFINITION, &call("World.Slow", 1, "050600fe012c")].concat())).await.expect("it reads");
    until(|| world.slow.0.load(SeqCst) == 1).await;
    assert!(server.shutdown(Duration::from_secs(30)).await.drained);
    let answer = read_to_end(socket).await;
    assert!(to_hex(&answer).ends_with("050600fe012c"), "{answer:02x?}");
}

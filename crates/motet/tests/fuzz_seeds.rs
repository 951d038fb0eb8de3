//! The fuzz targets' checks on their seeds, and on bytes of a fixed generator: a short replay of what
//! `cargo fuzz` does at length.

#[path = "../../../fuzz/src/checks/mod.rs"]
#[allow(missing_docs, unreachable_pub, dead_code, reason = "written for the fuzz crate")]
mod checks;

use motet_promises::{Measurement, is_long};

type Check = fn(&[u8]);

const CHECKS: &[(&str, Check)] = &[
    ("frames", checks::frames),
    ("server_machine", checks::server_machine),
    ("client_machine", checks::client_machine),
    ("two_machines", checks::two_machines),
    ("metadata", checks::metadata),
    ("json", checks::json),
    ("msgpack", checks::msgpack),
    ("protobuf", checks::protobuf),
    ("registry_record", checks::registry_record),
    ("config", checks::config),
    ("grpc_frames", checks::grpc_frames),
    ("grpc_compression", checks::grpc_compression),
    ("grpc_headers", checks::grpc_headers),
    ("grpc_web", checks::grpc_web),
    ("grpc_connect", checks::grpc_connect),
    ("websocket_server", checks::websocket_server),
    ("websocket_client", checks::websocket_client),
    ("websocket_calls", checks::websocket_calls),
    ("websocket_handshake", checks::websocket_handshake),
    ("gob", checks::gob),
    ("jsonrpc_server", checks::jsonrpc_server),
    ("netrpc_server", checks::netrpc_server),
    ("go_clients", checks::go_clients),
    ("rpcx", checks::rpcx),
    ("gorpc", checks::gorpc),
    ("mucp", checks::mucp),
    ("proxy_header", checks::proxy_header),
    ("http_frames", checks::http_frames),
    ("http_lines", checks::http_lines),
    ("http_parameters", checks::http_parameters),
];

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = format!("{}/../../fuzz/seeds/{name}", env!("CARGO_MANIFEST_DIR"));
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
    files.map(|file| std::fs::read(file.expect("a file").path()).expect("readable")).collect()
}

#[test]
fn every_seed_passes() {
    let (mut measured, mut all) = (Measurement::begin("P14", "every_seed_passes"), 0);
    for (name, check) in CHECKS.iter().copied() {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name} has no seeds");
        seeds.iter().for_each(|seed| check(seed));
        all += seeds.len();
    }
    measured.at_least(all as f64, "fuzz seeds replayed without a panic", 1.0);
    measured.end();
}

/// Each line of a dictionary is empty, a comment, or a word in quotes with `\\`, `\"` and `\xAB` in it.
#[test]
fn every_target_has_a_dictionary_that_can_be_read() {
    for (name, _) in CHECKS {
        let path = format!("{}/../../fuzz/dictionaries/{name}.dict", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut words = 0;
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            // A word may have a name before it.
            let word = line.split_once('"').and_then(|(_, rest)| rest.strip_suffix('"'));
            let mut rest = word.unwrap_or_else(|| panic!("{path}: {line}")).as_bytes();
            while let Some((byte, after)) = rest.split_first() {
                rest = match (byte, after) {
                    (b'\\', [b'\\' | b'"', after @ ..]) => after,
                    (b'\\', [b'x', a, b, after @ ..]) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => after,
                    (b' '..=b'~', after) if !matches!(byte, b'\\' | b'"') => after,
                    _ => panic!("{path}: {line}"),
                };
            }
            words += 1;
        }
        assert!(words > 0, "{path} is empty");
    }
}

/// xorshift64*: the same numbers everywhere.
fn draw(state: &mut u64) -> u64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    state.wrapping_mul(0x2545_F491_4F6C_DD1D)
}

#[test]
fn seeds_that_were_damaged_pass() {
    let mut measured = Measurement::begin("P14", "seeds_that_were_damaged_pass");
    let (ways, mut all) = (if is_long() { 2_000 } else { 50 }, 0);
    let mut state = 0x9E37_79B9_7F4A_7C15;
    for (name, check) in CHECKS.iter().copied() {
        for seed in seeds(name) {
            all += ways;
            for _ in 0..ways {
                let mut damaged = seed.clone();
                for _ in 0..=draw(&mut state) % 4 {
                    let at = draw(&mut state) as usize % (damaged.len() + 1);
                    match draw(&mut state) % 3 {
                        0 => damaged.truncate(at),
                        1 => damaged.insert(at, draw(&mut state) as u8),
                        _ => damaged.iter_mut().skip(at).take(1).for_each(|byte| *byte = draw(&mut state) as u8),
                    }
                }
                check(&damaged);
            }
        }
    }
    measured.at_least(all as f64, "damaged ones", 1.0);
    measured.end();
}

#[test]
fn machines_that_keep_the_rules_get_along_whatever_their_users_do() {
    let mut state = 0x1234_5678_9ABC_DEF1;
    for _ in 0..300 {
        let length = draw(&mut state) as usize % 4000;
        let script: Vec<u8> = (0..length).map(|_| draw(&mut state) as u8).collect();
        checks::two_machines(&script);
    }
}

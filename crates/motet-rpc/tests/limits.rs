//! Compares `docs/limits.md` with the code: defaults, settings and the tests that are named.

mod page;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use motet_rpc::{ClientConfig, NativeConfig, ServerConfig, server::OverloadConfig};
use serde::Serialize;
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All tables of limits: name, default, setting, what happens, test.
fn rows() -> Vec<Vec<String>> {
    let text = page::read("limits.md");
    let headings = text.lines().filter(|line| line.starts_with("## ")).map(str::to_owned).collect::<Vec<_>>();
    let with_table = headings.iter().filter(|heading| !["## The sum", "## What is counted"].contains(&&***heading));
    let rows: Vec<_> = with_table.flat_map(|heading| page::table(&text, heading)).collect();
    assert!(rows.iter().all(|row| row.len() == 5), "{:?}", rows.iter().find(|row| row.len() != 5));
    rows
}

/// A number with its unit, in bytes, milliseconds or as it is.
fn number(text: &str) -> f64 {
    let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
    let factor = match unit {
        "" | "ms" => 1.0,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "s" => 1000.0,
        "min" => 60_000.0,
        _ => panic!("{text}: what unit?"),
    };
    number.replace(',', "").parse::<f64>().unwrap_or_else(|_| panic!("{text}: no number")) * factor
}

/// The settings with numbers and durations, by their names in configuration.
fn settings() -> BTreeMap<String, f64> {
    let mut all = BTreeMap::new();
    let mut add = |prefix: &str, config: Value| {
        let Value::Object(fields) = config else { panic!("{prefix} is an object") };
        for (name, value) in fields {
            let value = match &value {
                Value::Object(_) => {
                    let part = |name: &str| value[name].as_f64();
                    part("secs").zip(part("nanos")).map(|(secs, nanos)| secs * 1000.0 + nanos / 1e6)
                }
                other => other.as_f64(),
            };
            all.extend(value.map(|value| (format!("{prefix}.{name}"), value)));
        }
    };
    fn data(config: impl Serialize) -> Value {
        serde_json::to_value(config).expect("plain data")
    }
    add("server", data(ServerConfig::default()));
    add("server.overload", data(OverloadConfig::default()));
    add("protocols.motet", data(NativeConfig::default()));
    add("protocols.gorpc", data(motet_protocol_gorpc::GoRpcConfig::default()));
    add("protocols.rpcx", data(motet_protocol_rpcx::RpcxConfig::default()));
    add("protocols.mucp", data(motet_protocol_mucp::MucpConfig::default()));
    add("protocols.http", data(motet_http::HttpConfig::default()));
    add("protocols.http_client", data(motet_protocol_http::HttpClientConfig::default()));
    add("protocols.grpc", data(motet_protocol_grpc::GrpcConfig::default()));
    add("client", data(ClientConfig::default()));
    add("protocols.websocket", data(motet_protocol_websocket::WebSocketConfig::default()));
    add("protocols.jsonrpc", data(motet_protocol_jsonrpc::JsonRpcConfig::default()));
    all
}

/// The value of a constant in a source file: products, sums and shifts of numbers and of constants of
/// the same file; durations in milliseconds.
fn constant(source: &str, name: &str) -> Option<f64> {
    let at = source.find(&format!("const {name}: "))?;
    let (_, value) = source[at..].split_once(" = ")?;
    let value = value.split_once(';')?.0.trim();
    for (unit, factor) in [("secs", 1000.0), ("millis", 1.0)] {
        let call = format!("Duration::from_{unit}(");
        if let Some(count) = value.strip_prefix(&call) {
            return Some(expression(source, count.strip_suffix(')')?)? * factor);
        }
    }
    expression(source, value)
}

fn expression(source: &str, text: &str) -> Option<f64> {
    let text = text.trim();
    for (sign, apply) in
        [(" + ", (|a, b| a + b) as fn(f64, f64) -> f64), (" << ", |a, b| a * 2f64.powf(b)), (" * ", |a, b| a * b)]
    {
        let outside = |(at, _): &(usize, &str)| text[..*at].matches('(').count() == text[..*at].matches(')').count();
        if let Some((at, _)) = text.match_indices(sign).find(outside) {
            return Some(apply(expression(source, &text[..at])?, expression(source, &text[at + sign.len()..])?));
        }
    }
    if let Some(inner) = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) {
        return expression(source, inner);
    }
    text.replace('_', "").parse().ok().or_else(|| constant(source, text))
}

#[test]
fn every_default_is_the_code_s() {
    let settings = settings();
    let mut seen = BTreeSet::new();
    for row in rows() {
        let (name, default, set_by) = (&row[0], number(&row[1]), &row[2]);
        let actual = match set_by.split_once(" in ") {
            Some((constant_name, file)) => {
                let constant_name = constant_name.trim_matches('`');
                let source = fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
                constant(&source, constant_name).unwrap_or_else(|| panic!("{name}: {constant_name} is not in {file}"))
            }
            None if set_by.is_empty() => continue,
            None => {
                seen.insert(set_by.clone());
                *settings.get(set_by).unwrap_or_else(|| panic!("{name}: there is no setting {set_by}"))
            }
        };
        assert_eq!(actual, default, "{name}: {set_by}");
    }
    let missing: Vec<_> = settings.keys().filter(|setting| !seen.contains(*setting)).collect();
    assert!(missing.is_empty(), "docs/limits.md does not name {missing:?}");
}

#[test]
fn every_test_that_is_named_exists() {
    let mut tests = BTreeSet::new();
    let mut folders = vec![root().join("crates")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                let source = fs::read_to_string(&entry).expect("text");
                let names = source.match_indices("fn ").filter_map(|(at, _)| source[at + 3..].split(['(', '<']).next());
                tests.extend(names.map(str::to_owned));
            }
        }
    }
    let mut named = 0;
    for row in rows() {
        for test in row[4].split(", ").map(|test| test.trim_matches('`')).filter(|test| !test.is_empty()) {
            assert!(tests.contains(test), "{}: there is no test {test}", row[0]);
            named += 1;
        }
    }
    assert!(named > 50, "{named} tests are named");
}

#[test]
fn numbers_are_read_as_they_are_written() {
    let source = "const A: usize = 4 << 10;\npub(crate) const B: u64 = A + (32 << 10);\nconst C: Duration = Duration::from_secs(2 * 30);\nconst D: usize = 10_000;";
    let value = |name| constant(source, name).expect("a constant");
    assert_eq!(["A", "B", "C", "D"].map(value), [4096.0, 36864.0, 60_000.0, 10_000.0]);
    assert_eq!(["1,024", "64 KiB", "0.2", "10 min"].map(number), [1024.0, 65536.0, 0.2, 600_000.0]);
}

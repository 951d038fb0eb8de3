//! Counters as Prometheus reads them (text format 0.0.4).

use std::fmt::Write;

use motet_rpc::MethodSnapshot;
use serde_json::Value;

use super::Counted;

/// The upper bounds of the latency buckets, in seconds.
const BOUNDS: [f64; 14] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 10.0];

/// What was counted, in the text format of Prometheus. Latencies are at most 7 % off, and so are
/// their sums.
pub fn metrics(counted: &Counted) -> String {
    let mut out = String::new();
    side(&mut out, "server", "served", &counted.server);
    side(&mut out, "client", "made", &counted.client);
    connections(&mut out, &serde_json::to_value(&counted.connections).unwrap_or_default());
    out
}

/// A family of numbers: its name, what it is for, its type, and the number of each method.
type Family<'a> = (&'a str, &'a str, &'a str, fn(&MethodSnapshot) -> u64);

fn side(out: &mut String, side: &str, done: &str, methods: &[MethodSnapshot]) {
    let families: [Family<'_>; 5] = [
        ("calls_total", "Calls that have ended.", "counter", |method| method.count),
        ("in_flight", "Calls that run now.", "gauge", |method| method.in_flight),
        ("queued", "Calls that wait for their turn now.", "gauge", |method| method.queued),
        ("refused_total", "Calls refused because of overload.", "counter", |method| method.refused),
        ("slow_polls_total", "Polls that held their thread for longer than 0.5 ms.", "counter", |m| m.slow_polls),
    ];
    for (name, help, kind, number) in families {
        head(out, &format!("motet_{side}_{name}"), &format!("{help} Of calls {done} here."), kind);
        for method in methods {
            let _ = writeln!(out, "motet_{side}_{name}{{method=\"{}\"}} {}", label(&method.path), number(method));
        }
    }
    let name = format!("motet_{side}_errors_total");
    head(out, &name, "Calls that ended with an error, by its code.", "counter");
    for method in methods {
        for (code, count) in &method.errors {
            let _ = writeln!(out, "{name}{{method=\"{}\",code=\"{}\"}} {count}", label(&method.path), label(code));
        }
    }
    let name = format!("motet_{side}_latency_seconds");
    head(out, &name, "How long calls took.", "histogram");
    for method in methods {
        latency(out, &name, method);
    }
}

fn latency(out: &mut String, name: &str, method: &MethodSnapshot) {
    let path = label(&method.path);
    let within = |bound: f64| -> u64 {
        method.latencies_us().filter(|(middle, _)| *middle <= bound * 1e6).map(|(_, count)| count).sum()
    };
    for bound in BOUNDS {
        let _ = writeln!(out, "{name}_bucket{{method=\"{path}\",le=\"{bound}\"}} {}", within(bound));
    }
    let all = within(f64::INFINITY);
    let sum: f64 = method.latencies_us().map(|(middle, count)| middle * count as f64 / 1e6).sum();
    let _ = writeln!(out, "{name}_bucket{{method=\"{path}\",le=\"+Inf\"}} {all}");
    let _ = writeln!(out, "{name}_sum{{method=\"{path}\"}} {sum}");
    let _ = writeln!(out, "{name}_count{{method=\"{path}\"}} {all}");
}

fn connections(out: &mut String, counts: &Value) {
    for (key, count) in counts.as_object().into_iter().flatten() {
        let now = matches!(key.as_str(), "open" | "silent");
        let (name, kind) = match now {
            true => (format!("motet_connections_{key}"), "gauge"),
            false => (format!("motet_connections_{key}_total"), "counter"),
        };
        head(out, &name, &format!("Connections: {}.", key.replace('_', " ")), kind);
        let _ = writeln!(out, "{name} {count}");
    }
}

fn head(out: &mut String, name: &str, help: &str, kind: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use motet_core::Code;
    use motet_rpc::Stats;

    use super::*;

    #[test]
    fn every_line_is_one_that_prometheus_reads_and_counts_add_up() {
        let stats = Stats::new();
        let method = stats.method("greeter/he\"llo");
        for (micros, code) in [(50, None), (700, None), (700, Some(Code::NotFound)), (20_000_000, None)] {
            method.begin();
            method.end(Duration::from_micros(micros), code);
        }
        let counted = Counted { server: stats.snapshot(), ..Counted::default() };
        let text = metrics(&counted);
        for line in [
            "# TYPE motet_server_calls_total counter",
            "motet_server_calls_total{method=\"greeter/he\\\"llo\"} 4",
            "motet_server_errors_total{method=\"greeter/he\\\"llo\",code=\"NOT_FOUND\"} 1",
            "motet_server_latency_seconds_bucket{method=\"greeter/he\\\"llo\",le=\"0.0001\"} 1",
            "motet_server_latency_seconds_bucket{method=\"greeter/he\\\"llo\",le=\"0.001\"} 3",
            "motet_server_latency_seconds_bucket{method=\"greeter/he\\\"llo\",le=\"10\"} 3",
            "motet_server_latency_seconds_bucket{method=\"greeter/he\\\"llo\",le=\"+Inf\"} 4",
            "motet_server_latency_seconds_count{method=\"greeter/he\\\"llo\"} 4",
            "motet_connections_open 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        let mut families = Vec::new();
        for line in text.lines() {
            match line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
                Some((name, _)) => {
                    assert!(!families.contains(&name), "{name} twice");
                    families.push(name);
                }
                None if line.starts_with("# HELP ") => {}
                None => {
                    let (series, number) = line.rsplit_once(' ').expect("a number");
                    assert!(number.parse::<f64>().is_ok(), "{line}");
                    assert!(series.starts_with(families.last().expect("a type before")), "{line}");
                }
            }
        }
    }
}

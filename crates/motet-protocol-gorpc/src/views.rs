//! The pages that tell how the machine does, in the shape of go-rpc's own.

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use motet_http::Body;
use serde::Serialize;

/// An answer of go-rpc's HTTP side.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct View {
    statuscode: u8,
    message: &'static str,
    data: serde_json::Map<String, serde_json::Value>,
}

pub(crate) fn is_one(path: &str) -> bool {
    matches!(path, "/view/health" | "/view/disk" | "/view/cpu" | "/view/ram")
}

/// The page of a path. What cannot be found out on this system is left out of it.
pub(crate) fn answer(path: &str) -> Response<Body> {
    let (message, pairs) = match path {
        "/view/disk" => ("ok", disk()),
        "/view/cpu" => ("ok", cpu()),
        "/view/ram" => ("ok", ram()),
        _ => ("OK", vec![("status", "OK".to_owned())]),
    };
    let data = pairs.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
    let view = View { statuscode: 0, message, data };
    let json = serde_json::to_vec(&view).unwrap_or_default();
    let mut answer = Response::new(Body::from(Bytes::from(json)));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

type Pairs = Vec<(&'static str, String)>;

/// How a share of something that is used up is called.
fn judge(warning: bool, critical: bool) -> String {
    if critical {
        "CRITICAL"
    } else if warning {
        "WARNING"
    } else {
        "OK"
    }
    .to_owned()
}

/// What is free and what there is, in bytes.
fn space(name: &'static str, free: u64, total: u64) -> Pairs {
    let used = (total - free.min(total)) * 100 / total.max(1);
    vec![
        (name, judge(used >= 90, used >= 95)),
        ("Free_space(MB)", (free >> 20).to_string()),
        ("total_space(MB)", (total >> 20).to_string()),
        ("usedPercent", used.to_string()),
    ]
}

fn disk() -> Pairs {
    let Ok(root) = rustix::fs::statvfs("/") else { return Pairs::new() };
    space("disk_status", root.f_bavail.saturating_mul(root.f_frsize), root.f_blocks.saturating_mul(root.f_frsize))
}

fn ram() -> Pairs {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').trim_end_matches("kB").trim().parse::<u64>().ok()
    };
    match (kib("MemAvailable"), kib("MemTotal")) {
        (Some(free), Some(total)) => space("ram_status", free << 10, total << 10),
        _ => Pairs::new(),
    }
}

fn cpu() -> Pairs {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let loads: Vec<f64> = text.split(' ').take(3).filter_map(|load| load.parse().ok()).collect();
    let [one, five, fifteen] = loads[..] else { return vec![("cores", cores.to_string())] };
    let share = cores as f64;
    vec![
        ("cpu_status", judge(five >= share - 2.0, five >= share - 1.0)),
        ("Load_average_l1", format!("{one:.2}")),
        ("Load_average_l5", format!("{five:.2}")),
        ("Load_average_l15", format!("{fifteen:.2}")),
        ("cores", cores.to_string()),
    ]
}

//! Every system beside the ones that matter: compare these, never absolute figures of
//! different machines or runs.

use super::{put_columns, put_line};
use crate::message::Message;
use crate::row::{Field, Row, Rows, Shape, Spread};

/// What a system is held against.
const BASELINES: [(&str, &[(Field, &str)]); 3] = [
    (
        "floor-codec",
        &[(Field::Rps, "rps"), (Field::P50, "p50"), (Field::ServerCpu, "server cpu"), (Field::ClientCpu, "client cpu")],
    ),
    ("tonic", &[(Field::Rps, "rps"), (Field::ServerCpu, "server cpu")]),
    ("tarpc", &[(Field::Rps, "rps"), (Field::ServerCpu, "server cpu")]),
];

pub(super) fn write(out: &mut String, rows: &Rows) {
    for (baseline, fields) in BASELINES {
        let mut lines = Vec::new();
        for message in rows.distinct(|row| row.message) {
            for shape in rows.distinct(Row::shape) {
                for system in rows.distinct(|row| row.system.clone()) {
                    if system != baseline {
                        lines.extend(line(rows, (&system, baseline), message, shape, fields));
                    }
                }
            }
        }
        if lines.is_empty() {
            continue;
        }
        let titles = fields.iter().map(|(_, title)| *title);
        let head = ["message", "shape", "system"].into_iter().chain(titles);
        lines.insert(0, head.map(str::to_owned).collect());
        put_line(out, format_args!("against {baseline}: median of the rounds' ratios (min–max)"));
        put_columns(out, 3, &lines);
    }
}

fn line(
    rows: &Rows,
    pair: (&str, &str),
    message: Message,
    shape: Shape,
    fields: &[(Field, &str)],
) -> Option<Vec<String>> {
    let mut line = vec![message.name().to_owned(), shape.to_string(), pair.0.to_owned()];
    for &(field, _) in fields {
        let Spread { median, min, max } = rows.ratio(pair, message, shape, field)?;
        line.push(if min == max { format!("{median:.2}") } else { format!("{median:.2} ({min:.2}–{max:.2})") });
    }
    Some(line)
}

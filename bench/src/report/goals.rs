//! Motet's goals: ratios in one run, each met or missed.

use super::put_line;
use crate::message::Message::{self, Big, Small};
use crate::row::{Field, Rows, Shape, Spread};
use crate::systems;

/// The system that the goals are about.
const SUBJECT: &str = "motet";

/// Above this p50 of floor-codec at 1:1, waking an idle core takes longer than any
/// framework does, and one call in flight measures the machine.
const SLOW_WAKE_UP_US: f64 = 40.0;

/// One goal; `row` is its number in the list of goals.
struct Goal {
    row: u8,
    what: &'static str,
    message: Message,
    shape: Shape,
    number: Number,
    bound: Bound,
}

#[derive(Clone, Copy)]
enum Number {
    /// A field as a multiple of a baseline's.
    Against(&'static str, Field),
    /// The same, not read where waking a core is slow.
    AgainstIfAwake(&'static str, Field),
    /// p99 as a multiple of in flight ÷ rps, what each call takes if all are served in turn; of
    /// `motet-main`, since a runtime of one worker measures its own queues.
    Unfairness,
    /// A field of one of Motet's variants as a multiple of another's.
    Of(&'static str, &'static str, Field),
    /// The server's memory in MB.
    Megabytes(Field),
}

#[derive(Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

use Bound::{AtLeast, AtMost};
use Number::{Against, AgainstIfAwake, Megabytes, Of, Unfairness};

const ONE: Shape = Shape::new(1, 1);
const MUX: Shape = Shape::new(1, 100);
const DEEP: Shape = Shape::new(1, 1000);
const FEW: Shape = Shape::new(8, 100);
const MANY: Shape = Shape::new(100, 100);
const CROWD: Shape = Shape::new(100, 1000);

const fn goal(row: u8, what: &'static str, message: Message, shape: Shape, number: Number, bound: Bound) -> Goal {
    Goal { row, what, message, shape, number, bound }
}

#[rustfmt::skip]
const GOALS: &[Goal] = &[
    goal(1, "p50 vs floor-raw", Big, ONE, Against("floor-raw", Field::P50), AtMost(1.35)),
    goal(1, "p50 vs floor-codec", Big, ONE, Against("floor-codec", Field::P50), AtMost(1.15)),
    goal(2, "rps vs floor-codec", Big, FEW, Against("floor-codec", Field::Rps), AtLeast(0.65)),
    goal(2, "rps vs floor-codec", Big, MANY, Against("floor-codec", Field::Rps), AtLeast(0.80)),
    goal(3, "server cpu vs floor-codec", Big, MUX, Against("floor-codec", Field::ServerCpu), AtMost(1.5)),
    goal(4, "rps vs tonic", Big, MUX, Against("tonic", Field::Rps), AtLeast(6.5)),
    goal(4, "rps vs tonic", Big, FEW, Against("tonic", Field::Rps), AtLeast(6.0)),
    goal(4, "rps vs tonic", Big, MANY, Against("tonic", Field::Rps), AtLeast(3.5)),
    goal(4, "rps vs tonic", Big, ONE, AgainstIfAwake("tonic", Field::Rps), AtLeast(2.0)),
    goal(5, "rps vs tarpc", Big, MUX, Against("tarpc", Field::Rps), AtLeast(3.3)),
    goal(5, "rps vs tarpc", Big, FEW, Against("tarpc", Field::Rps), AtLeast(2.3)),
    goal(5, "rps vs tarpc", Big, ONE, AgainstIfAwake("tarpc", Field::Rps), AtLeast(1.15)),
    goal(6, "rps vs volo", Big, MUX, Against("volo", Field::Rps), AtLeast(4.5)),
    goal(7, "p99 ÷ (in flight ÷ rps)", Big, DEEP, Unfairness, AtMost(2.0)),
    goal(8, "rps vs tonic", Small, MUX, Against("tonic", Field::Rps), AtLeast(12.0)),
    goal(9, "motet-serde: rps vs motet", Big, MUX, Of("motet-serde", SUBJECT, Field::Rps), AtLeast(0.9)),
    goal(10, "cost of counting: server cpu", Big, MUX, Of(SUBJECT, "motet-uncounted", Field::ServerCpu), AtMost(1.03)),
    goal(11, "motet-grpc: rps vs tonic", Big, MUX, Of("motet-grpc", "tonic", Field::Rps), AtLeast(0.97)),
    goal(11, "motet-grpc: rps vs tonic", Big, DEEP, Of("motet-grpc", "tonic", Field::Rps), AtLeast(0.97)),
    goal(11, "motet-grpc: server cpu", Big, MUX, Of("motet-grpc", "tonic", Field::ServerCpu), AtMost(1.0)),
    goal(11, "motet-grpc: server cpu", Big, DEEP, Of("motet-grpc", "tonic", Field::ServerCpu), AtMost(1.0)),
    goal(12, "motet-http: server cpu vs axum", Big, MUX, Of("motet-http", "axum-json", Field::ServerCpu), AtMost(1.2)),
    goal(17, "rps vs net/rpc", Big, MUX, Against("go-net-rpc", Field::Rps), AtLeast(4.5)),
    goal(17, "rps vs arpc", Big, MUX, Against("go-arpc", Field::Rps), AtLeast(4.5)),
    goal(17, "rps vs rpcx", Big, MUX, Against("go-rpcx", Field::Rps), AtLeast(5.5)),
    goal(17, "rps vs grpc-go", Big, MUX, Against("go-grpc", Field::Rps), AtLeast(7.0)),
    goal(17, "rps vs go-micro", Big, MUX, Against("go-micro", Field::Rps), AtLeast(75.0)),
    goal(17, "server memory vs net/rpc", Big, MUX, Against("go-net-rpc", Field::Rss), AtMost(0.33)),
    goal(17, "server memory vs arpc", Big, MUX, Against("go-arpc", Field::Rss), AtMost(0.33)),
    goal(17, "server memory vs rpcx", Big, MUX, Against("go-rpcx", Field::Rss), AtMost(0.33)),
    goal(17, "server memory vs grpc-go", Big, MUX, Against("go-grpc", Field::Rss), AtMost(0.33)),
    goal(17, "server memory vs go-micro", Big, MUX, Against("go-micro", Field::Rss), AtMost(0.33)),
    goal(18, "motet-jsonrpc: rps vs Go's", Big, MUX, Of("motet-jsonrpc", "go-jsonrpc", Field::Rps), AtLeast(3.0)),
    goal(18, "motet-netrpc: rps vs Go's", Big, MUX, Of("motet-netrpc", "go-net-rpc", Field::Rps), AtLeast(1.2)),
    goal(18, "motet-mucp: rps vs go-micro", Big, MUX, Of("motet-mucp", "go-micro", Field::Rps), AtLeast(5.0)),
    goal(16, "server MB at start", Big, ONE, Megabytes(Field::RssStart), AtMost(7.0)),
    goal(16, "server MB", Big, CROWD, Megabytes(Field::Rss), AtMost(14.0)),
];

pub(super) fn write(out: &mut String, rows: &Rows) {
    let all = rows.distinct(|row| row.system.clone()).iter().any(|system| system == SUBJECT);
    let told: Vec<_> = GOALS.iter().filter(|goal| all && goal.is_usual() || goal.spread(rows).is_some()).collect();
    if told.is_empty() {
        return;
    }
    put_line(out, format_args!("goals of {SUBJECT}: median (min–max)"));
    for goal in told {
        put_line(
            out,
            format_args!(
                "{:>3}  {:<28}{:<6}{:>9}   goal {}   {}",
                goal.row,
                goal.what,
                goal.message.name(),
                goal.shape,
                goal.bound.text(),
                goal.verdict(rows)
            ),
        );
    }
}

impl Goal {
    /// The systems that it compares.
    fn systems(&self) -> [&'static str; 2] {
        match self.number {
            Against(baseline, _) | AgainstIfAwake(baseline, _) => [SUBJECT, baseline],
            Of(system, baseline, _) => [system, baseline],
            Unfairness => ["motet-main"; 2],
            Megabytes(_) => [SUBJECT; 2],
        }
    }

    /// Whether a run of everything measures it.
    fn is_usual(&self) -> bool {
        self.systems().iter().all(|name| systems::ALL.iter().any(|system| system.name == *name))
    }

    fn verdict(&self, rows: &Rows) -> String {
        if matches!(self.number, AgainstIfAwake(..)) && wakes_slowly(rows) {
            return "not read: this machine wakes cores slowly".to_owned();
        }
        let Some(spread) = self.spread(rows) else {
            return "not measured".to_owned();
        };
        let Spread { median, min, max } = spread;
        let met = if self.bound.holds(median) { "met" } else { "MISSED" };
        format!("{median:>7.2} ({min:.2}–{max:.2})  {met}")
    }

    fn spread(&self, rows: &Rows) -> Option<Spread> {
        let (message, shape) = (self.message, self.shape);
        match self.number {
            Against(baseline, field) | AgainstIfAwake(baseline, field) => {
                rows.ratio((SUBJECT, baseline), message, shape, field)
            }
            Of(system, baseline, field) => rows.ratio((system, baseline), message, shape, field),
            Unfairness => {
                rows.spread("motet-main", message, shape, |row| row.p99_us / (row.in_flight as f64 / row.rps * 1e6))
            }
            Megabytes(field) => rows.spread(SUBJECT, message, shape, |row| field.of(row) / 1024.0),
        }
    }
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            AtLeast(bound) => value >= bound,
            AtMost(bound) => value <= bound,
        }
    }

    fn text(self) -> String {
        match self {
            AtLeast(bound) => format!("≥ {bound:<5}"),
            AtMost(bound) => format!("≤ {bound:<5}"),
        }
    }
}

fn wakes_slowly(rows: &Rows) -> bool {
    rows.spread("floor-codec", Big, ONE, |row| row.p50_us).is_some_and(|p50| p50.median > SLOW_WAKE_UP_US)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::tests::row;

    fn report(rows: Vec<crate::row::Row>) -> String {
        let mut out = String::new();
        write(&mut out, &Rows(rows));
        out
    }

    fn line<'a>(report: &'a str, what: &str, shape: &str) -> &'a str {
        report.lines().find(|line| line.contains(what) && line.contains(shape)).expect("a line for the goal")
    }

    #[test]
    fn a_goal_is_met_missed_or_not_measured() {
        let out = report(vec![
            row("motet", 1, MUX, 600_000.0),
            row("tonic", 1, MUX, 78_000.0),
            row("tarpc", 1, MUX, 200_000.0),
        ]);
        assert!(line(&out, "rps vs tonic", "1:100").ends_with("  met"), "{out}");
        assert!(line(&out, "rps vs tarpc", "1:100").ends_with("MISSED"), "{out}");
        assert!(line(&out, "rps vs tonic", "8:100").ends_with("not measured"), "{out}");
    }

    #[test]
    fn one_call_in_flight_is_not_read_where_cores_wake_slowly() {
        let mut floor = row("floor-codec", 1, ONE, 11_800.0);
        floor.p50_us = 82.0;
        let out = report(vec![floor, row("motet", 1, ONE, 11_500.0), row("tonic", 1, ONE, 10_400.0)]);
        assert!(line(&out, "rps vs tonic", "1:1 ").contains("not read"), "{out}");
        assert!(line(&out, "p50 vs floor-codec", "1:1 ").contains("met"), "{out}");
    }

    #[test]
    fn fairness_is_p99_over_the_time_of_a_whole_turn() {
        let mut deep = row("motet-main", 1, DEEP, 500_000.0);
        deep.p99_us = 3_000.0;
        let out = report(vec![deep, row("motet", 1, ONE, 1.0)]);
        assert!(line(&out, "in flight", "1:1000").contains("1.50"), "{out}");
    }

    #[test]
    fn goals_name_systems_that_there_are_and_what_is_measured_by_name_is_told_only_then() {
        for goal in GOALS {
            assert!(goal.systems().into_iter().all(|name| systems::find(name).is_ok()), "{:?}", goal.systems());
        }
        let out = report(vec![row("motet", 1, MUX, 600_000.0), row("go-grpc", 1, MUX, 60_000.0)]);
        assert!(line(&out, "rps vs grpc-go", "1:100").ends_with("  met"), "{out}");
        assert!(!out.contains("volo") && !out.contains("go-micro"), "{out}");
    }

    #[test]
    fn there_are_no_goals_without_motet() {
        assert!(report(vec![row("tonic", 1, ONE, 1.0)]).is_empty());
    }
}

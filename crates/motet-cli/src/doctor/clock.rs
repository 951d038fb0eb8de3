//! Clocks. Calls carry the time that is left to them and not a time of day, so that clocks of two
//! machines may differ; certificates, logs and the files of a registry need clocks that are right.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::finding::Finding;

const AREA: &str = "clock";

/// How far two clocks may be apart.
const APART: Duration = Duration::from_secs(2);

/// 1 January 2025: no clock of a program that was built later is right before.
const PAST: Duration = Duration::from_secs(1_735_689_600);

/// The clock of this machine by itself.
pub(super) fn own() -> Vec<Finding> {
    vec![judge_own(SystemTime::now())]
}

fn judge_own(now: SystemTime) -> Finding {
    match now.duration_since(UNIX_EPOCH) {
        Ok(since) if since >= PAST => Finding::ok(AREA, "this machine's clock is set"),
        _ => Finding::problem(
            AREA,
            "this machine's clock is before the year 2025",
            "set it: certificates are not valid at that time, and logs are wrong",
        ),
    }
}

/// The clock of the file system that a registry is in, by a file that it was just given.
pub(super) fn of_file_system(written: SystemTime, now: SystemTime) -> Option<Finding> {
    let (apart, which) = match written.duration_since(now) {
        Ok(ahead) => (ahead, "ahead of"),
        Err(behind) => (behind.duration(), "behind"),
    };
    (apart > APART).then(|| {
        Finding::problem(
            AREA,
            format!("the clock of the registry's file system is {} {which} this machine's", seconds(apart)),
            "keep the registry on a local disk: locks of a network file system outlive their owners",
        )
    })
}

/// The clock by which a record was written.
pub(super) fn of_record(name: &str, modified: SystemTime, now: SystemTime) -> Option<Finding> {
    let ahead = modified.duration_since(now).ok().filter(|ahead| *ahead > APART)?;
    Some(Finding::warning(
        AREA,
        format!("the record {name} is from {} in the future", seconds(ahead)),
        "the clock was turned back after it was written: see that the clock is kept right (NTP), and start the service again",
    ))
}

fn seconds(time: Duration) -> String {
    crate::duration::show(Duration::from_secs(time.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::State;

    #[test]
    fn clocks_that_are_apart_are_told_and_small_differences_are_not() {
        let now = UNIX_EPOCH + PAST * 2;
        let (hour, second) = (Duration::from_secs(3600), Duration::from_secs(1));
        assert_eq!((of_file_system(now + second, now), of_file_system(now - second, now)), (None, None));
        assert!(
            of_file_system(now + hour, now).is_some_and(|found| found.what.contains("60m ahead of this machine's"))
        );
        assert!(of_file_system(now - hour, now).is_some_and(|found| found.what.contains("60m behind this machine's")));
        assert_eq!((of_record("a~1.node", now - hour, now), of_record("a~1.node", now + second, now)), (None, None));
        assert!(of_record("a~1.node", now + hour, now).is_some_and(|found| found.what.contains("60m in the future")));
        assert_eq!((judge_own(now).state, judge_own(UNIX_EPOCH).state), (State::Ok, State::Problem));
    }
}

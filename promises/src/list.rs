//! The promises and their tests.

use std::fmt;

/// A promise: a row of `docs/promises.md`.
#[derive(Debug)]
pub struct Promise {
    /// Its name, such as `P1`.
    pub id: &'static str,
    /// The tests that measure it. Each writes a record.
    pub tests: &'static [Test],
    /// What the long form finds in the environment where it is not set, beside `MOTET_PROMISES=long`.
    pub environment: &'static [(&'static str, &'static str)],
    /// How many times the long form runs: three where a figure counts by its median.
    pub runs: usize,
}

/// A test by package, target and path within the target.
#[derive(Debug)]
pub struct Test {
    /// The package.
    pub package: &'static str,
    /// The target, a file or folder of the package's `tests`.
    pub target: &'static str,
    /// The path of the test as the test harness writes it.
    pub name: &'static str,
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.package, self.target, self.name)
    }
}

const fn test(package: &'static str, target: &'static str, name: &'static str) -> Test {
    Test { package, target, name }
}

/// All promises, in the order of the page.
pub const LIST: &[Promise] = &[
    Promise {
        id: "P1",
        tests: &[test("motet", "experiments", "at_most_once::what_may_not_run_twice_runs_at_most_once")],
        environment: &[],
        runs: 1,
    },
    Promise {
        id: "P2",
        tests: &[
            test("motet", "experiments", "rolling::rolling_restarts_lose_no_call"),
            test("motet", "experiments", "rolling::rolling_restarts_lose_no_call_by_grpc"),
            test("motet", "experiments", "rolling::rolling_restarts_lose_no_call_by_http"),
        ],
        environment: &[],
        runs: 3,
    },
    Promise {
        id: "P3",
        tests: &[
            test(
                "motet",
                "experiments",
                "killed::when_a_node_is_killed_only_calls_in_flight_on_it_fail_and_idempotent_ones_are_retried",
            ),
            test(
                "motet",
                "experiments",
                "frozen::a_frozen_node_is_avoided_within_two_seconds_and_idempotent_calls_are_answered_by_another",
            ),
            test("motet", "experiments", "killed::a_kill_fails_only_calls_in_flight_by_grpc"),
            test("motet", "experiments", "killed::a_kill_fails_only_calls_in_flight_by_http"),
            test("motet", "experiments", "frozen::a_frozen_node_is_avoided_within_two_seconds_by_grpc"),
            test("motet", "experiments", "frozen::a_frozen_node_is_avoided_within_two_seconds_by_http"),
        ],
        environment: &[],
        runs: 1,
    },
    Promise {
        id: "P8",
        tests: &[test(
            "motet",
            "experiments",
            "overload::a_server_offered_ten_times_its_capacity_does_what_it_can_and_recovers",
        )],
        environment: &[("MOTET_OVERLOAD", "60")],
        runs: 1,
    },
    Promise {
        id: "P9",
        tests: &[
            test("motet", "resilience", "every_transport::what_ends_a_call_ends_the_third_hop_on_every_transport"),
            test(
                "motet",
                "resilience",
                "every_protocol::what_ends_a_call_ends_the_last_hop_by_every_protocol_that_says_so",
            ),
        ],
        environment: &[],
        runs: 3,
    },
    Promise {
        id: "P10",
        tests: &[
            test("motet-rpc", "client_storm", "twenty_calls_a_second_to_a_failing_service_do_not_become_a_storm"),
            test("motet-rpc", "client_storm", "two_thousand_calls_a_second_to_a_failing_service_do_not_become_a_storm"),
        ],
        environment: &[],
        runs: 1,
    },
    Promise {
        id: "P14",
        tests: &[
            test("motet-rpc", "bad_input", "a_server_answers_every_row_of_the_page_and_serves_others"),
            test("motet-rpc", "bad_input", "a_caller_answers_every_row_of_the_page_and_calls_others"),
            test("motet-rpc", "bad_input", "a_server_bears_frames_that_end_anywhere"),
            test("motet-http", "hostile", "requests_that_two_readers_could_read_differently_are_refused"),
            test("motet-http", "hostile", "frames_against_the_rules_end_the_connection_with_their_error"),
            test("motet-protocol-grpc", "hostile", "each_flaw_ends_its_call_with_its_own_error_and_others_go_on"),
            test("motet-protocol-jsonrpc", "server", "garbage_ends_its_connection_after_the_answers_and_no_other"),
            test(
                "motet-protocol-netrpc",
                "server",
                "what_is_no_gob_ends_its_connection_after_the_answers_and_no_other",
            ),
            test("motet-protocol-mucp", "wire", "what_is_no_mucp_ends_its_call_or_connection_and_no_other"),
            test("motet-protocol-gorpc", "wire", "damage_ends_its_connection_and_no_other"),
            test("motet-protocol-rpcx", "wire", "damage_ends_its_call_or_connection_and_no_other"),
            test("motet", "fuzz_seeds", "every_seed_passes"),
            test("motet", "fuzz_seeds", "seeds_that_were_damaged_pass"),
        ],
        environment: &[],
        runs: 1,
    },
    Promise {
        id: "P15",
        tests: &[test("motet", "experiments", "soak::mixed_load_with_restarts_leaves_nothing_behind")],
        environment: &[("MOTET_SOAK_SECONDS", "600")],
        runs: 1,
    },
    Promise {
        id: "P17",
        tests: &[test("motet-testkit", "simulation", "faults::calls_keep_their_promises_whatever_happens")],
        environment: &[("MOTET_SEEDS", "1000")],
        runs: 1,
    },
];

impl Promise {
    /// The promise of this name.
    pub fn named(id: &str) -> Option<&'static Promise> {
        LIST.iter().find(|promise| promise.id == id)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;

    /// The sources of a target: a file, or all files of a folder.
    fn sources(test: &Test) -> String {
        let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../crates").join(test.package).join("tests");
        let mut files = vec![tests.join(format!("{}.rs", test.target))];
        files.extend(
            fs::read_dir(tests.join(test.target)).into_iter().flatten().map(|file| file.expect("a file").path()),
        );
        files.iter().filter_map(|file| fs::read_to_string(file).ok()).collect()
    }

    #[test]
    fn every_test_of_the_list_exists_and_measures_its_promise() {
        for promise in LIST {
            assert!(!promise.tests.is_empty() && promise.runs > 0, "{} is not measured", promise.id);
            for test in promise.tests {
                let source = sources(test);
                let function = test.name.rsplit("::").next().expect("one part at least");
                assert!(source.contains(&format!("fn {function}(")), "{}: there is no test {test}", promise.id);
                // However it is broken into lines.
                let begins = format!("Measurement::begin(\"{}\",\"{}\"", promise.id, test.name);
                let source: String = source.split_whitespace().collect();
                assert!(source.contains(&begins), "{}: {test} does not say {begins})", promise.id);
            }
        }
    }

    #[test]
    fn no_promise_is_listed_twice() {
        for (at, promise) in LIST.iter().enumerate() {
            assert!(LIST[..at].iter().all(|other| other.id != promise.id), "{} is listed twice", promise.id);
        }
    }
}

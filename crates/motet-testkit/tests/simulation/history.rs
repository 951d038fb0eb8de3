//! What was called and what was executed.

use std::{collections::BTreeMap, time::Duration};

use motet::Status;

/// A call, as its caller saw it.
pub(crate) struct Called {
    pub(crate) call: u64,
    pub(crate) idempotent: bool,
    pub(crate) timeout: Duration,
    pub(crate) took: Duration,
    pub(crate) result: Result<u64, Status>,
}

/// A run of a handler.
pub(crate) struct Executed {
    pub(crate) call: u64,
    pub(crate) node: &'static str,
    pub(crate) thread: std::thread::ThreadId,
}

/// What was called and what was executed.
#[derive(Default)]
pub(crate) struct History {
    pub(crate) begun: u64,
    pub(crate) called: Vec<Called>,
    pub(crate) executed: Vec<Executed>,
}

impl History {
    /// How often each call was executed.
    fn executions(&self) -> BTreeMap<u64, usize> {
        let mut all = BTreeMap::new();
        self.executed.iter().for_each(|run| *all.entry(run.call).or_default() += 1);
        all
    }

    /// A call that must not run twice has run once at most, and whoever was answered was executed.
    pub(crate) fn check_executions(&self) {
        let executions = self.executions();
        for called in &self.called {
            let runs = executions.get(&called.call).copied().unwrap_or_default();
            let Called { call, idempotent, result, .. } = called;
            // Two retries, each of which may be sent once more when its node falls silent.
            let most = if *idempotent { 6 } else { 1 };
            assert!(runs <= most, "call {call} ran {runs} times: {:?}", self.nodes(*call));
            match result {
                Ok(answer) => {
                    assert!(runs >= 1 && answer == call, "call {call} was answered {answer} and ran {runs} times")
                }
                Err(status) if status.executed() == motet::Executed::No => {
                    assert_eq!(runs, 0, "call {call} is said not to have run: {status:?}");
                }
                Err(_) => {}
            }
        }
    }

    /// What came of the calls.
    pub(crate) fn summary(&self) -> Summary {
        let answered = self.called.iter().filter(|called| called.result.is_ok()).count();
        let again = self.executions().values().filter(|runs| **runs > 1).count();
        Summary { answered, failed: self.called.len() - answered, again }
    }

    fn nodes(&self, call: u64) -> Vec<&str> {
        self.executed.iter().filter(|run| run.call == call).map(|run| run.node).collect()
    }

    /// Every call that has run has run once.
    pub(crate) fn check_once(&self) {
        for (call, runs) in self.executions() {
            assert_eq!(runs, 1, "call {call} ran at {:?}", self.nodes(call));
        }
    }

    /// Every call that was begun has ended, by its deadline.
    pub(crate) fn check_ends(&self) {
        assert_eq!(self.called.len() as u64, self.begun, "calls have not ended");
        for Called { call, timeout, took, result, .. } in &self.called {
            // Timers have a resolution of a millisecond, on both sides of a connection.
            assert!(
                *took <= *timeout + Duration::from_millis(5),
                "call {call} took {took:?} of {timeout:?}: {result:?}"
            );
        }
    }
}

/// What came of the calls of one run, or of several.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Summary {
    pub(crate) answered: usize,
    pub(crate) failed: usize,
    /// Those that were executed more than once.
    pub(crate) again: usize,
}

impl Summary {
    pub(crate) fn and(self, other: Summary) -> Summary {
        Summary {
            answered: self.answered + other.answered,
            failed: self.failed + other.failed,
            again: self.again + other.again,
        }
    }
}

//! How many calls at once a method can serve: a state machine that is told what was measured.
//!
//! A method is free until its calls take much longer than they ordinarily do, longer and longer, and
//! no more of them end for it: then they queue up. Or else they take longer in themselves. So the
//! first limit is a question: with fewer calls at once, do fewer end? If not, they queue up, and the
//! limit becomes what Little's law gives: throughput times the latency that is aimed at. If so, the
//! longer latency is the ordinary one from then on. The reasoning is in the project's
//! `docs/decisions/0005-overload.md`.

/// The latency that is aimed at while limited: this many times the ordinary one, and [`SLACK`].
const TOLERANCE: f64 = 2.0;
/// What a busy machine adds to any latency without being overloaded, in seconds.
const SLACK: f64 = 0.020;
/// The time over which the ordinary latency is learnt, in seconds.
const MEMORY: f64 = 30.0;
/// Latency that has grown so much since it was first too long, while throughput has not, is probably
/// that of a queue.
const GROWTH: f64 = 1.5;
/// Throughput that has fallen below this share says that calls take longer in themselves just now.
const STEADY: f64 = 0.6;
/// The share of calls given up by their callers or deadlines that says the same as growing latency,
/// which then cannot grow any more.
const GIVEN_UP: f64 = 0.25;
/// Above this share of calls given up throughput says nothing.
const HOPELESS: f64 = 0.9;
/// Latency above the one aimed at by this factor is strain.
const STRAIN: f64 = 1.2;
/// Throughput below the best under this limit by this factor may be the limit's fault.
const FALLEN: f64 = 0.85;
/// What is left of the best throughput after each window.
const FADING: f64 = 0.995;
/// Calls at once above the limit by this factor are still those of an earlier one.
const SETTLED: f64 = 1.25;
/// What is left of the ordinary latency after each window in which the limit held, so that one that
/// was learnt in a bad moment is forgotten: soon where it is new, slowly where it was seen before.
const FORGETTING_NEW: f64 = 0.9;
/// The same for a latency that was seen before.
const FORGETTING: f64 = 0.995;
/// An ordinary latency above the one seen before by this factor is new.
const NEW: f64 = 2.0;
/// How much closer an ordinary latency that was found again gets to be believed, as a power.
const BELIEF: f64 = 0.25;
/// The weight of a new measurement of throughput.
const SMOOTHING: f64 = 0.3;
/// So long without need, in seconds, and the limit goes.
const QUIET: f64 = 1.0;

/// By how much a question changes the limit, down and, where there is no room below, up.
const FEWER: f64 = 0.7;
/// See [`FEWER`].
const MORE: f64 = 1.5;
/// So much of the change must have come about before the answer is read.
const NEARLY: f64 = 0.95;
/// A question waits for this many times the latency until its effect shows, and reads as long.
const PATIENCE: f64 = 1.5;
/// The least of that, in seconds.
const READ: f64 = 0.15;
/// The most of that, in seconds.
const LONGEST_LAG: f64 = 15.0;
/// While no call is of use to its caller, still fewer are tried, at most so often.
const DEEPER: u32 = 3;
/// Of this share of the limit [`FEWER`] are tried then.
const HALF: f64 = 0.5;

/// What was measured over a short time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Window {
    /// Its length in seconds.
    pub(super) seconds: f64,
    /// Calls that ended, per second.
    pub(super) rate: f64,
    /// Their mean latency from admission to end, in seconds.
    pub(super) mean: f64,
    /// The share of them that ended because caller or deadline gave them up.
    pub(super) given_up: f64,
    /// Calls that run now.
    pub(super) running: u32,
    /// Whether the limit kept a call out.
    pub(super) bound: bool,
}

impl Window {
    /// Calls that were of use to their callers, per second.
    fn good(&self) -> f64 {
        self.rate * (1.0 - self.given_up)
    }
}

/// Finds the limit of one method.
#[derive(Debug)]
pub(super) struct Control {
    min: f64,
    max: f64,
    learnt: Learnt,
    state: State,
}

/// What is known about a method; all zero before the first window.
#[derive(Clone, Copy, Debug, Default)]
struct Learnt {
    /// The latency of calls that do not queue up, in seconds.
    ordinary: f64,
    /// The same as far as it was seen without a limit, or again and again.
    known: f64,
    /// Calls that ended, per second, lately.
    rate: f64,
    /// Those of them that were of use to their callers.
    good: f64,
}

impl Learnt {
    /// The latency that is aimed at.
    fn target(&self) -> f64 {
        TOLERANCE * self.ordinary + SLACK
    }
}

#[derive(Debug)]
enum State {
    /// No limit but the configured one; the first window with a latency that was too long.
    Free(Option<Window>),
    Limited(Limited),
}

#[derive(Debug)]
struct Limited {
    limit: f64,
    question: Option<Question>,
    /// The best throughput under it, fading.
    best: f64,
    /// How long there have been no more calls at once than the limit allows, in seconds.
    settled: f64,
    /// How long the limit has kept nobody out, in seconds.
    quiet: f64,
}

/// A limit that was changed to see what comes of it.
#[derive(Debug, Default)]
struct Question {
    /// Calls at once before.
    running: f64,
    up: bool,
    /// How long the change takes at most to show its effect, in seconds.
    lag: f64,
    /// How often it was asked with still fewer calls.
    deeper: u32,
    /// How long ago it was made, and how long ago it came about, in seconds.
    asked: f64,
    came: Option<f64>,
    /// Calls that were of use to their callers, per second, before.
    before: f64,
    after: Read,
}

/// Calls that ended over some seconds.
#[derive(Debug, Default)]
struct Read {
    calls: f64,
    given_up: f64,
    /// Those that were of use to their callers.
    good: f64,
    seconds: f64,
}

/// What a question has found.
enum Answer {
    NotYet,
    /// Fewer calls end with fewer at once: nothing queues up.
    Themselves,
    /// Latency changes and throughput does not.
    Queueing,
    /// It cannot be told while so many calls are given up; so many were of use per second.
    Deeper(f64),
}

impl Control {
    /// A control whose limits lie between these.
    pub(super) fn new(min: u32, max: u32) -> Control {
        let min = f64::from(min.max(1));
        Control { min, max: f64::from(max).max(min), learnt: Learnt::default(), state: State::Free(None) }
    }

    /// The latency of calls that do not queue up, in seconds; zero before the first window.
    pub(super) fn ordinary(&self) -> f64 {
        self.learnt.ordinary
    }

    /// The limit; `None` while there is none but the configured one.
    pub(super) fn limit(&self) -> Option<u32> {
        match &self.state {
            State::Free(_) => None,
            State::Limited(limited) => Some(limited.limit.clamp(self.min, self.max) as u32),
        }
    }

    /// Takes in what was measured and gives the limit.
    pub(super) fn update(&mut self, window: &Window) -> Option<u32> {
        if self.learnt.rate == 0.0 {
            self.learnt = Learnt { ordinary: window.mean, known: window.mean, rate: window.rate, good: window.good() };
        }
        self.learnt.good += (window.good() - self.learnt.good) * SMOOTHING;
        // Where nearly all calls are given up, their number is that of those who lose patience.
        if window.given_up <= HOPELESS {
            self.learnt.rate += (window.rate - self.learnt.rate) * SMOOTHING;
        }
        self.state = match std::mem::replace(&mut self.state, State::Free(None)) {
            State::Free(alarm) => self.free(window, alarm),
            State::Limited(limited) => limited.update(window, &mut self.learnt, self.min),
        };
        self.limit()
    }

    fn free(&mut self, window: &Window, alarm: Option<Window>) -> State {
        let target = self.learnt.target();
        let alarm = match alarm {
            _ if window.mean <= target => None,
            Some(first) if (STEADY..=GROWTH).contains(&(window.rate / first.rate.max(0.1))) => {
                let grows = window.mean >= first.mean * GROWTH || window.given_up >= GIVEN_UP;
                if grows && f64::from(window.running) * FEWER >= self.min {
                    let mut limited = Limited { limit: self.max, question: None, best: 0.0, settled: 0.0, quiet: 0.0 };
                    limited.ask(f64::from(window.running), false, window, self.learnt.good, self.min);
                    return State::Limited(limited);
                }
                Some(first)
            }
            _ => Some(*window),
        };
        // What is far too long weighs no more than what is too long: it may be a standstill.
        let seen = window.mean.min(2.0 * target);
        self.learnt.ordinary += (seen - self.learnt.ordinary) * (window.seconds / MEMORY).min(0.5);
        self.learnt.known = self.learnt.ordinary;
        State::Free(alarm)
    }
}

impl Limited {
    fn update(mut self, window: &Window, learnt: &mut Learnt, min: f64) -> State {
        self.quiet = if window.bound { 0.0 } else { self.quiet + window.seconds };
        if self.quiet >= QUIET {
            return State::Free(None);
        }
        let fits = f64::from(window.running) <= (self.limit * SETTLED).max(min);
        self.settled = if fits { self.settled + window.seconds } else { 0.0 };
        let strained = window.mean > STRAIN * learnt.target();
        // Latency is that of the time of admission.
        let settled = self.settled >= window.mean;
        self.best = learnt.rate.max(self.best * FADING);
        if settled && window.mean <= learnt.target() {
            self.question.take_if(|question| !question.up);
            if window.bound && self.question.is_none() {
                let new = learnt.ordinary > NEW * learnt.known;
                learnt.ordinary *= if new { FORGETTING_NEW } else { FORGETTING };
            }
        }
        match self.question.as_mut().map(|question| question.update(window)) {
            Some(Answer::NotYet) => return State::Limited(self),
            Some(Answer::Themselves) => {
                self.question = None;
                learnt.ordinary = window.mean;
                // Found again after having been forgotten, it is believed.
                learnt.known *= (window.mean / learnt.known.max(1e-6)).powf(BELIEF);
                self.limit = self.limit.max(learnt.rate * learnt.target()) / FEWER;
                self.settled = 0.0;
                return State::Limited(self);
            }
            Some(Answer::Queueing) => {
                self.question = None;
                self.settled = 0.0;
                self.best = learnt.rate;
            }
            Some(Answer::Deeper(good)) => {
                let deeper = self.question.as_ref().map_or(0, |question| question.deeper);
                self.ask(self.limit * HALF, false, window, good, min);
                if let Some(question) = &mut self.question {
                    (question.deeper, question.before) = (deeper + 1, good);
                }
                return State::Limited(self);
            }
            None if settled && (strained || window.bound && learnt.rate < self.best * FALLEN) => {
                self.ask(self.limit, !strained, window, learnt.good, min);
                return State::Limited(self);
            }
            None => {}
        }
        let limit = learnt.rate * learnt.target();
        // Where fewer calls come this says nothing, and must be there when they are back.
        self.limit = if window.bound { limit } else { limit.max(self.limit) }.max(min);
        State::Limited(self)
    }

    /// Changes the limit to see what comes of it.
    fn ask(&mut self, running: f64, up: bool, window: &Window, good: f64, min: f64) {
        let up = up || running * FEWER < min;
        self.limit = (running * if up { MORE } else { FEWER }).max(min);
        self.settled = 0.0;
        let lag = (window.mean * PATIENCE).clamp(READ, LONGEST_LAG);
        // What is uncertain is not to look like throughput that does not follow.
        let before = if up { window.good().min(good) } else { window.good().max(good) };
        self.question = Some(Question { running, up, lag, before, ..Question::default() });
    }
}

impl Question {
    /// Reads how many calls of use end, before the change can have an effect and afterwards.
    fn update(&mut self, window: &Window) -> Answer {
        self.asked += window.seconds;
        let change = f64::from(window.running.max(1)) / self.running.max(1.0);
        let came = if self.up { change >= MORE * NEARLY } else { change * NEARLY <= FEWER };
        match &mut self.came {
            Some(since) => *since += window.seconds,
            None if came => self.came = Some(0.0),
            // Calls that take their time and no more would have ended by now.
            None if self.asked > self.lag && (window.bound || !self.up) => return Answer::Queueing,
            None => {}
        }
        if self.came.is_some_and(|since| since > self.lag) {
            self.after.add(window);
        }
        if self.after.seconds < self.lag {
            return Answer::NotYet;
        }
        let (before, after) = (self.before, self.after.rate());
        if self.after.good < 1.0 && self.deeper < DEEPER {
            return Answer::Deeper(after);
        }
        // 1 where throughput follows the calls at once, 0 where it does not.
        let follows = (after.max(0.01) / before.max(0.01)).ln() / change.ln();
        match follows > 0.5 || before == 0.0 {
            // Where many are given up, they may have become more just then.
            true if self.after.given_up > GIVEN_UP * self.after.calls && self.deeper == 0 => Answer::Deeper(after),
            true => Answer::Themselves,
            false => Answer::Queueing,
        }
    }
}

impl Read {
    fn add(&mut self, window: &Window) {
        let calls = window.rate * window.seconds;
        self.calls += calls;
        self.given_up += calls * window.given_up;
        self.good += calls * (1.0 - window.given_up);
        self.seconds += window.seconds;
    }

    /// Calls of use per second.
    fn rate(&self) -> f64 {
        self.good / self.seconds.max(0.001)
    }
}

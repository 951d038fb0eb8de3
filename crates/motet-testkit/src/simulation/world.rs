//! A run: the nodes' processes, taken forward together.

use std::{
    collections::VecDeque,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use motet_app::RunningApp;
use motet_core::Entropy;

use super::{
    Fault, Trace,
    network::{Network, NodeId},
    process::Process,
    program::{Life, Making, Start, message},
};

/// A process is looked at this often, whether something has arrived for it or not, and up to the
/// longest of these pauses after it has said nothing: what it says because a timer fired may leave
/// that much late. Its clock and its timers keep their time.
const LOOK: u64 = 5;
const LONGEST_LOOK: u64 = 20;
/// A process that ended by itself is started again after this time, as supervisors of processes do.
const SUPERVISED: u64 = 1000;

/// The nodes of a run at one moment, as invariants see them.
pub struct World {
    seed: u64,
    network: Network,
    nodes: Vec<Node>,
    now: u64,
    plan: VecDeque<(u64, Fault)>,
    wrong: Option<String>,
}

/// A node, whether it has a process or not.
struct Node {
    name: String,
    making: Making,
    calls: bool,
    process: Option<Process>,
    life: Life,
    stalled: bool,
    starts: u64,
    /// Whether its App has ever started.
    ever_up: bool,
    /// Why its process ended last.
    last: String,
    /// Whether it was stopped or crashed, and not restarted.
    down: bool,
    /// When it is started again.
    again: Option<u64>,
    /// When it is looked at next, and the pause before.
    look: u64,
    pause: u64,
}

impl World {
    pub(super) fn new(
        seed: u64,
        entropy: &Entropy,
        nodes: Vec<(String, Making, bool)>,
        plan: Vec<(Duration, Fault)>,
    ) -> World {
        let network = Network::new(Entropy::seeded(entropy.next_u64()));
        let node = |(name, making, calls): (String, Making, bool)| {
            network.lock().add_machine(&name);
            Node {
                name,
                making,
                calls,
                process: None,
                life: Life::default(),
                stalled: false,
                starts: 0,
                ever_up: false,
                last: String::new(),
                down: false,
                again: Some(0),
                look: 0,
                pause: LOOK,
            }
        };
        let nodes = nodes.into_iter().map(node).collect();
        let plan = plan.into_iter().map(|(at, fault)| (at.as_millis() as u64, fault)).collect();
        World { seed, network, nodes, now: 0, plan, wrong: None }
    }

    /// Goes on until all clients have finished and all faults have happened, or to the limit.
    /// `checked` is called after each fault.
    ///
    /// # Errors
    /// What went wrong.
    pub(super) fn run(
        &mut self,
        limit: Duration,
        checked: impl Fn(&World) -> Result<(), String>,
    ) -> Result<(), String> {
        let limit = limit.as_millis() as u64;
        let has_clients = self.nodes.iter().any(|node| node.calls);
        loop {
            self.deliver();
            for node in 0..self.nodes.len() {
                if self.nodes[node].look <= self.now {
                    self.step(node);
                }
            }
            let faults = self.faults()?;
            self.start_again()?;
            if faults {
                checked(self)?;
            }
            if let Some(wrong) = self.wrong.take() {
                return Err(wrong);
            }
            let unfinished = self.nodes.iter().find(|node| node.calls && !node.life.lock().finished);
            match unfinished {
                None if has_clients && self.plan.is_empty() => return Ok(()),
                None if self.now >= limit => return Ok(()),
                Some(node) if self.now >= limit => {
                    return Err(format!("client {} has not finished by {:?}{}", node.name, self.elapsed(), node.why()));
                }
                _ => {}
            }
            let again = self.nodes.iter().filter_map(|node| node.again).min();
            let planned = self.plan.front().map(|(at, _)| *at);
            let event = self.network.lock().next_event();
            let look = self.nodes.iter().map(|node| node.look).min();
            let next = [again, planned, event, look].into_iter().flatten().fold(limit, u64::min);
            self.now = self.now.max(next);
            self.network.lock().set_now(self.now);
        }
    }

    /// Lets everything arrive that is due, and the processes do what follows from it.
    fn deliver(&mut self) {
        let mut touched: Vec<NodeId> = Vec::new();
        loop {
            while let Some(concerned) = self.network.due() {
                match concerned.filter(|node| self.lags(*node)) {
                    // What its timers say before this moment comes first, and may be due as well.
                    Some(node) => self.step(node),
                    None => touched.extend(self.network.apply()),
                }
            }
            touched.sort_unstable();
            touched.dedup();
            if touched.is_empty() {
                return;
            }
            touched.drain(..).for_each(|node| self.step(node));
        }
    }

    /// Whether a process that is not stalled has not yet worked up to now.
    fn lags(&self, node: NodeId) -> bool {
        let node = &self.nodes[node];
        !node.stalled && node.process.as_ref().is_some_and(|process| process.clock() < self.now)
    }

    /// Lets a process work up to now.
    fn step(&mut self, id: NodeId) {
        let node = &mut self.nodes[id];
        node.look = self.now + LONGEST_LOOK;
        let Some(process) = node.process.as_mut().filter(|_| !node.stalled) else { return };
        let before = self.network.lock().set_runs(id, true);
        process.work_until(self.now);
        let quiet = self.network.lock().set_runs(id, false) == before;
        let pause = if quiet { (node.pause * 2).min(LONGEST_LOOK) } else { LOOK };
        (node.look, node.pause) = (self.now + pause, pause);
        self.look_at(id);
    }

    /// Takes in how a process is.
    fn look_at(&mut self, id: NodeId) {
        let node = &mut self.nodes[id];
        let (ended, panicked) = {
            let mut state = node.life.lock();
            node.ever_up |= state.app.is_some();
            (state.ended.take(), state.panicked.take())
        };
        if let Some(text) = panicked {
            self.wrong.get_or_insert(format!("client {}: {text}", node.name));
        }
        if let Some(ended) = ended {
            node.last = ended.map_or_else(|status| status.to_string(), |()| "it ended".to_owned());
            let (name, last) = (node.name.clone(), node.last.clone());
            if !node.down {
                node.again = Some(self.now + SUPERVISED);
            }
            self.network.lock().note(format_args!("{name} ended: {last}"));
        }
    }

    /// Applies the faults that are due, and says whether there were any.
    fn faults(&mut self) -> Result<bool, String> {
        let mut any = false;
        while self.plan.front().is_some_and(|(at, _)| *at <= self.now) {
            let Some((_, fault)) = self.plan.pop_front() else { break };
            (0..self.nodes.len()).for_each(|node| self.step(node));
            self.network.lock().note(format_args!("{fault}"));
            self.apply(&fault)?;
            any = true;
        }
        Ok(any)
    }

    fn apply(&mut self, fault: &Fault) -> Result<(), String> {
        let find = |name: &String| self.find(name);
        match fault {
            Fault::Partition(a, b) => {
                let (a, b) = (find(a)?, find(b)?);
                let mut network = self.network.lock();
                network.cut(a, b);
                network.cut(b, a);
            }
            Fault::OneWay(from, to) => {
                let (from, to) = (find(from)?, find(to)?);
                self.network.lock().cut(from, to);
            }
            Fault::Isolate(node) => {
                let node = find(node)?;
                self.network.lock().isolate(node);
            }
            Fault::Heal(a, b) => {
                let (a, b) = (find(a)?, find(b)?);
                self.network.lock().heal(a, b);
            }
            Fault::HealAll => self.network.lock().heal_all(),
            Fault::Quality(quality) => self.network.lock().set_quality(*quality),
            Fault::Stall(node) => {
                let node = find(node)?;
                self.nodes[node].stalled = self.nodes[node].process.is_some();
            }
            Fault::Resume(node) => {
                let node = find(node)?;
                self.resume(node);
            }
            Fault::Crash(node) => {
                let node = find(node)?;
                self.nodes[node].down = true;
                self.crash(node);
            }
            Fault::Stop(node) => {
                let id = find(node)?;
                let node = &mut self.nodes[id];
                (node.down, node.again) = (true, None);
                let app = node.life.lock().app.clone();
                match app {
                    Some(app) => app.begin_stop(),
                    None => self.crash(id),
                }
            }
            Fault::Restart(node) => {
                let node = find(node)?;
                if self.nodes[node].down {
                    self.crash(node);
                    self.nodes[node].again = Some(self.now);
                }
            }
        }
        Ok(())
    }

    fn find(&self, name: &str) -> Result<NodeId, String> {
        self.nodes.iter().position(|node| node.name == name).ok_or_else(|| {
            let known: Vec<_> = self.nodes.iter().map(|node| node.name.as_str()).collect();
            format!("a fault names the node {name:?}, and the simulation has only {}", known.join(", "))
        })
    }

    fn resume(&mut self, id: NodeId) {
        let node = &mut self.nodes[id];
        if std::mem::replace(&mut node.stalled, false)
            && let Some(process) = &mut node.process
        {
            self.network.lock().set_runs(id, true);
            process.jump_to(self.now);
            self.network.lock().set_runs(id, false);
            self.look_at(id);
        }
    }

    /// Ends a node's process at once.
    fn crash(&mut self, id: NodeId) {
        self.network.end(id);
        let node = &mut self.nodes[id];
        (node.stalled, node.again) = (false, None);
        // The App goes while its runtime is the current one, as all else that it holds.
        let (process, life) = (node.process.take(), std::mem::take(&mut node.life));
        if let Some(process) = process {
            process.within(|| drop(life));
        }
    }

    /// Starts the processes that are due.
    fn start_again(&mut self) -> Result<(), String> {
        for id in 0..self.nodes.len() {
            if self.nodes[id].again.is_some_and(|at| at <= self.now) {
                self.crash(id);
                self.start(id)?;
            }
        }
        Ok(())
    }

    fn start(&mut self, id: NodeId) -> Result<(), String> {
        let node = &mut self.nodes[id];
        node.down = false;
        node.starts += 1;
        // Each start of each node draws numbers of its own, whatever others have drawn before.
        let mix = node.name.bytes().fold(node.starts, |mix, byte| mix.wrapping_mul(31).wrapping_add(byte.into()));
        let seed = Entropy::seeded(self.seed ^ mix.rotate_left(32)).next_u64();
        let process = Process::new(self.now).map_err(|error| format!("no runtime for {}: {error}", node.name))?;
        {
            let mut network = self.network.lock();
            network.begin(id, process.base());
            network.note(format_args!("{} starts", node.name));
        }
        let start =
            Start { network: self.network.clone(), node: id, name: node.name.clone(), seed, life: node.life.clone() };
        let main = process.within(|| (node.making)(&start));
        process.spawn(main);
        node.process = Some(process);
        self.step(id);
        Ok(())
    }

    /// What is wrong at the end whatever the invariants say.
    pub(super) fn never_up(&self) -> Option<String> {
        let node = self.nodes.iter().find(|node| !node.ever_up && !node.last.is_empty())?;
        Some(format!("node {} has never come up{}", node.name, node.why()))
    }

    /// Ends all processes.
    pub(super) fn close(&mut self) -> Trace {
        (0..self.nodes.len()).for_each(|node| self.crash(node));
        self.network.lock().take_trace()
    }

    fn node(&self, name: &str) -> &Node {
        match self.find(name) {
            Ok(id) => &self.nodes[id],
            Err(_) => panic!("the simulation has no node {name:?}"),
        }
    }

    /// The seed of the run.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Simulated time since the simulation began.
    pub fn elapsed(&self) -> Duration {
        Duration::from_millis(self.now)
    }

    /// Whether a node's App runs.
    ///
    /// # Panics
    /// When there is no node of this name.
    pub fn is_up(&self, node: &str) -> bool {
        self.app(node).is_some()
    }

    /// A node's App, while it runs: its health, its counters, its nodes.
    ///
    /// # Panics
    /// When there is no node of this name.
    pub fn app(&self, node: &str) -> Option<Arc<RunningApp>> {
        self.node(node).life.lock().app.clone()
    }

    /// How many tasks a node's process has; none without a process. One that has stopped in order
    /// keeps its process until it is restarted, so that tasks left over can be found.
    ///
    /// # Panics
    /// When there is no node of this name.
    pub fn tasks(&self, node: &str) -> usize {
        self.node(node).process.as_ref().map_or(0, Process::tasks)
    }

    /// What has happened so far.
    pub fn trace(&self) -> String {
        self.network.lock().trace().as_str().to_owned()
    }
}

impl Node {
    fn why(&self) -> String {
        if self.last.is_empty() { String::new() } else { format!("; its process ended: {}", self.last) }
    }
}

/// Runs a check; its panic says what is wrong.
pub(super) fn caught(name: &str, check: impl FnOnce()) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(check)).map_err(|panic| format!("invariant {name:?}: {}", message(&*panic)))
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("seed", &self.seed).field("elapsed", &self.elapsed()).finish_non_exhaustive()
    }
}

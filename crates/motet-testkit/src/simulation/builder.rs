//! Describing a simulation.

use std::{fmt, future::Future, time::Duration};

use motet_core::Entropy;

use super::{
    Chaos, ClientNode, Fault, Program, Quality, Run, World,
    outcome::Failure,
    program::{self, Making},
    world::caught,
};

/// The node of the registry.
pub const REGISTRY: &str = "registry";

/// What is to hold.
struct Invariant {
    name: String,
    check: Box<dyn Fn(&World)>,
    /// Whether it need hold at the end only.
    last: bool,
}

/// Nodes, the faults that befall them, and what is to hold all the same. See the
/// [module](crate::simulation).
#[must_use = "a simulation does nothing until it is run"]
pub struct Simulation {
    seed: u64,
    nodes: Vec<(String, Making, bool)>,
    plan: Vec<(Duration, Fault)>,
    chaos: Vec<Chaos>,
    invariants: Vec<Invariant>,
}

impl Simulation {
    /// A simulation whose every choice comes from this seed. It has one node, [`REGISTRY`].
    pub fn new(seed: u64) -> Simulation {
        let nodes = vec![(REGISTRY.to_owned(), program::registry(), false)];
        Simulation { seed, nodes, plan: Vec::new(), chaos: Vec::new(), invariants: Vec::new() }
    }

    /// Adds a node. The factory is called at each start of its process, within its runtime, and makes
    /// an `AppBuilder` or a `motet::Service`; whatever that says about listening, registry and seed is
    /// replaced by the simulation's. It listens at `sim://NAME`.
    ///
    /// # Panics
    /// When the name is taken, empty or holds a colon.
    pub fn node<P: Program>(self, name: &str, factory: impl Fn() -> P + 'static) -> Simulation {
        self.with(name, program::serving(factory), false)
    }

    /// Adds a node that calls others: a program that is given an App without services. The run ends
    /// when all such programs have come to their end; one that panics fails it.
    ///
    /// # Panics
    /// As [`Simulation::node`].
    pub fn client<F>(self, name: &str, program: impl Fn(ClientNode) -> F + Send + Sync + 'static) -> Simulation
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.with(name, program::calling(program), true)
    }

    fn with(mut self, name: &str, making: Making, calls: bool) -> Simulation {
        assert!(!name.is_empty() && !name.contains(':'), "a node's name is part of its address: {name:?}");
        assert!(self.nodes.iter().all(|(known, ..)| known != name), "two nodes are named {name:?}");
        self.nodes.push((name.to_owned(), making, calls));
        self
    }

    /// Lets a fault happen at a moment of simulated time.
    pub fn at(mut self, when: Duration, fault: Fault) -> Simulation {
        self.plan.push((when, fault));
        self
    }

    /// Cuts two nodes off from each other from the start.
    pub fn partition(self, a: &str, b: &str) -> Simulation {
        self.at(Duration::ZERO, Fault::partition(a, b))
    }

    /// Cuts one node off from another from the start, in this direction only.
    pub fn one_way(self, from: &str, to: &str) -> Simulation {
        self.at(Duration::ZERO, Fault::one_way(from, to))
    }

    /// Sets how well the network works from the start.
    pub fn quality(self, quality: Quality) -> Simulation {
        self.at(Duration::ZERO, Fault::Quality(quality))
    }

    /// Lets faults happen that are drawn from the seed.
    pub fn chaos(mut self, chaos: Chaos) -> Simulation {
        self.chaos.push(chaos);
        self
    }

    /// Adds what is to hold after each fault and at the end: a check that panics, by `assert!`, where
    /// it does not.
    pub fn invariant(mut self, name: &str, check: impl Fn(&World) + 'static) -> Simulation {
        self.invariants.push(Invariant { name: name.to_owned(), check: Box::new(check), last: false });
        self
    }

    /// Adds what is to hold at the end.
    pub fn at_end(mut self, name: &str, check: impl Fn(&World) + 'static) -> Simulation {
        self.invariants.push(Invariant { name: name.to_owned(), check: Box::new(check), last: true });
        self
    }

    /// Runs until all clients have come to their end and all faults have happened; without clients,
    /// for this much simulated time. To be called from an ordinary `#[test]`, outside of any runtime.
    ///
    /// # Panics
    /// When an invariant does not hold, a client panics or has not come to its end by the limit, or a
    /// node never came up: with what was wrong, the last lines of the trace, and how to replay it.
    pub fn run(self, limit: Duration) -> Run {
        match self.try_run(limit) {
            Ok(run) => run,
            Err(failure) => panic!("{failure}"),
        }
    }

    /// As [`Simulation::run`], without the panic.
    ///
    /// # Errors
    /// What was wrong.
    pub fn try_run(self, limit: Duration) -> Result<Run, Failure> {
        let Simulation { seed, nodes, mut plan, chaos, invariants } = self;
        let entropy = Entropy::seeded(seed);
        let mut world = {
            let drawn = Entropy::seeded(entropy.next_u64());
            plan.extend(chaos.iter().flat_map(|chaos| chaos.plan(&drawn)));
            plan.sort_by_key(|(at, _)| *at);
            World::new(seed, &entropy, nodes, plan)
        };
        let check = |world: &World, end: bool| {
            let mut due = invariants.iter().filter(|invariant| end || !invariant.last);
            due.try_for_each(|invariant| caught(&invariant.name, || (invariant.check)(world)))
        };
        let outcome = world.run(limit, |world| check(world, false));
        let outcome = outcome.and_then(|()| world.never_up().map_or(Ok(()), Err)).and_then(|()| check(&world, true));
        let (took, trace) = (world.elapsed(), world.close());
        match outcome {
            Ok(()) => Ok(Run { seed, took, trace }),
            Err(what) => Err(Failure { seed, at: took, what, trace }),
        }
    }
}

impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes: Vec<_> = self.nodes.iter().map(|(name, ..)| name).collect();
        f.debug_struct("Simulation").field("seed", &self.seed).field("nodes", &nodes).finish_non_exhaustive()
    }
}

//! What can go wrong, and be repaired.

use std::{fmt, time::Duration};

/// What goes wrong, or is repaired, at one moment of a run. Nodes are named as in
/// [`Simulation::node`](super::Simulation::node); the registry is the node
/// [`REGISTRY`](super::REGISTRY).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing passes between two nodes, in either direction, until healed. Bytes that are under way
    /// wait, as TCP's do, and the connection breaks for its sender after
    /// [`GIVE_UP`](super::GIVE_UP).
    Partition(String, String),
    /// Nothing passes from the first node to the second, until healed; the other way bytes pass,
    /// but what acknowledges them does not.
    OneWay(String, String),
    /// A node is cut off from all others, the registry included, until healed.
    Isolate(String),
    /// Everything passes between two nodes again.
    Heal(String, String),
    /// Everything passes everywhere again.
    HealAll,
    /// From now on the network is of this quality.
    Quality(Quality),
    /// A node's process stands still, as by `kill -STOP`: its machine still takes connections and
    /// bytes for it.
    Stall(String),
    /// A node that stood still goes on; its clock jumps to the present.
    Resume(String),
    /// A node's process ends at once, as by `kill -9`: all its tasks are dropped, its connections
    /// are reset, and what it had not said is lost.
    Crash(String),
    /// A node stops in order, as by `kill -TERM`; one that is still starting is crashed.
    Stop(String),
    /// A node that is down is started anew, by its factory. One that runs is left alone.
    Restart(String),
}

impl Fault {
    /// [`Fault::Partition`].
    pub fn partition(a: impl Into<String>, b: impl Into<String>) -> Fault {
        Fault::Partition(a.into(), b.into())
    }

    /// [`Fault::OneWay`].
    pub fn one_way(from: impl Into<String>, to: impl Into<String>) -> Fault {
        Fault::OneWay(from.into(), to.into())
    }

    /// [`Fault::Isolate`].
    pub fn isolate(node: impl Into<String>) -> Fault {
        Fault::Isolate(node.into())
    }

    /// [`Fault::Heal`].
    pub fn heal(a: impl Into<String>, b: impl Into<String>) -> Fault {
        Fault::Heal(a.into(), b.into())
    }

    /// [`Fault::Stall`].
    pub fn stall(node: impl Into<String>) -> Fault {
        Fault::Stall(node.into())
    }

    /// [`Fault::Resume`].
    pub fn resume(node: impl Into<String>) -> Fault {
        Fault::Resume(node.into())
    }

    /// [`Fault::Crash`].
    pub fn crash(node: impl Into<String>) -> Fault {
        Fault::Crash(node.into())
    }

    /// [`Fault::Stop`].
    pub fn stop(node: impl Into<String>) -> Fault {
        Fault::Stop(node.into())
    }

    /// [`Fault::Restart`].
    pub fn restart(node: impl Into<String>) -> Fault {
        Fault::Restart(node.into())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Partition(a, b) => write!(f, "partition {a} | {b}"),
            Fault::OneWay(a, b) => write!(f, "partition {a} -| {b}"),
            Fault::Isolate(node) => write!(f, "isolate {node}"),
            Fault::Heal(a, b) => write!(f, "heal {a} - {b}"),
            Fault::HealAll => f.write_str("heal all"),
            Fault::Quality(quality) => write!(f, "network {quality}"),
            Fault::Stall(node) => write!(f, "stall {node}"),
            Fault::Resume(node) => write!(f, "resume {node}"),
            Fault::Crash(node) => write!(f, "crash {node}"),
            Fault::Stop(node) => write!(f, "stop {node}"),
            Fault::Restart(node) => write!(f, "restart {node}"),
        }
    }
}

/// How well the network works between any two nodes.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Quality {
    /// The shortest time that bytes take, in whole milliseconds and at least one: 1 ms.
    pub fastest: Duration,
    /// The longest: 5 ms. Each piece draws its own between the two; pieces of one connection do not
    /// overtake each other, those of different connections do.
    pub slowest: Duration,
    /// The share of pieces that are lost, from 0 to 1: 0. A lost piece is sent again after 200 ms,
    /// then after twice as long each time, up to 2 s; what comes behind it on its connection waits.
    pub loss: f64,
}

impl Default for Quality {
    fn default() -> Quality {
        Quality { fastest: Duration::from_millis(1), slowest: Duration::from_millis(5), loss: 0.0 }
    }
}

impl Quality {
    /// A network whose bytes take this long.
    #[must_use]
    pub fn delay(self, fastest: Duration, slowest: Duration) -> Quality {
        Quality { fastest, slowest: slowest.max(fastest), ..self }
    }

    /// A network that loses this share of all pieces.
    #[must_use]
    pub fn loss(self, loss: f64) -> Quality {
        Quality { loss: loss.clamp(0.0, 1.0), ..self }
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} to {:?}, loss {:.3}", self.fastest, self.slowest, self.loss)
    }
}

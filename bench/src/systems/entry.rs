//! What a system is.

use std::future::Future;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use futures_util::future::BoxFuture;
use tokio::net::TcpListener;

use crate::sample::Message;
use crate::window::{Figures, Load};

/// A framework, or a floor, that can serve and call the benchmark's two methods.
pub(crate) trait System: 'static {
    /// Its name on the command line and in every row.
    const NAME: &'static str;

    /// What it does for one call on each side, for an honest comparison.
    const PER_CALL: &'static str;

    /// Whether it runs on a single-thread runtime, unless the command line says otherwise.
    const SINGLE_THREAD: bool = false;

    /// Serves until it is dropped. `message` is what the clients of this row send, for a
    /// system whose wire does not name the method.
    fn serve(listener: TcpListener, message: Message) -> impl Future<Output = Result<()>> + Send + 'static;

    /// Connects, then measures: through [`closed_loop::run`](crate::closed_loop::run)
    /// for a system whose client multiplexes calls.
    fn load(load: Load) -> impl Future<Output = Result<Figures>> + Send + 'static;
}

/// A [`System`] as a value.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) per_call: &'static str,
    pub(crate) single_thread: bool,
    pub(crate) runs: Runs,
    /// Builds the binary whose processes serve and load it, and says where it is; `None` if they are this one's.
    pub(crate) apart: Option<fn() -> Result<PathBuf>>,
}

/// Where a [`System`] is.
#[derive(Clone, Copy)]
pub(crate) enum Runs {
    /// In this binary.
    Here {
        serve: fn(TcpListener, Message) -> BoxFuture<'static, Result<()>>,
        load: fn(Load) -> BoxFuture<'static, Result<Figures>>,
    },
    /// Elsewhere.
    Apart,
}

impl Entry {
    pub(crate) const fn of<S: System>() -> Self {
        Self {
            name: S::NAME,
            per_call: S::PER_CALL,
            single_thread: S::SINGLE_THREAD,
            runs: Runs::Here {
                serve: |listener, message| Box::pin(S::serve(listener, message)),
                load: |load| Box::pin(S::load(load)),
            },
            apart: None,
        }
    }

    /// The same in processes of another binary.
    pub(crate) const fn apart(self, binary: fn() -> Result<PathBuf>) -> Self {
        Self { apart: Some(binary), ..self }
    }

    /// The binary whose processes serve and load it: `own` where it is in this one.
    pub(crate) fn binary(&self, own: &Path) -> Result<PathBuf> {
        self.apart.map_or_else(|| Ok(own.to_owned()), |build| build())
    }

    pub(crate) async fn serve(&self, listener: TcpListener, message: Message) -> Result<()> {
        match self.runs {
            Runs::Here { serve, .. } => serve(listener, message).await,
            Runs::Apart => bail!("{} is served by a binary of its own", self.name),
        }
    }

    pub(crate) async fn load(&self, load: Load) -> Result<Figures> {
        match self.runs {
            Runs::Here { load: measure, .. } => measure(load).await,
            Runs::Apart => bail!("{} is called by a binary of its own", self.name),
        }
    }
}

//! `motet run`: builds and runs the services of a workspace, and builds and starts them again when a
//! source file changes.
//!
//! One [`keeper`] per program owns its process; the loop here builds and tells the keepers what to
//! start. Services stop in order before they are replaced, and keep their ports. Where this process
//! is killed and can stop nothing, a shell per service that waits for that does it instead; see
//! [`process`].

mod banner;
mod build;
pub(crate) mod example;
mod finder;
mod keeper;
pub(crate) mod paste;
mod port;
mod process;
mod screen;
pub(crate) mod signals;
mod watch;
mod workspace;

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch as tell},
    task::JoinSet,
    time::Instant,
};

use crate::{
    failure::{Failure, Outcome, exit},
    global::Global,
};

use banner::Banner;
use build::{Build, Executable};
use finder::Finder;
use keeper::{Event, Keeper, Launch, Plan, Will};
use screen::Screen;
use signals::Signals;
use watch::Watch;
use workspace::{Choice, Program, Workspace};

/// The arguments of `motet run`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The packages to run. By default the one of this folder; in the folder of a workspace, all of
    /// its packages that depend on motet and have a program.
    packages: Vec<String>,
    /// Run this program of a package that has several; may be given several times.
    #[arg(long, value_name = "NAME")]
    bin: Vec<String>,
    /// Run all packages of the workspace that depend on motet and have a program.
    #[arg(long)]
    workspace: bool,
    /// Build with optimisations.
    #[arg(long)]
    release: bool,
    /// Features to build with, as cargo takes them.
    #[arg(long, value_name = "FEATURES")]
    features: Vec<String>,
    /// Build and start again, too, when this file or folder changes; may be given several times.
    #[arg(long, value_name = "PATH")]
    watch: Vec<PathBuf>,
    /// Build and run once: do not look for changes, do not start again what fails.
    #[arg(long)]
    once: bool,
    /// How long a service may take to finish what it does before it is ended, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(0..=3600))]
    stop_timeout: u64,
    /// Arguments for the programs.
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<String>,
}

/// Runs the command.
pub(crate) async fn run(args: Args, global: &Global) -> Outcome {
    let mut signals = Signals::new()?;
    let choice = Choice { packages: &args.packages, bins: &args.bin, all: args.workspace };
    let workspace = Workspace::find(&choice).await?;
    let screen = Screen::new(&labels(&workspace.programs));
    workspace.notes.iter().for_each(|note| screen.say(note));
    let finder = Finder::open(global).await?;

    let (events, told) = mpsc::channel(64);
    let banner = Banner {
        screen: screen.clone(),
        registry: finder.registry(),
        flags: paste::flags(global),
        closing: if args.once {
            "Ctrl-C stops."
        } else {
            "a change of a source file builds and starts again; Ctrl-C stops."
        }
        .to_owned(),
    };
    let stop_timeout = Duration::from_secs(args.stop_timeout);
    let plan = Arc::new(Plan {
        arguments: args.args,
        environment: environment(global, stop_timeout),
        stop_timeout,
        again: !args.once,
        finder,
        screen: screen.clone(),
        events,
    });
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        banner.tell(told).await;
        true
    });
    let (will, obeyed) = tell::channel(Will::Run);
    let wanted: Vec<_> = (0..workspace.programs.len())
        .map(|program| {
            let (wanted, launch) = tell::channel(None);
            tasks.spawn(Keeper::new(program, plan.clone(), launch, obeyed.clone()).keep());
            wanted
        })
        .collect();
    let mut watch = Watch::default();
    watch.add(workspace.sources);
    watch.add(args.watch.clone());
    let runner = Runner {
        build: Build { programs: workspace.programs, release: args.release, features: args.features },
        root: workspace.root,
        extra: args.watch,
        running: vec![None; wanted.len()],
        wanted,
        watch,
        plan,
        builds: 0,
        once: args.once,
    };
    let outcome = tokio::select! {
        biased;
        () = signals.next() => None,
        outcome = runner.run() => Some(outcome),
    };
    // After a good build that is the only one, the programs run for as long as they like.
    if !matches!(outcome, Some(Ok(()))) {
        will.send_replace(Will::Stop);
    }
    let good = join(&mut tasks, &will, &mut signals).await;
    match (outcome, *will.borrow()) {
        (Some(Err(failure)), _) => Err(failure),
        (_, Will::Kill) => Err(Failure::new(exit::PROGRAM, "stopped at once by a second signal")),
        (_, Will::Run) if !good => Err(Failure::new(exit::PROGRAM, "a program ended with an error")),
        _ => Ok(()),
    }
}

/// Waits for the end of all; a first signal stops them, a second one kills them. Whether all ended
/// well.
async fn join(tasks: &mut JoinSet<bool>, will: &tell::Sender<Will>, signals: &mut Signals) -> bool {
    let mut good = true;
    loop {
        tokio::select! {
            biased;
            ended = tasks.join_next() => match ended {
                Some(ended) => good &= ended.unwrap_or(false),
                None => return good,
            },
            () = signals.next() => will.send_modify(|will| {
                *will = if *will == Will::Run { Will::Stop } else { Will::Kill };
            }),
        }
    }
}

/// Builds, and says what is to run.
struct Runner {
    build: Build,
    /// The folder of the workspace: sources elsewhere are not looked at.
    root: PathBuf,
    /// What the user wants to be looked at, too.
    extra: Vec<PathBuf>,
    /// What was launched last, by program, and which version that is.
    running: Vec<Option<(Executable, u64)>>,
    wanted: Vec<tell::Sender<Option<Launch>>>,
    watch: Watch,
    plan: Arc<Plan>,
    builds: u64,
    once: bool,
}

impl Runner {
    /// Builds and launches, again and again unless it is to be done once.
    async fn run(mut self) -> Outcome {
        let (mut since, mut forced) = (Instant::now(), false);
        loop {
            let mut before = self.watch.look();
            match self.build.run().await? {
                Some(executables) => {
                    before.take(self.watch.add(self.sources(&executables)));
                    self.launch(executables, since, forced).await;
                }
                None if self.once => return Err(Failure::new(exit::PROGRAM, "cargo could not build it; see above")),
                None => self.build_failed(),
            }
            if self.once {
                return Ok(());
            }
            let changed = self.watch.changed(&before).await;
            since = Instant::now();
            forced = self.extra.iter().any(|extra| changed.starts_with(extra));
            let shown = changed.strip_prefix(&self.root).unwrap_or(&changed);
            self.plan.screen.say(&format!("{} has changed: building", shown.display()));
        }
    }

    /// What the programs were made of, within the workspace.
    fn sources(&self, executables: &[Executable]) -> Vec<PathBuf> {
        let own = |path: &PathBuf, executable: &Executable| {
            let is_built = executable.path.parent().is_some_and(|target| path.starts_with(target));
            path.starts_with(&self.root) && !is_built
        };
        let sources = executables.iter().map(|executable| (executable, executable.sources()));
        sources.flat_map(|(executable, all)| all.into_iter().filter(move |path| own(path, executable))).collect()
    }

    /// Tells the keepers what was built. Those whose program is the same go on, if it runs.
    async fn launch(&mut self, executables: Vec<Executable>, since: Instant, forced: bool) {
        self.builds += 1;
        let mut starting = Vec::new();
        let mut launches = Vec::new();
        for (program, executable) in executables.into_iter().enumerate() {
            let version = match &self.running[program] {
                Some((running, version)) if *running == executable && !forced => *version,
                _ => {
                    starting.push(program);
                    self.builds
                }
            };
            launches.push(Launch { number: self.builds, version, path: executable.path.clone(), since });
            self.running[program] = Some((executable, version));
        }
        if starting.is_empty() {
            self.plan.screen.say("built; no program is another than before");
        }
        let _ = self.plan.events.send(Event::Starting(starting)).await;
        for (wanted, launch) in self.wanted.iter().zip(launches) {
            wanted.send_replace(Some(launch));
        }
    }

    fn build_failed(&self) {
        let goes_on = match self.running.iter().any(Option::is_some) {
            true => "what was built before goes on; ",
            false => "",
        };
        self.plan
            .screen
            .say(&format!("the build failed, see above; {goes_on}it is tried again when a source file changes"));
    }
}

/// The names of programs in the log: those of their binaries, where these differ.
fn labels(programs: &[Program]) -> Vec<String> {
    let shared = |bin: &str| programs.iter().filter(|program| program.bin == bin).count() > 1;
    let label = |program: &Program| match shared(&program.bin) {
        true => format!("{}/{}", program.package, program.bin),
        false => program.bin.clone(),
    };
    programs.iter().map(label).collect()
}

/// What programs find in their environment beside what is there. A node that stops here has no other
/// in its place: it neither waits for callers to notice nor long for what runs.
fn environment(global: &Global, stop_timeout: Duration) -> Vec<(String, String)> {
    let stop = [
        ("MOTET_APP__STOP_TIMEOUT", format!("{}ms", stop_timeout.as_millis().max(1))),
        ("MOTET_APP__DRAIN_DELAY", "0".to_owned()),
    ];
    let registry = global.registry.iter().map(|url| ("MOTET_REGISTRY", url.clone()));
    let unset = stop.into_iter().filter(|(name, _)| std::env::var_os(name).is_none());
    unset.chain(registry).map(|(name, value)| (name.to_owned(), value)).collect()
}

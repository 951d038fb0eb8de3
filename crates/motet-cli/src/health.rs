//! `motet health`: whether what runs is well; the exit code says it too.

use motet::{HealthReport, Phase};
use motet_app::meta::Filter;
use serde::Serialize;

use crate::{
    failure::{Failure, Outcome, exit},
    global::Global,
    output::{Cell, Output, Style, Table},
    process::{Process, ask_all},
    session::Session,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The service; all if absent.
    #[arg(value_name = "SERVICE", add = crate::completions::services())]
    service: Option<String>,
    /// Ask only whether the processes live, not whether they are ready.
    #[arg(long)]
    live: bool,
}

/// How everything is, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Health {
    /// Whether all of it is well.
    healthy: bool,
    processes: Vec<One>,
}

/// How one process is.
#[derive(Debug, Serialize)]
struct One {
    address: String,
    /// The services that were found there.
    services: Vec<String>,
    healthy: bool,
    /// What it says; absent when it does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<HealthReport>,
    /// Why it does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Asks every process and prints what it says.
pub(crate) async fn run(args: Args, global: &Global) -> Outcome {
    let session = Session::open(global).await?;
    if let Some(name) = &args.service {
        crate::target::check_name(name)?;
    }
    let processes = Process::all(&session, args.service.as_deref()).await?;
    if processes.is_empty() {
        return Err(Failure::unreachable(format!("no service is registered in {}", session.place()))
            .hint("start one: `motet demo` serves a few to try, `motet new hello` makes one of your own"));
    }
    let answers = ask_all::<HealthReport>(&processes, "health", &Filter::default(), session.patience()).await;
    if let (Some(_), [Err(status)]) = (&session.address, &answers[..]) {
        // Where one address was asked, silence is no report.
        return Err(Failure::from(status.clone()));
    }
    let mut all = Vec::new();
    for (process, answer) in processes.iter().zip(answers) {
        all.push(judge(process, answer, args.service.as_deref(), args.live)?);
    }
    let health = Health { healthy: all.iter().all(|one| one.healthy), processes: all };
    match session.output.json {
        true => session.output.json(&health)?,
        false => session.output.write(table(&health, &session.output))?,
    }
    if health.healthy { Ok(()) } else { Err(Failure::said(exit::UNHEALTHY)) }
}

fn judge(process: &Process, answer: motet::Result<HealthReport>, asked: Option<&str>, live: bool) -> Outcome<One> {
    let mut services: Vec<_> = process.nodes.iter().map(|node| node.service.clone()).collect();
    let address = process.address.clone();
    match answer {
        Ok(report) => {
            if services.is_empty() {
                services = report.services.iter().map(|service| service.name.clone()).collect();
            }
            if let Some(name) = asked
                && !services.iter().any(|service| service == name)
            {
                return Err(crate::session::unknown_service(
                    &format!("`{name}` does not run at {address}"),
                    name,
                    services.iter().map(|service| &**service),
                ));
            }
            let healthy = report.live && (live || report.ready);
            Ok(One { address, services, healthy, report: Some(report), error: None })
        }
        Err(status) => {
            let error = Failure::from(status).message;
            Ok(One { address, services, healthy: false, report: None, error: Some(error) })
        }
    }
}

fn table(health: &Health, output: &Output) -> String {
    let mut table = Table::new(&["ADDRESS", "SERVICES", "LIVE", "READY", "PHASE", "?WHY"]);
    let yes = |is: bool| if is { Cell::styled(Style::Good, "yes") } else { Cell::styled(Style::Bad, "no") };
    for one in &health.processes {
        let why = match (&one.report, &one.error) {
            (Some(report), _) => why(report),
            (None, error) => error.clone().unwrap_or_default(),
        };
        let (live, ready, phase) = match &one.report {
            Some(report) => (yes(report.live), yes(report.ready), phase(report.phase)),
            None => (yes(false), yes(false), "unreachable"),
        };
        table.row([(&one.address).into(), one.services.join(", ").into(), live, ready, phase.into(), why.into()]);
    }
    table.render(output)
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Starting => "starting",
        Phase::Running => "running",
        Phase::Stopping => "stopping",
        _ => "?",
    }
}

/// What keeps it from being ready.
pub(crate) fn why(report: &HealthReport) -> String {
    let mut parts = Vec::new();
    for module in report.modules.iter().filter(|module| !module.ready) {
        let state = serde_json::to_value(module.state).ok();
        let state = state.as_ref().and_then(|state| state.as_str()).unwrap_or("not ready").to_owned();
        let reason = module.reason.clone().unwrap_or(if state == "running" { "not ready".to_owned() } else { state });
        parts.push(format!("{}: {reason}", module.name));
    }
    parts.extend(report.services.iter().filter(|s| !s.registered).map(|s| format!("{} is not registered", s.name)));
    parts.join("; ")
}

//! The registry: whether it can be used, and what is in it.

use std::{collections::BTreeMap, time::SystemTime};

use motet::{Node, Status};
#[cfg(unix)]
use motet_registry_file::{FileConfig, Inspection, RecordFile, inspect};

use super::{Limit, clock, finding::Finding, process};
use crate::{
    failure::Failure,
    global::Global,
    names,
    output::plural,
    session::{Session, registry_url},
};

const AREA: &str = "registry";

/// What was found in the registry.
#[derive(Debug, Default)]
pub(super) struct Looked {
    pub(super) findings: Vec<Finding>,
    /// Where it is, as it may be shown: the URL that was given may hold credentials.
    pub(super) place: Option<String>,
    /// The nodes that count as living.
    pub(super) nodes: Vec<Listed>,
}

/// A node that is registered.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) node: Node,
    /// Its process, where that is on this machine and told.
    pub(super) pid: Option<u32>,
}

/// Looks into the registry that the command line or the environment names; into none where an address
/// is given.
pub(super) async fn look(global: &Global, session: &Session, limit: Limit) -> Looked {
    if session.address.is_some() {
        return Looked::default();
    }
    let url = registry_url(global);
    #[cfg(unix)]
    if url.starts_with("file:") {
        return match FileConfig::from_url(url) {
            Ok(config) => {
                match limit.on_blocking(AREA, "looking into the registry's folder", move || inspect(&config)).await {
                    Ok(found) => judge(found, SystemTime::now()),
                    Err(finding) => Looked { findings: vec![finding], ..Looked::default() },
                }
            }
            Err(status) => refused(&status),
        };
    }
    match limit.on(AREA, "the registry", list(global)).await {
        Ok(Ok((place, nodes))) => {
            let findings = vec![Finding::ok(AREA, format!("{place} lists {}", plural(nodes.len(), "node")))];
            let nodes = nodes.into_iter().map(|node| Listed { node, pid: None }).collect();
            Looked { findings, place: Some(place), nodes }
        }
        Ok(Err(failure)) => {
            let fix = failure.hint.unwrap_or_else(|| "see that it runs, or name another with --registry".to_owned());
            Looked { findings: vec![Finding::problem(AREA, failure.message, fix)], ..Looked::default() }
        }
        Err(finding) => Looked { findings: vec![finding], ..Looked::default() },
    }
}

async fn list(global: &Global) -> Result<(String, Vec<Node>), Failure> {
    let session = Session::open(global).await?;
    let nodes = session.lookup(None).await?;
    Ok((session.place(), nodes))
}

fn refused(status: &Status) -> Looked {
    let fix = "a service with this registry does not start: do that, or name another registry with --registry or \
               MOTET_REGISTRY";
    Looked { findings: vec![Finding::problem(AREA, status.message(), fix)], ..Looked::default() }
}

#[cfg(unix)]
fn judge(found: motet::Result<Inspection>, now: SystemTime) -> Looked {
    let found = match found {
        Ok(found) => found,
        Err(status) => return refused(&status),
    };
    let folder = found.folder.display();
    let mut looked = Looked { place: Some(format!("file://{folder}")), ..Looked::default() };
    if !found.exists {
        let what = format!("{folder} is not there yet: the first service that starts makes it");
        looked.findings.push(Finding::ok(AREA, what));
        return looked;
    }
    match found.written {
        Some(Err(status)) => looked.findings.extend(refused(&status).findings),
        Some(Ok(written)) => {
            let living = found.records.iter().filter(|record| record.held && record.node.is_ok()).count();
            let what = format!("{folder} can be read and written; {} in it", plural(living, "node"));
            looked.findings.push(Finding::ok(AREA, what));
            looked.findings.extend(clock::of_file_system(written, now));
        }
        None => {}
    }
    if found.overflows {
        let what = format!("{folder} holds more files than are looked at: some services are not found");
        looked.findings.push(Finding::problem(AREA, what, "remove what does not belong there"));
    }
    let (living, dead): (Vec<_>, Vec<_>) = found.records.into_iter().partition(|record| record.held);
    looked.findings.extend(left_over(&dead));
    for record in living {
        looked.take(record, now);
    }
    looked
}

/// What processes that have ended left behind: a finding for each of them.
#[cfg(unix)]
fn left_over(dead: &[RecordFile]) -> Vec<Finding> {
    let mut of_process = BTreeMap::<Option<u32>, Vec<&str>>::new();
    for record in dead {
        of_process.entry(record.pid).or_default().push(&record.name);
    }
    let told = |(pid, names): (Option<u32>, Vec<&str>)| {
        let owner = pid.map_or_else(|| "its process".to_owned(), |pid| format!("process {pid}"));
        let (records, names) = (plural(names.len(), "record"), names::list(names));
        let fix = "nothing: who looks next deletes what is left (motet services). If the process should run, see why it \
                   ended and start it again";
        Finding::warning(AREA, format!("{owner} has ended and left {records} behind: {names}"), fix)
    };
    of_process.into_iter().map(told).collect()
}

#[cfg(unix)]
impl Looked {
    fn take(&mut self, record: RecordFile, now: SystemTime) {
        let RecordFile { name, modified, pid, node, .. } = record;
        self.findings.extend(modified.and_then(|modified| clock::of_record(&name, modified, now)));
        let owner = pid.map_or_else(|| "its process".to_owned(), |pid| format!("its process {pid}"));
        if pid.is_some_and(|pid| process::of(pid) == process::Process::Gone) {
            let what = format!("the record {name} is held, but {owner} is not on this machine");
            let fix = "if it runs in a container that shares the folder, all is well; else a process that it started \
                       holds the record: end that one";
            self.findings.push(Finding::warning(AREA, what, fix));
        }
        match node {
            Ok(node) => self.nodes.push(Listed { node, pid }),
            Err(status) => {
                let what = format!("the record {name} cannot be read: {}", status.message());
                let fix = format!("{owner} may be of another version of Motet: build both with the same");
                self.findings.push(Finding::warning(AREA, what, fix));
            }
        }
    }
}

//! Descriptors of services: of those that run, or from a file that `motet describe --json` has
//! written.

use std::{path::Path, sync::Arc};

use motet::ServiceDescriptor;
use motet_app::meta::DescribeReply;
use serde::Deserialize;

use crate::{
    failure::{Failure, Outcome},
    process::{Process, ask_all, filter},
    session::{Session, unknown_service},
    target::named,
};

/// The largest file of descriptors that is read.
const MAX_FILE: u64 = 64 * 1024 * 1024;

/// What `motet describe --json` writes: one service, all of them, or a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    All { services: Vec<Arc<ServiceDescriptor>> },
    List(Vec<Arc<ServiceDescriptor>>),
    One(Arc<ServiceDescriptor>),
}

/// The services of a file.
///
/// # Errors
/// When it cannot be read, or is none.
pub(crate) fn read(path: &Path) -> Outcome<Vec<Arc<ServiceDescriptor>>> {
    let shown = path.display();
    let wrong = |problem: String| {
        Failure::usage(format!("{shown}: {problem}"))
            .hint("a file of descriptors is what `motet describe --json` prints: motet describe greeter --json > FILE")
    };
    let size = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?.len();
    if size > MAX_FILE {
        return Err(wrong(format!("it is longer than {MAX_FILE} bytes")));
    }
    let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let written = serde_json::from_slice(&text).map_err(|_| wrong("it holds no descriptor of a service".to_owned()))?;
    Ok(match written {
        Written::All { services } | Written::List(services) => services,
        Written::One(service) => vec![service],
    })
}

/// What runs: one descriptor for each service, that of the newest version.
///
/// # Errors
/// When nobody answers, or one of `wanted` does not run.
pub(crate) async fn running(session: &Session, wanted: &[String]) -> Outcome<Vec<Arc<ServiceDescriptor>>> {
    let processes = Process::all(session, None).await?;
    let answers = ask_all::<DescribeReply>(&processes, "describe", &filter(None), session.patience()).await;
    let mut services: Vec<Arc<ServiceDescriptor>> = Vec::new();
    let mut last = None;
    for answer in answers {
        match answer {
            Ok(reply) => services.extend(reply.services),
            Err(status) => last = Some(status),
        }
    }
    if let (true, Some(status)) = (services.is_empty(), last) {
        return Err(Failure::from(status));
    }
    services.sort_by(|a, b| (&a.name, version(&b.version)).cmp(&(&b.name, version(&a.version))));
    services.dedup_by(|a, b| a.name == b.name);
    only(services, wanted)
}

/// Those of `services` that are wanted; all if none is named.
///
/// # Errors
/// The services that there are, when one is not among them.
pub(crate) fn only(services: Vec<Arc<ServiceDescriptor>>, wanted: &[String]) -> Outcome<Vec<Arc<ServiceDescriptor>>> {
    if wanted.is_empty() {
        return match services.is_empty() {
            true => Err(unknown_service("there is no service to look at", "", [])),
            false => Ok(services),
        };
    }
    let known = || services.iter().map(|service| &*service.name);
    let find = |name: &String| {
        named(name, &services).cloned().ok_or_else(|| unknown_service(&format!("`{name}` does not run"), name, known()))
    };
    wanted.iter().map(find).collect()
}

/// A version for sorting: its numbers, then its text.
fn version(text: &str) -> (Vec<u64>, &str) {
    (text.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect(), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_that_describe_prints_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("services.json");
        let one = r#"{"name":"a","version":"1","methods":[]}"#;
        for text in [one.to_owned(), format!("[{one}]"), format!("{{\"services\":[{one}]}}")] {
            std::fs::write(&file, text).expect("written");
            assert_eq!(read(&file).expect("a descriptor")[0].name, "a");
        }
        std::fs::write(&file, "{}").expect("written");
        assert!(read(&file).expect_err("none").to_string().contains("motet describe"));
        assert!(read(&folder.path().join("gone")).expect_err("gone").message.contains("gone"));
    }

    #[test]
    fn versions_are_sorted_by_their_numbers() {
        assert!(version("1.10.0") > version("1.9.3"));
    }
}

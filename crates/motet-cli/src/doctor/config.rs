//! The configuration that a service would read here.

use std::path::{Path, PathBuf};

use motet_app::{Examined, examine};

use super::{Limit, finding::Finding};

const AREA: &str = "config";

/// The file that is read without being named, where there is one.
const USUAL: &str = "motet.toml";

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) findings: Vec<Finding>,
    /// Where a service would listen.
    pub(super) listen: Vec<String>,
}

/// Reads the usual file, those that are named, and the environment.
pub(super) async fn read(named: Vec<PathBuf>, limit: Limit) -> Read {
    let environment: Vec<_> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let also = environment.iter().find(|(name, value)| name == "MOTET_CONFIG" && !value.is_empty());
    let also: Vec<_> = also.into_iter().flat_map(|(_, files)| files.split(',')).map(PathBuf::from).collect();
    let work = move || {
        let usual = Path::new(USUAL).is_file().then(|| PathBuf::from(USUAL));
        let files: Vec<_> = usual.into_iter().chain(named).collect();
        let examined = examine(&files, environment);
        (files.into_iter().chain(also).collect::<Vec<_>>(), examined)
    };
    match limit.on_blocking(AREA, "reading the configuration", work).await {
        Ok((files, examined)) => judge(&files, examined),
        Err(finding) => Read { findings: vec![finding], ..Read::default() },
    }
}

fn judge(files: &[PathBuf], examined: motet::Result<Examined>) -> Read {
    let examined = match examined {
        Ok(examined) => examined,
        Err(status) => {
            let finding =
                Finding::problem(AREA, status.message(), "correct it: a service that reads this does not start");
            return Read { findings: vec![finding], ..Read::default() };
        }
    };
    let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
    let valid = match &files[..] {
        [] => format!("no {USUAL} here and no file in MOTET_CONFIG: defaults and the environment count"),
        [one] => format!("{one} is valid"),
        all => format!("{} are valid", all.join(", ")),
    };
    let odd = |note: String| Finding::warning(AREA, note, "correct or remove it");
    let findings = [Finding::ok(AREA, valid)].into_iter().chain(examined.notes.into_iter().map(odd)).collect();
    Read { findings, listen: examined.listen }
}

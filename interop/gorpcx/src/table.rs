//! What passed, as lines and as a page.

use std::time::Duration;

/// What passed.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

struct Row {
    /// Who called whom, such as `rpcx 1.9.1 → Motet`.
    way: String,
    case: String,
    outcome: Result<(), String>,
}

impl Table {
    /// Notes and prints what became of a case.
    pub(crate) fn note(&mut self, way: &str, case: &str, outcome: Result<(), String>) {
        match &outcome {
            Ok(()) => println!("ok      {way}: {case}"),
            Err(why) => println!("FAILED  {way}: {case}: {why}"),
        }
        self.rows.push(Row { way: way.to_owned(), case: case.to_owned(), outcome });
    }

    pub(crate) fn all_passed(&self) -> bool {
        !self.rows.is_empty() && self.rows.iter().all(|row| row.outcome.is_ok())
    }

    pub(crate) fn summary(&self) -> String {
        let passed = self.rows.iter().filter(|row| row.outcome.is_ok()).count();
        format!("{passed} of {} passed", self.rows.len())
    }

    /// A row for each way, with the cases that passed on it, the script that writes it, and how long silent
    /// connections were silent.
    pub(crate) fn page(&self, title: &str, script: &str, silence: Duration) -> String {
        let mut ways: Vec<&str> = Vec::new();
        self.rows.iter().for_each(|row| {
            if !ways.contains(&&*row.way) {
                ways.push(&row.way)
            }
        });
        let silence = silence.as_secs();
        let mut page = format!(
            "# {title}\n\nWritten by `{script} --full --write`. A silent connection that calls late was silent for \
             {silence} s.\n\n| way | passed | cases |\n|---|---|---|\n"
        );
        for way in ways {
            let rows: Vec<_> = self.rows.iter().filter(|row| row.way == way).collect();
            let passed: Vec<_> = rows.iter().filter(|row| row.outcome.is_ok()).map(|row| &*row.case).collect();
            page.push_str(&format!("| {way} | {} of {} | {} |\n", passed.len(), rows.len(), passed.join("; ")));
        }
        page
    }
}

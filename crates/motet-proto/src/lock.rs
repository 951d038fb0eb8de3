//! The lock file: which number every field and every value of an enum has, so that none ever gets
//! another.

use std::{collections::BTreeMap, fmt};

use motet_core::{Result, Status};
use prost_types::{DescriptorProto, EnumDescriptorProto};

use crate::{Files, symbols::join};

/// The longest lock file that is read, in bytes.
const MAX_LEN: usize = 16 * 1024 * 1024;

const HEAD: &str = "\
# Numbers of protobuf fields and enum values, by `motet proto export`. Keep it under version control:
# a number that was given out is never given to anything else. Where something was renamed, rename it
# here as well; where it was removed, its line stays, marked `removed`.
";

/// The numbers that were given out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock(BTreeMap<String, BTreeMap<i32, Entry>>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    name: String,
    removed: bool,
}

/// A field or enum value that has another number than it had, or another's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Renumbered {
    /// The full name of the message or enum.
    pub message: String,
    /// The field or value.
    pub field: String,
    /// The number that it had; `None` for one that is new and has taken the number of another.
    pub old: Option<i32>,
    /// The number that it has now.
    pub new: i32,
    /// Whose number that was.
    pub was: Option<String>,
}

impl fmt::Display for Renumbered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Renumbered { message, field, old, new, was } = self;
        match (old, was) {
            (Some(old), _) => write!(
                f,
                "{message}.{field} had number {old} and would get {new}: callers that know {old} would misread it; \
                 pin it with #[motet(tag = {old})]"
            ),
            (None, Some(was)) => write!(
                f,
                "{message}.{field} is new and would get number {new}, which was that of {was}: give it one that is \
                 free with #[motet(tag = N)], or, if {was} was renamed to {field}, rename it in the lock file as well"
            ),
            (None, None) => write!(f, "{message}.{field} would get number {new}"),
        }
    }
}

impl Lock {
    /// Reads a lock file.
    ///
    /// # Errors
    /// InvalidArgument naming the line that is none.
    pub fn parse(text: &str) -> Result<Lock> {
        if text.len() > MAX_LEN {
            return Err(Status::invalid_argument(format!("the lock file is longer than {MAX_LEN} bytes")));
        }
        let mut lock = Lock::default();
        for (n, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            let words: Vec<&str> = line.split_whitespace().collect();
            let (message, name, number, removed) = match words[..] {
                [] => continue,
                [message, name, "=", number] => (message, name, number, false),
                [message, name, "=", number, "removed"] => (message, name, number, true),
                _ => return Err(unreadable(n)),
            };
            let number = number.parse().map_err(|_| unreadable(n))?;
            let entry = Entry { name: name.to_owned(), removed };
            if lock.0.entry(message.to_owned()).or_default().insert(number, entry).is_some() {
                return Err(Status::invalid_argument(format!(
                    "line {} of the lock file gives number {number} of {message} a second time",
                    n + 1
                )));
            }
        }
        Ok(lock)
    }

    /// Adds the fields and enum values of these files, except protobuf's own. Those that are gone are
    /// kept as removed.
    ///
    /// # Errors
    /// All that have other numbers than they had; the lock stays as it is then.
    pub fn update(&mut self, files: &Files) -> std::result::Result<(), Vec<Renumbered>> {
        let mut found = BTreeMap::new();
        for file in files.names().filter(|name| !name.starts_with("google/")).filter_map(|name| files.proto(name)) {
            file.proto.message_type.iter().for_each(|message| of_message(file.package(), message, &mut found));
            file.proto.enum_type.iter().for_each(|item| of_enum(file.package(), item, &mut found));
        }
        let wrong: Vec<_> = found.iter().flat_map(|(message, now)| self.renumbered(message, now)).collect();
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let packages: Vec<_> = files.names().filter_map(|name| files.proto(name)).map(|f| f.package()).collect();
        for (message, entries) in &mut self.0 {
            let now = found.get(message);
            // What other services have is not theirs to remove.
            let ours = now.is_some() || packages.iter().any(|package| is_in(package, message));
            for (number, entry) in entries.iter_mut().filter(|_| ours) {
                entry.removed = !now.is_some_and(|now| now.contains_key(number));
            }
        }
        for (message, now) in found {
            let entries = self.0.entry(message).or_default();
            for (number, name) in now {
                entries.insert(number, Entry { name, removed: false });
            }
        }
        Ok(())
    }

    fn renumbered(&self, message: &str, now: &BTreeMap<i32, String>) -> Vec<Renumbered> {
        let Some(locked) = self.0.get(message) else { return Vec::new() };
        let wrong = now.iter().filter_map(|(number, name)| {
            if locked.get(number).is_some_and(|entry| entry.name == *name) {
                return None;
            }
            let old = locked.iter().find(|(_, entry)| entry.name == *name).map(|(number, _)| *number);
            let was = locked.get(number).map(|entry| entry.name.clone());
            (old.is_some() || was.is_some()).then(|| Renumbered {
                message: message.to_owned(),
                field: name.clone(),
                old,
                new: *number,
                was,
            })
        });
        wrong.collect()
    }
}

/// The text of the lock file.
impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEAD)?;
        for (message, entries) in &self.0 {
            writeln!(f)?;
            for (number, entry) in entries {
                let removed = if entry.removed { " removed" } else { "" };
                writeln!(f, "{message} {} = {number}{removed}", entry.name)?;
            }
        }
        Ok(())
    }
}

fn unreadable(n: usize) -> Status {
    Status::invalid_argument(format!(
        "line {} of the lock file is not of the form `greeter.HelloRequest name = 1`",
        n + 1
    ))
}

/// Whether a message is of this package, and not of one inside it.
fn is_in(package: &str, message: &str) -> bool {
    message.strip_prefix(package).and_then(|rest| rest.strip_prefix('.')).is_some_and(|rest| !rest.contains('.'))
}

type Found = BTreeMap<String, BTreeMap<i32, String>>;

fn of_message(scope: &str, message: &DescriptorProto, found: &mut Found) {
    if message.options.as_ref().is_some_and(|options| options.map_entry()) {
        return;
    }
    let name = join(scope, message.name());
    let fields = message.field.iter().map(|field| (field.number(), field.name().to_owned()));
    found.insert(name.clone(), fields.collect());
    message.nested_type.iter().for_each(|nested| of_message(&name, nested, found));
    message.enum_type.iter().for_each(|item| of_enum(&name, item, found));
}

fn of_enum(scope: &str, item: &EnumDescriptorProto, found: &mut Found) {
    let values = item.value.iter().map(|value| (value.number(), value.name().to_owned()));
    found.insert(join(scope, item.name()), values.collect());
}

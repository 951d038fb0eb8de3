//! The one system of this binary.

use anyhow::{Result, ensure};

#[path = "../../../src/systems/entry.rs"]
mod entry;
mod volo;

pub(crate) use entry::{Entry, System};

static VOLO: Entry = Entry::of::<volo::Volo>();

pub(crate) fn find(name: &str) -> Result<&'static Entry> {
    ensure!(name == VOLO.name, "no system {name:?}; there is {}", VOLO.name);
    Ok(&VOLO)
}

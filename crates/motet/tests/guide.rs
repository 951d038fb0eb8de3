//! The settings of the guide are those of the code: every key, every default.

use std::collections::{BTreeMap, BTreeSet};

use motet::{App, ClientConfig, Config, NativeConfig, OverloadConfig, ServerConfig};
use serde::{Serialize, de::DeserializeOwned};

const GUIDE: &str = include_str!("../../../docs/guide.md");

/// Key and default of each row of the table; a dash is none.
fn settings() -> BTreeMap<&'static str, Option<&'static str>> {
    let (_, chapter) = GUIDE.split_once("\n## All settings").expect("the chapter");
    let (chapter, _) = chapter.split_once("\n## ").expect("another chapter");
    let rows = chapter.lines().filter(|line| line.starts_with("| `"));
    rows.flat_map(|row| {
        let mut cells = row.trim_matches('|').split('|').map(str::trim);
        let (keys, default) = (cells.next().expect("keys"), cells.next().expect("a default"));
        let default = (default != "—").then(|| default.trim_matches('`'));
        keys.split(", ").map(move |key| (key.trim_matches('`'), default))
    })
    .collect()
}

/// The table as a configuration file, its defaults written out.
fn file() -> Config {
    let lines = settings().into_iter().filter_map(|(key, default)| Some(format!("{key} = {}\n", default?)));
    Config::toml(&lines.collect::<String>()).expect("the defaults are TOML")
}

/// The keys of a section in the table.
fn keys(section: &str) -> BTreeSet<String> {
    settings().into_keys().filter_map(|key| key.strip_prefix(section)?.strip_prefix('.').map(str::to_owned)).collect()
}

fn is_default<T: Default + Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(section: &str, other: &[&str]) {
    let own = keys(section).into_iter().filter(|key| !other.contains(&key.as_str()));
    let lines = own.filter_map(|key| {
        let default = settings()[format!("{section}.{key}").as_str()]?;
        Some(format!("{section}.{key} = {default}\n"))
    });
    let config = Config::toml(&lines.collect::<String>()).expect("TOML");
    assert_eq!(config.get::<T>(section).expect("known keys"), T::default(), "{section}");

    let code = serde_json::to_value(T::default()).expect("plain data");
    let code: BTreeSet<_> = code.as_object().expect("a section").keys().cloned().collect();
    // A section within it is there with its keys.
    let there: BTreeSet<_> = keys(section).iter().filter_map(|key| key.split('.').next()).map(str::to_owned).collect();
    let missing: Vec<_> = code.difference(&there).cloned().collect();
    assert!(missing.is_empty(), "{section} of the guide lacks {missing:?}");
}

#[test]
fn the_guide_has_the_defaults_of_the_code() {
    is_default::<ServerConfig>("server", &["introspection", "introspection_token"]);
    is_default::<OverloadConfig>("server.overload", &[]);
    is_default::<ClientConfig>("client", &[]);
    is_default::<NativeConfig>("protocols.motet", &[]);
}

#[tokio::test]
async fn the_defaults_of_the_guide_can_be_written_out() {
    let app = App::builder().config(file()).start().await.expect("starts");
    assert!(app.stop().await.is_clean());
}

#[tokio::test]
async fn every_key_of_the_guide_is_known() {
    for key in settings().into_keys() {
        let Some((section, name)) = key.rsplit_once('.').filter(|(section, _)| !section.contains("NAME")) else {
            continue;
        };
        // One letter more is a key that nobody knows; the error then names the right one.
        let config = Config::toml(&format!("[{section}]\n{name}x = 1")).expect("TOML");
        let error = App::builder().config(config).start().await.expect_err(key);
        assert!(error.message().contains(&format!("did you mean {name:?}?")), "{key}: {error}");
    }
}

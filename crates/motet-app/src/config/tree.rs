//! The tree itself.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use motet_core::{Result, Status};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::de::{Located, Problem};

/// Configuration: a tree of sections. Cheap to clone.
///
/// These sections are Motet's own, and unknown keys in them are errors; all others are the user's.
/// Times are written `"250ms"`, `"10s"`, `"1h30m"`.
///
/// | section | keys and defaults |
/// |---|---|
/// | `[app]` | `name`, `zone`, `labels` (announced by every node), `seed`, `start_timeout` 60s, `stop_timeout` 30s, `drain_delay` (what the registry needs: none for `memory:`, 1s for `file:`) |
/// | `[server]` | [`ServerConfig`](motet_rpc::ServerConfig), and `introspection` (`"credentials"` or `"anyone"`), `introspection_token` |
/// | `[client]` | [`ClientConfig`](motet_rpc::ClientConfig), and `tls` |
/// | `[registry]` | `url`, `ttl` 10s |
/// | `[tls]` | `cert`, `key`, `ca`, `client_ca`: PEM files for server and client alike |
/// | `[log]` | `level` info, `format` `"text"` or `"json"`, `install` true |
/// | `[protocols.motet]` | [`NativeConfig`](motet_rpc::NativeConfig) |
/// | `[protocols.grpc]` | with the feature `grpc`: `GrpcConfig` of `motet-protocol-grpc` |
/// | `[protocols.http]`, `[protocols.http_client]` | with the feature `http`: `HttpConfig`, `HttpClientConfig` |
/// | `[protocols.jsonrpc]`, `[protocols.netrpc]` | with the features of these names: their `JsonRpcConfig`, `NetRpcConfig` |
/// | `[modules.NAME]` | `on_panic` `"restart"` or `"stop"`, `max_restarts` 5, `backoff` 100ms; for services `weight` 100, `labels`; the module's own |
/// | `[groups.NAME]` | `modules`: what a process of this group runs |
///
/// ```
/// use motet_app::Config;
///
/// # fn main() -> motet_core::Result<()> {
/// #[derive(serde::Deserialize)]
/// struct Shop { limit: u32 }
///
/// let config = Config::toml("[shop]\nlimit = 10")?.with("shop.limit", 20);
/// let shop: Shop = config.get("shop")?;
/// assert_eq!(shop.limit, 20);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Config(Arc<Tree>);

#[derive(Clone, Default)]
struct Tree {
    root: Map<String, Value>,
    origins: Origins,
}

/// Where the values came from, by path.
#[derive(Clone, Default)]
pub(super) struct Origins(BTreeMap<Vec<String>, Origin>);

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Code,
    File(Arc<PathBuf>),
    Environment(String),
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Code => f.write_str("configuration"),
            Origin::File(path) => write!(f, "{}", path.display()),
            Origin::Environment(name) => write!(f, "environment variable {name}"),
            Origin::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

impl Origins {
    /// The source of a value: its own, or that of the nearest section around or value within it.
    fn of(&self, path: &[String]) -> &Origin {
        let around = (0..=path.len()).rev().find_map(|n| self.0.get(&path[..n]));
        let within = || self.0.range(path.to_vec()..).next().filter(|(p, _)| p.starts_with(path)).map(|(_, o)| o);
        around.or_else(within).unwrap_or(&Origin::Code)
    }

    /// Whether the value came as text, to be read as whatever the field asks for.
    pub(super) fn is_text(&self, path: &[String]) -> bool {
        matches!(self.of(path), Origin::Environment(_) | Origin::Flag(_))
    }
}

impl Config {
    /// Empty configuration: all defaults.
    pub fn new() -> Config {
        Config::default()
    }

    /// Configuration from TOML text.
    ///
    /// # Errors
    /// InvalidArgument with the line of what is no TOML.
    pub fn toml(text: &str) -> Result<Config> {
        Config::parse(text, Origin::Code)
    }

    /// Configuration from a TOML file. It blocks for the read.
    ///
    /// # Errors
    /// NotFound or InvalidArgument naming the file, and the line of what is no TOML.
    pub fn file(path: impl AsRef<Path>) -> Result<Config> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|error| {
            let text = format!("configuration file {}: {error}", path.display());
            match error.kind() {
                std::io::ErrorKind::NotFound => Status::not_found(text),
                _ => Status::invalid_argument(text),
            }
        })?;
        Config::parse(&text, Origin::File(Arc::new(path.to_owned())))
    }

    fn parse(text: &str, origin: Origin) -> Result<Config> {
        // The parser's own text shows the line, which may hold a secret: only its message is kept.
        let table: toml::Table = toml::from_str(text).map_err(|error: toml::de::Error| {
            let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            Status::invalid_argument(format!("{origin}: line {line} is no valid TOML: {}", error.message()))
        })?;
        let Value::Object(root) = to_json(toml::Value::Table(table)) else { return Ok(Config::new()) };
        let mut origins = Origins::default();
        leaves(&root, &mut Vec::new(), &mut |path| {
            origins.0.insert(path.to_vec(), origin.clone());
        });
        Ok(Config(Arc::new(Tree { root, origins })))
    }

    /// The same configuration with one value set: `config.with("server.listen", "tcp://127.0.0.1:0")`.
    /// Dots in `key` separate sections.
    #[must_use]
    pub fn with(self, key: &str, value: impl Into<Value>) -> Config {
        self.with_origin(key.split('.').map(str::to_owned).collect(), value.into(), Origin::Code)
    }

    pub(super) fn with_origin(self, path: Vec<String>, value: Value, origin: Origin) -> Config {
        let mut root = value;
        for key in path.iter().rev() {
            root = Value::Object(Map::from_iter([(key.clone(), root)]));
        }
        let Value::Object(root) = root else { return self };
        let mut origins = Origins::default();
        leaves(&root, &mut Vec::new(), &mut |path| {
            origins.0.insert(path.to_vec(), origin.clone());
        });
        self.merge(&Config(Arc::new(Tree { root, origins })))
    }

    /// This configuration with another laid over it: sections merge key by key, everything else,
    /// lists included, is replaced.
    #[must_use]
    pub fn merge(mut self, over: &Config) -> Config {
        let tree = Arc::make_mut(&mut self.0);
        lay(&mut tree.root, &over.0.root);
        for (path, origin) in &over.0.origins.0 {
            tree.origins.0.retain(|known, _| !known.starts_with(path) && !path.starts_with(known));
            tree.origins.0.insert(path.clone(), origin.clone());
        }
        self
    }

    /// The section or value under a key, read as `T`; dots in `key` separate sections. A section
    /// that is missing is read as an empty one, so that a type whose fields all have defaults can
    /// always be read. Keys that `T` does not know are errors.
    ///
    /// # Errors
    /// InvalidArgument naming the source, the key and what was expected, without the value.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<T> {
        self.read(&key.split('.').collect::<Vec<_>>(), &[], &[])
    }

    /// Reads the section at `path` as `T`, without the keys in `not`; those in `also` are known to
    /// be somebody else's.
    pub(super) fn read<T: DeserializeOwned>(&self, path: &[&str], not: &[&str], also: &[&str]) -> Result<T> {
        let mut value = self.find(path).cloned().unwrap_or_else(|| Value::Object(Map::new()));
        if let Value::Object(entries) = &mut value {
            entries.retain(|key, _| !not.contains(&key.as_str()));
        }
        let path: Vec<_> = path.iter().map(|key| (*key).to_owned()).collect();
        let located = Located { value, path: path.clone(), origins: &self.0.origins, also };
        T::deserialize(located).map_err(|problem| self.status(&path, problem))
    }

    /// Whether there is anything under a key.
    pub fn contains(&self, key: &str) -> bool {
        self.find(&key.split('.').collect::<Vec<_>>()).is_some()
    }

    pub(super) fn find(&self, path: &[&str]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(self.0.root.get(*first)?, |value, key| value.as_object()?.get(*key))
    }

    /// Where the value at a path came from.
    pub(super) fn origin(&self, path: &[&str]) -> Option<&Origin> {
        let path: Vec<_> = path.iter().map(|key| (*key).to_owned()).collect();
        self.0.origins.0.get(&path)
    }

    /// Whether a value came from the environment or a flag.
    pub(crate) fn is_text(&self, key: &str) -> bool {
        let path: Vec<_> = key.split('.').map(str::to_owned).collect();
        self.contains(key) && self.0.origins.is_text(&path)
    }

    /// The same configuration with the value at a path replaced by what `f` makes, told whether it
    /// came as text; its source stays.
    pub(super) fn replaced(mut self, path: &[&str], f: impl FnOnce(bool) -> Value) -> Config {
        let owned: Vec<_> = path.iter().map(|key| (*key).to_owned()).collect();
        let value = f(self.0.origins.is_text(&owned));
        let tree = Arc::make_mut(&mut self.0);
        let Some((last, sections)) = path.split_last() else { return self };
        let section = sections.iter().try_fold(&mut tree.root, |section, key| section.get_mut(*key)?.as_object_mut());
        if let Some(section) = section {
            section.insert((*last).to_owned(), value);
        }
        self
    }

    /// The names of the sections and values under a path.
    pub(crate) fn keys(&self, path: &[&str]) -> Vec<String> {
        let section = match path {
            [] => Some(&self.0.root),
            path => self.find(path).and_then(Value::as_object),
        };
        section.map(|entries| entries.keys().cloned().collect()).unwrap_or_default()
    }

    pub(super) fn status(&self, section: &[String], problem: Problem) -> Status {
        let path = problem.path.as_deref().unwrap_or(section);
        let (origin, key) = (self.0.origins.of(path), show(path));
        let what = match problem.foreign && path.iter().any(|key| is_secret(key)) {
            true => "is not valid".to_owned(),
            false => problem.what,
        };
        Status::invalid_argument(format!("{origin}: {key} {what}"))
    }

    /// A wrong value under a key, said the way the others are.
    pub(crate) fn wrong(&self, key: &str, what: impl Into<String>) -> Status {
        let path: Vec<_> = key.split('.').map(str::to_owned).collect();
        self.status(&path, Problem { path: None, what: what.into(), foreign: false })
    }
}

/// Shows the keys, never the values.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.origins.0.iter().map(|(path, origin)| (show(path), origin))).finish()
    }
}

/// The configuration as one module hears it.
#[derive(Clone, Debug)]
pub struct ConfigView {
    config: Config,
    module: String,
}

impl ConfigView {
    pub(crate) fn new(config: Config, module: &str) -> ConfigView {
        ConfigView { config, module: module.to_owned() }
    }

    /// The module's name.
    pub fn name(&self) -> &str {
        &self.module
    }

    /// A section of one's own; as [`Config::get`].
    ///
    /// # Errors
    /// As [`Config::get`].
    pub fn get<T: DeserializeOwned>(&self, section: &str) -> Result<T> {
        self.config.get(section)
    }

    /// The module's own settings: what is in `[modules.NAME]` beside the keys by which the App
    /// supervises the module (`on_panic`, `max_restarts`, `backoff`).
    ///
    /// # Errors
    /// As [`Config::get`].
    pub fn module<T: DeserializeOwned>(&self) -> Result<T> {
        self.config.read(&["modules", &self.module], &super::settings::SUPERVISION, &[])
    }

    /// All of it.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

fn lay(under: &mut Map<String, Value>, over: &Map<String, Value>) {
    for (key, value) in over {
        match (under.get_mut(key), value) {
            (Some(Value::Object(under)), Value::Object(over)) => lay(under, over),
            _ => {
                under.insert(key.clone(), value.clone());
            }
        }
    }
}

fn leaves(section: &Map<String, Value>, path: &mut Vec<String>, found: &mut impl FnMut(&[String])) {
    for (key, value) in section {
        path.push(key.clone());
        match value {
            Value::Object(inner) if !inner.is_empty() => leaves(inner, path, found),
            _ => found(path),
        }
        path.pop();
    }
}

/// A TOML value as JSON; dates become text.
pub(super) fn to_json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(value) => value.into(),
        toml::Value::Datetime(date) => date.to_string().into(),
        toml::Value::Array(items) => items.into_iter().map(to_json).collect(),
        toml::Value::Table(table) => Value::Object(table.into_iter().map(|(k, v)| (k, to_json(v))).collect()),
    }
}

fn show(path: &[String]) -> String {
    let plain = |key: &String| key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    let shown: Vec<_> = path.iter().map(|key| if plain(key) { key.clone() } else { format!("{key:?}") }).collect();
    shown.join(".")
}

/// Whether a key names something that must not be shown.
fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["secret", "token", "password", "passwd", "credential", "private", "key"].iter().any(|word| key.contains(word))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default)]
    struct Shop {
        limit: u32,
        open: bool,
        tags: Vec<String>,
        patience: Option<Duration>,
        inner: Inner,
        api_token: u32,
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default)]
    struct Inner {
        mode: Mode,
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Mode {
        #[default]
        Calm,
        Busy,
    }

    fn text(config: Config, key: &str, value: &str) -> Config {
        config.with_origin(
            key.split('.').map(str::to_owned).collect(),
            value.into(),
            Origin::Environment("MOTET_X".to_owned()),
        )
    }

    #[test]
    fn sections_merge_and_lists_are_replaced() {
        let under = Config::toml("[shop]\nlimit = 1\ntags = ['a', 'b']\ninner.mode = 'busy'").expect("TOML");
        let shop: Shop =
            under.merge(&Config::toml("[shop]\ntags = ['c']\nopen = true").expect("TOML")).get("shop").expect("read");
        let inner = Inner { mode: Mode::Busy };
        assert_eq!(shop, Shop { limit: 1, open: true, tags: vec!["c".into()], inner, ..Shop::default() });
    }

    #[test]
    fn a_missing_section_is_all_defaults() {
        assert_eq!(Config::new().get::<Shop>("shop").expect("defaults"), Shop::default());
    }

    #[test]
    fn text_is_read_as_what_the_field_asks_for() {
        let config = [
            ("shop.limit", "8"),
            ("shop.open", "true"),
            ("shop.tags", "a, b"),
            ("shop.patience", "1m30s"),
            ("shop.inner.mode", "busy"),
        ]
        .into_iter()
        .fold(Config::new(), |config, (key, value)| text(config, key, value));
        let shop: Shop = config.get("shop").expect("read");
        assert_eq!((shop.limit, shop.open, shop.tags.len()), (8, true, 2));
        assert_eq!((shop.patience, shop.inner.mode), (Some(Duration::from_secs(90)), Mode::Busy));
        let listed: Shop = text(Config::new(), "shop.tags", "['x, y']").get("shop").expect("read");
        assert_eq!(listed.tags, ["x, y"]);
    }

    #[test]
    fn text_of_a_file_is_no_number() {
        let error = Config::toml("[shop]\nlimit = '8'").expect("TOML").get::<Shop>("shop").expect_err("text");
        assert_eq!(error.message(), "configuration: shop.limit must be a whole number, not text");
    }

    #[test]
    fn wrong_values_name_the_source_and_the_key_and_are_not_quoted() {
        for (toml, expected) in [
            ("limt = 1", "shop.limt is no known key; did you mean \"limit\"?"),
            ("colour = 1", "shop.colour is no known key; there are: api_token, inner, limit, open, patience, tags"),
            ("inner.mdoe = 1", "shop.inner.mdoe is no known key; did you mean \"mode\"?"),
            ("open = 'marker'", "shop.open must be true or false, not text"),
            ("tags = ['a', 7]", "shop.tags.1 must be text, not a whole number"),
            ("patience = true", "shop.patience must be a time such as \"250ms\", \"10s\" or \"1h30m\""),
            (
                "patience = 7",
                "shop.patience must be a time such as \"250ms\", \"10s\" or \"1h30m\"; a number needs a unit: \"5s\" is \
                 five seconds",
            ),
            ("inner.mode = 'marker'", "shop.inner.mode must be one of \"calm\", \"busy\""),
            ("inner = 'marker'", "shop.inner must be a section, not text"),
            ("limit = -1", "shop.limit must be a whole number"),
        ] {
            let config = Config::toml(&format!("[shop]\n{toml}")).expect("TOML");
            let error = config.get::<Shop>("shop").expect_err(toml);
            assert_eq!(error.message(), format!("configuration: {expected}"));
        }
    }

    #[test]
    fn text_that_fits_no_field_names_its_variable() {
        let error = text(Config::new(), "shop.limit", "marker").get::<Shop>("shop").expect_err("no number");
        assert_eq!(error.message(), "environment variable MOTET_X: shop.limit must be a whole number");
    }

    #[test]
    fn a_syntax_error_names_the_line_and_does_not_show_it() {
        let error = Config::toml("[shop]\npassword = marker").expect_err("no TOML");
        assert!(error.message().starts_with("configuration: line 2 is no valid TOML"), "{error}");
        assert!(!error.message().contains("marker"), "{error}");
    }

    #[test]
    fn debug_shows_no_values() {
        let shown = format!("{:?}", Config::toml("[shop]\npassword = 'marker'").expect("TOML"));
        assert!(shown.contains("shop.password") && !shown.contains("marker"), "{shown}");
    }
}

//! The settings of the protection against overload.

use std::{collections::BTreeMap, time::Duration};

use motet_core::{MethodDescriptor, Result, ServiceDescriptor, Status};
use serde::{Deserialize, Serialize};

/// How a server protects itself against more calls than it can serve. The defaults refuse nothing
/// while calls are not seen to queue up behind each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct OverloadConfig {
    /// Whether each unary method's calls at once are limited to what it can serve, once they queue
    /// up. Yes.
    pub adaptive: bool,
    /// The least that such a limit becomes. 16.
    pub min_in_flight: u32,
    /// How many calls of a method may wait in its handler at once, whatever is measured; streams are
    /// not counted. 20,000.
    pub max_in_flight: u32,
    /// How many calls of one connection may wait in handlers at once. 4,096.
    pub max_per_connection: u32,
    /// How many calls wait for their turn where a method's limit is reached. 1,000.
    pub queue: u32,
    /// How long such a call waits at most. While the queue has not been empty for this long, a fifth
    /// of it. 100 ms.
    pub queue_time: Duration,
    /// How many calls of single methods may run at once, by path such as `greeter/hello`; in place of
    /// the methods' own `max_in_flight`.
    pub methods: BTreeMap<String, u32>,
}

impl Default for OverloadConfig {
    fn default() -> OverloadConfig {
        OverloadConfig {
            adaptive: true,
            min_in_flight: 16,
            max_in_flight: 20_000,
            max_per_connection: 4_096,
            queue: 1_000,
            queue_time: Duration::from_millis(100),
            methods: BTreeMap::new(),
        }
    }
}

impl OverloadConfig {
    /// Checks the settings.
    ///
    /// # Errors
    /// InvalidArgument naming the setting and what it must be.
    pub fn check(&self) -> Result<()> {
        let wrong = |what: String| Err(Status::invalid_argument(format!("server.overload.{what}")));
        let counts = [
            ("min_in_flight", self.min_in_flight),
            ("max_in_flight", self.max_in_flight),
            ("max_per_connection", self.max_per_connection),
        ];
        if let Some((name, _)) = counts.iter().find(|(_, count)| *count == 0) {
            return wrong(format!("{name} must be at least 1"));
        }
        if self.min_in_flight > self.max_in_flight {
            return wrong(format!("min_in_flight must be at most max_in_flight, which is {}", self.max_in_flight));
        }
        if let Some((path, _)) = self.methods.iter().find(|(_, count)| **count == 0) {
            return wrong(format!("methods.{path:?} must be at least 1"));
        }
        Ok(())
    }

    /// Checks that the methods which are limited by name exist, as far as this service is concerned.
    ///
    /// # Errors
    /// InvalidArgument naming the path and the methods that there are.
    pub(in crate::server) fn check_methods(&self, service: &ServiceDescriptor) -> Result<()> {
        let own = self.methods.keys().filter_map(|path| Some((path, path.strip_prefix(&service.name)?)));
        for (path, name) in own.filter_map(|(path, rest)| Some((path, rest.strip_prefix('/')?))) {
            if service.method(name).is_none() {
                let known: Vec<_> = service.methods.iter().map(|method| method.path.as_str()).collect();
                let known = known.join(", ");
                let status = format!("server.overload.methods.{path:?}: no such method; there are: {known}");
                return Err(Status::invalid_argument(status));
            }
        }
        Ok(())
    }

    /// How many calls of this method may run at once by configuration or by its own option.
    pub(super) fn own_limit(&self, method: &MethodDescriptor) -> Option<u32> {
        self.methods.get(&method.path).copied().or(method.options.max_in_flight)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_makes_no_sense_is_named() {
        let change = |change: fn(&mut OverloadConfig)| {
            let mut config = OverloadConfig::default();
            change(&mut config);
            config.check().map_err(|status| status.message().to_owned())
        };
        assert_eq!(change(|_| {}), Ok(()));
        let refused = |result: Result<(), String>, name: &str| {
            let message = result.expect_err(name);
            assert!(message.contains(&format!("server.overload.{name}")), "{message}");
        };
        refused(change(|config| config.min_in_flight = 0), "min_in_flight");
        refused(change(|config| config.max_per_connection = 0), "max_per_connection");
        refused(change(|config| config.max_in_flight = 15), "min_in_flight must be at most");
        refused(change(|config| config.methods = [("a/b".to_owned(), 0)].into()), "methods.\"a/b\"");
    }

    #[test]
    fn a_limit_of_a_method_that_is_not_there_is_an_error() {
        let mut service = ServiceDescriptor::new("greeter", "1.0.0");
        service.methods.push(Arc::new(MethodDescriptor::new("greeter", "hello")));
        let check = |path: &str| {
            let methods = [(path.to_owned(), 1)].into();
            OverloadConfig { methods, ..OverloadConfig::default() }.check_methods(&service)
        };
        assert!(check("greeter/hello").is_ok());
        assert!(check("greeter2/bye").is_ok(), "another service's");
        assert!(check("greeter/helo").expect_err("misspelt").message().contains("there are: greeter/hello"));
    }

    #[test]
    fn the_configured_limit_counts_above_the_method_s_own() {
        let mut method = MethodDescriptor::new("greeter", "hello");
        let mut config = OverloadConfig::default();
        assert_eq!(config.own_limit(&method), None);
        method.options.max_in_flight = Some(5);
        assert_eq!(config.own_limit(&method), Some(5));
        config.methods.insert("greeter/hello".to_owned(), 7);
        assert_eq!(config.own_limit(&method), Some(7));
    }
}

//! App, modules, life cycle, configuration and Service: one process's runtime value.
//!
//! An [`App`] owns the modules, services, listeners, client and registry of a process; nothing is
//! global. Only [`App::run`] and [`Service::run`] read the environment, the command line and
//! signals; [`App::start`] reads none of them and is what tests use. No protocol, transport or
//! registry lives here: they come from the crates that have them.
//!
//! ```
//! use motet_app::App;
//! # use std::sync::Arc;
//! # use motet_core::{BoxFuture, Call, MethodDescriptor, Reply, Result, Service, ServiceDescriptor};
//! # fn echo() -> Result<Service> {
//! #     let mut echo = ServiceDescriptor::new("echo", "1.0.0");
//! #     echo.methods.push(Arc::new(MethodDescriptor::new("echo", "say")));
//! #     let say = |call: Call| -> BoxFuture<'static, Result<Reply>> {
//! #         Box::pin(async move { Ok(Reply::one(call.body.one()?)) })
//! #     };
//! #     Service::new(echo, vec![Arc::new(say)])
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! let app = App::builder().service(echo()).start().await?;
//! assert!(app.health().ready);
//! assert_eq!(app.nodes()[0].service, "echo");
//! assert!(app.stop().await.is_clean());
//! # Ok(())
//! # }
//! ```
//!
//! Reading order: [`App`] and [`AppBuilder`], [`RunningApp`], [`Module`] and [`AppContext`],
//! [`Service`], [`Config`], [`Registries`], [`HealthReport`], [`meta`].

mod app;
mod config;
#[doc(hidden)]
pub mod duration;
mod health;
mod log;
pub mod meta;
mod module;
mod registries;
pub mod runtime;
mod service;

pub use app::{App, AppBuilder, RegistrySource, RunningApp, StopReport};
pub use config::{Config, ConfigSource, ConfigView};
#[doc(hidden)]
pub use config::{Examined, examine, nearest};
pub use health::{Health, HealthReport, ModuleHealth, ModuleState, Phase, ServiceHealth};
pub use meta::StatsReport;
pub use module::{AppContext, Module};
pub use registries::Registries;
pub use service::Service;

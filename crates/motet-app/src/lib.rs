//! App, modules, life cycle, configuration and Service.

//! Two services and a timer: all in one process, or in as many as you like, with the same code and
//! one configuration file.

mod orders;
mod prices;
mod reporter;

use motet::{App, AppBuilder, Config, Result};

pub use orders::{Orders, OrdersClient, OrdersModule, Receipt};
pub use prices::{MyPrices, Prices, PricesClient, PricesServer};
pub use reporter::Reporter;

/// The App with everything in it; a process group runs a part.
///
/// # Errors
/// InvalidArgument for what is no TOML.
pub fn app() -> Result<AppBuilder> {
    let config = Config::toml(include_str!("../conf/app.toml"))?;
    Ok(App::builder().config(config).service(PricesServer::new(MyPrices)).module(OrdersModule).module(Reporter))
}

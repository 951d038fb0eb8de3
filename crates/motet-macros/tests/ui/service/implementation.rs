use std::rc::Rc;

use motet::{Context, Result};

#[motet::service(name = "greeter")]
pub trait Greeter {
    async fn hello(&self, cx: &Context, name: String) -> Result<String>;
    async fn bye(&self, cx: &Context) -> Result<()>;
}

struct Missing;

impl Greeter for Missing {
    async fn hello(&self, _: &Context, name: String) -> Result<String> {
        Ok(name)
    }
}

struct NotSend;

impl Greeter for NotSend {
    async fn hello(&self, cx: &Context, name: String) -> Result<String> {
        let shared = Rc::new(name);
        self.bye(cx).await?;
        Ok(shared.to_string())
    }

    async fn bye(&self, _: &Context) -> Result<()> {
        Ok(())
    }
}

fn main() {
    let _ = motet::Service::new("greeter").serve(NotSend);
}

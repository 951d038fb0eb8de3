use motet::{Context, Result, Streaming};

pub struct Nothing;

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct OnlySerde {
    n: u32,
}

pub enum NoError {}

#[motet::service(name = "one")]
pub trait One {
    async fn lone(&self, cx: &Context, value: OnlySerde) -> Result<()>;
}

#[motet::service(name = "two")]
pub trait Two {
    async fn several(&self, cx: &Context, n: u32, value: OnlySerde) -> Result<()>;
}

#[motet::service(name = "three")]
pub trait Three {
    async fn reply(&self, cx: &Context) -> Result<OnlySerde>;
}

#[motet::service(name = "four")]
pub trait Four {
    async fn items(&self, cx: &Context, items: Streaming<OnlySerde>) -> Result<()>;
}

#[motet::service(name = "five")]
pub trait Five {
    async fn error(&self, cx: &Context) -> Result<u32, NoError>;
}

#[motet::service(name = "six")]
pub trait Six {
    async fn no_result(&self, cx: &Context) -> u32;
}

#[motet::service(name = "seven", codec = "msgpack")]
pub trait Seven {
    async fn nothing(&self, cx: &Context, value: Nothing) -> Result<()>;
}

#[motet::service(name = "eight", codec = "proto")]
pub trait Eight {
    async fn no_prost(&self, cx: &Context, value: OnlySerde) -> Result<()>;
}

fn main() {}

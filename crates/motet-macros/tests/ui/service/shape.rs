use motet::{Context, Result, Streaming};

#[motet::service(name = "a")]
pub trait Generic<T> {
    async fn a(&self, cx: &Context, t: T) -> Result<()>;
}

#[motet::service(name = "b")]
pub trait GenericMethod {
    async fn a<T>(&self, cx: &Context, t: T) -> Result<()>;
}

#[motet::service(name = "c")]
pub trait NotAsync {
    fn a(&self, cx: &Context) -> Result<()>;
}

#[motet::service(name = "d")]
pub trait NoContext {
    async fn a(&self, name: String) -> Result<()>;
}

#[motet::service(name = "e")]
pub trait NoSelf {
    async fn a(cx: &Context) -> Result<()>;
}

#[motet::service(name = "f")]
pub trait Exclusive {
    async fn a(&mut self, cx: &Context) -> Result<()>;
}

#[motet::service(name = "g")]
pub trait Borrowed {
    async fn a(&self, cx: &Context, name: &str) -> Result<()>;
}

#[motet::service(name = "h")]
pub trait Pattern {
    async fn a(&self, cx: &Context, (a, b): (u8, u8)) -> Result<()>;
}

#[motet::service(name = "i")]
pub trait NotAlone {
    async fn a(&self, cx: &Context, n: u32, parts: Streaming<u32>) -> Result<()>;
}

#[motet::service(name = "j")]
pub trait NoReply {
    async fn a(&self, cx: &Context);
}

#[motet::service(name = "k")]
pub trait Super: std::fmt::Debug {
    async fn a(&self, cx: &Context) -> Result<()>;
}

#[motet::service(name = "l")]
pub trait Types {
    type Item;
}

#[motet::service(name = "m", codec = "proto")]
pub trait Proto {
    async fn a(&self, cx: &Context, a: (), b: ()) -> Result<()>;
}

#[motet::service(name = "n")]
pub trait Twins {
    async fn say_hi(&self, cx: &Context) -> Result<()>;
    async fn sayHi(&self, cx: &Context) -> Result<()>;
}

#[motet::service(name = "o")]
pub trait Taken {
    async fn one_way(&self, cx: &Context) -> Result<()>;
}

#[motet::service(name = "p")]
pub trait Cfg {
    #[cfg(test)]
    async fn a(&self, cx: &Context) -> Result<()>;
}

#[motet::service(name = "q")]
pub struct NoTrait;

fn main() {}

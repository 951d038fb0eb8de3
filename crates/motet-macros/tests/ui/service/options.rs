use motet::{Context, Result, Streaming};

#[motet::service(name = "no spaces")]
pub trait BadName {}

#[motet::service(version = "")]
pub trait BadVersion {}

#[motet::service(codec = "xml")]
pub trait BadCodec {}

#[motet::service(title = "x")]
pub trait BadKey {}

#[motet::service(name = "a")]
pub trait UnsafeGet {
    #[method(http = "GET /hello/{name}")]
    async fn a(&self, cx: &Context, name: String) -> Result<()>;
}

#[motet::service(name = "b")]
pub trait BadVerb {
    #[method(http = "FETCH /hello")]
    async fn a(&self, cx: &Context) -> Result<()>;
}

#[motet::service(name = "c")]
pub trait BadPath {
    #[method(http = "POST /hello/x{name}")]
    async fn a(&self, cx: &Context) -> Result<()>;
}

#[motet::service(name = "d")]
pub trait BadTimeout {
    #[method(timeout = "soon")]
    async fn a(&self, cx: &Context) -> Result<()>;
}

#[motet::service(name = "e")]
pub trait BadOption {
    #[method(retry)]
    async fn a(&self, cx: &Context) -> Result<()>;
}

#[motet::service(name = "e2")]
pub trait NoneInFlight {
    #[method(max_in_flight = 0)]
    async fn a(&self, cx: &Context) -> Result<()>;
}

#[motet::service(name = "e3", proto_name = "acme.1.Cart")]
pub trait BadProtoName {
    async fn a(&self, cx: &Context) -> Result<()>;
}

#[motet::service(name = "e4")]
pub trait BadProtoMethod {
    #[method(proto_name = "Add-Item")]
    async fn a(&self, cx: &Context) -> Result<()>;
}

#[motet::service(name = "f")]
pub trait OptionalBody {
    #[method(optional)]
    async fn a(&self, cx: &Context) -> Result<()> {
        Ok(())
    }
}

#[motet::service(name = "g")]
pub trait SerialStream {
    #[method(serial)]
    async fn a(&self, cx: &Context) -> Result<Streaming<u32>>;
}

#[motet::service(name = "h")]
pub trait BadArgument {
    async fn a(&self, cx: &Context, #[motet(secret)] n: u32) -> Result<()>;
}

#[motet::service(name = "i")]
pub trait BadMethodName {
    #[method(name = "")]
    async fn a(&self, cx: &Context) -> Result<()>;
}

fn main() {}

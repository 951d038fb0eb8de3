//! Values of a Context: from middleware to handlers, and no further.

use motet::{AppBuilder, Call, Client, Context, Next, Result, Service, Status, Streaming};

use crate::support::remote;

/// Who the caller is, as the middleware has found out.
#[derive(Debug)]
struct Caller(String);

#[motet::service(name = "doors", version = "1.0.0")]
trait Doors {
    async fn who(&self, cx: &Context) -> Result<String>;
    /// What another call of the same process hears.
    async fn who_behind(&self, cx: &Context) -> Result<String>;
    /// What a library hears that is given no Context: first when called, then while the reply is read.
    async fn who_is_current(&self, cx: &Context) -> Result<Streaming<String>>;
}

fn current() -> String {
    let cx = Context::current();
    cx.as_ref().and_then(Context::value).map_or_else(|| "nobody".to_owned(), |Caller(name)| name.clone())
}

struct MyDoors {
    behind: DoorsClient,
}

impl Doors for MyDoors {
    async fn who(&self, cx: &Context) -> Result<String> {
        Ok(cx.value().map_or_else(|| "nobody".to_owned(), |Caller(name)| name.clone()))
    }

    async fn who_behind(&self, cx: &Context) -> Result<String> {
        self.behind.who(cx).await
    }

    async fn who_is_current(&self, _: &Context) -> Result<Streaming<String>> {
        let at_once = current();
        tokio::task::yield_now().await;
        let later = Streaming::from_iter([at_once, current()]);
        Ok(later.map(|heard| Ok(format!("{heard}, {}", current()))))
    }
}

/// A door, behind which there is another without middleware.
fn doors() -> DoorsServer {
    let last = DoorsClient::local(MyDoors { behind: DoorsClient::new(Client::builder().build()) });
    DoorsServer::new(MyDoors { behind: last })
}

fn names_callers(app: AppBuilder) -> AppBuilder {
    app.middleware(|mut call: Call, next: Next| async move {
        let name = call.metadata.get("name").ok_or_else(|| Status::unauthenticated("send a name"))?.to_owned();
        call.cx = call.cx.with_value(Caller(name));
        next.run(call).await
    })
}

#[tokio::test]
async fn what_middleware_puts_into_the_context_reaches_the_handler() {
    let app = Service::new("doors").serve(doors()).app(names_callers).start().await.expect("starts");
    let over_tcp = app.client().to(&app.endpoints()[0]).expect("an address");
    let cx = Context::new().with_metadata("name", "Ada").expect("valid");
    for client in [app.client(), &over_tcp] {
        let doors = DoorsClient::new(client);
        assert_eq!(doors.who(&cx).await.as_deref(), Ok("Ada"));
        assert_eq!(doors.who_behind(&cx).await.as_deref(), Ok("nobody"), "a value is of one call");
        let heard = doors.who_is_current(&cx).await.expect("a stream").collect().await;
        assert_eq!(heard.as_deref(), Ok(&["Ada, Ada".to_owned(), "Ada, Ada".to_owned()][..]));
    }
    app.stop().await;
}

#[tokio::test]
async fn a_caller_s_value_does_not_reach_the_service() {
    let (app, over_tcp) = remote("doors", doors()).await;
    let cx = Context::new().with_value(Caller("Eve".into()));
    for client in [DoorsClient::new(app.client()), DoorsClient::new(over_tcp)] {
        assert_eq!(client.who(&cx).await.as_deref(), Ok("nobody"));
    }
    app.stop().await;
}

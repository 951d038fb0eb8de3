//! Values of a Context: from middleware to handlers, and no further.

use motet::{AppBuilder, Call, Client, Context, Next, Result, Service, Status};

use crate::support::remote;

/// Who the caller is, as the middleware has found out.
#[derive(Debug)]
struct Caller(String);

#[motet::service(name = "doors", version = "1.0.0")]
trait Doors {
    async fn who(&self, cx: &Context) -> Result<String>;
    /// What another call of the same process hears.
    async fn who_behind(&self, cx: &Context) -> Result<String>;
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

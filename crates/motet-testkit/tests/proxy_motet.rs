//! motet/1 through the fault proxy.

use std::{sync::Arc, time::Duration};

use motet_core::{
    Body, BoxFuture, Call, CallOptions, ClientProtocol, Code, Codec, Codecs, Connecting, Connection, Context, Endpoint,
    Entropy, Executed, Handler, MethodDescriptor, Payload, Reply, Result, Service, ServiceDescriptor, Transports,
};
use motet_rpc::{NativeClient, NativeServer, Server, TcpTransport};
use motet_testkit::proxy::{Direction, Ending, FaultProxy, Faults};
use tokio::time::{Instant, timeout};

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

struct World {
    _server: Server,
    proxy: FaultProxy,
}

impl World {
    async fn new() -> World {
        let mut descriptor = ServiceDescriptor::new("test", "1");
        descriptor.methods.push(Arc::new(MethodDescriptor::new("test", "echo")));
        let echo =
            |call: Call| -> BoxFuture<'static, Result<Reply>> { Box::pin(async move { Ok(Reply::new(call.body)) }) };
        let service = Service::new(descriptor, vec![Arc::new(echo) as Arc<dyn Handler>]).expect("valid");
        let builder = Server::builder().protocol(Arc::new(NativeServer::default())).service(service);
        let server = builder.build().expect("valid");
        let endpoint = server.listen("tcp://127.0.0.1:0").await.expect("a port");
        World { _server: server, proxy: FaultProxy::start(endpoint.address).await.expect("a port") }
    }

    async fn connect(&self) -> Arc<dyn Connection> {
        let transports = Transports::new().with(Arc::new(TcpTransport::new()));
        let connecting = Connecting::new(transports, Codecs::default(), Instant::now() + PATIENCE, Entropy::seeded(1));
        let endpoint = Endpoint::new("tcp", self.proxy.address().to_string());
        NativeClient::default().connect(&endpoint, &connecting).await.expect("the proxy listens")
    }
}

async fn echo(connection: &dyn Connection, cx: Context) -> Result<()> {
    let method = Arc::new(MethodDescriptor::new("test", "echo"));
    let body = Body::One(Payload::encoded(vec![7; 100], Codec::RAW));
    let call = Call::new(method, cx, body, Codec::RAW, Arc::new(CallOptions::default()));
    let reply = timeout(PATIENCE, connection.call(call)).await.expect("it ends")?;
    assert_eq!(reply.body.one()?.bytes()?, vec![7; 100]);
    Ok(())
}

#[tokio::test]
async fn a_call_ends_wherever_its_connection_does() {
    let world = World::new().await;
    let whole = {
        let connection = world.connect().await;
        echo(&*connection, Context::new()).await.expect("nothing is wrong yet");
        world.proxy.counts()
    };
    for ending in [Ending::Cut, Ending::Reset, Ending::HalfClose] {
        for (direction, bytes) in [(0, whole.to_server), (1, whole.to_client)] {
            for at in (0..bytes).step_by(7) {
                world.proxy.script(move |_| {
                    let mut faults = [Faults::none(), Faults::none()];
                    faults[direction] = Faults::none().end_after(at, ending);
                    faults
                });
                let status = echo(&*world.connect().await, Context::new()).await.expect_err("half a connection");
                assert_eq!(status.code(), Code::Unavailable, "{ending:?} {direction} at {at}: {status}");
                assert_ne!(status.executed(), Executed::Yes, "nobody can know");
            }
        }
    }
    world.proxy.heal();
    echo(&*world.connect().await, Context::new()).await.expect("all is well again");
}

#[tokio::test]
async fn a_connection_that_stalled_goes_on() {
    let world = World::new().await;
    let connection = world.connect().await;
    echo(&*connection, Context::new()).await.expect("nothing is wrong yet");
    world.proxy.set(Direction::ToClient, Faults::none().stall());
    let cx = Context::new().with_timeout(Duration::from_millis(100));
    let status = echo(&*connection, cx).await.expect_err("no reply comes");
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    world.proxy.heal();
    echo(&*connection, Context::new()).await.expect("all is well again");
    assert_eq!(world.proxy.counts().accepted, 1);
}

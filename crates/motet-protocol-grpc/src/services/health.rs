//! `grpc.health.v1.Health`.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use motet_core::{Call, Codec, Executed, Kind, MessageType, Payload, Reply, Result, Service, Status, Streaming};
use prost::{Enumeration, Message};

use super::{handler, service};

const FILES: &[u8] = include_bytes!("../../proto/health.binpb");
/// How often a watched service is looked at.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// How the services of a server are: by protobuf name or by their own, the empty name being the
/// server itself.
pub trait HealthSource: Send + Sync + 'static {
    /// Whether a service takes calls; `None` where there is no such service.
    fn is_serving(&self, service: &str) -> Option<bool>;

    /// All services.
    fn names(&self) -> Vec<String>;
}

#[derive(Clone, PartialEq, Message)]
struct CheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct CheckResponse {
    #[prost(enumeration = "State", tag = "1")]
    status: i32,
}

#[derive(Clone, PartialEq, Message)]
struct ListRequest {}

#[derive(Clone, PartialEq, Message)]
struct ListResponse {
    #[prost(btree_map = "string, message", tag = "1")]
    statuses: BTreeMap<String, CheckResponse>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
enum State {
    Unknown = 0,
    Serving = 1,
    NotServing = 2,
    ServiceUnknown = 3,
}

/// The service that says how others are. `Watch` notices a change within a second.
pub(crate) fn service_of(source: Arc<dyn HealthSource>) -> Service {
    let (check, list, watch) = (source.clone(), source.clone(), source);
    service(
        "grpc.health.v1.Health",
        FILES,
        vec![
            ("Check", Kind::Unary, handler(move |call| answer(check.clone(), call))),
            ("List", Kind::Unary, handler(move |call| list_all(list.clone(), call))),
            ("Watch", Kind::ServerStream, handler(move |call| watch_one(watch.clone(), call))),
        ],
    )
}

fn serving(source: &dyn HealthSource, service: &str) -> Option<CheckResponse> {
    let status = if source.is_serving(service)? { State::Serving } else { State::NotServing };
    Some(CheckResponse { status: status as i32 })
}

fn read(call: Call) -> Result<String> {
    let request: Result<CheckRequest> = call.body.one().and_then(|body| body.take(&MessageType::proto()));
    request.map(|request| request.service).map_err(|status| status.with_executed(Executed::No))
}

fn written<T: Message + Default + 'static>(message: T) -> Payload {
    Payload::typed(message, &MessageType::proto(), Codec::PROTOBUF)
}

async fn answer(source: Arc<dyn HealthSource>, call: Call) -> Result<Reply> {
    let name = read(call)?;
    let unknown = || {
        let shown: String = name.chars().filter(|c| !c.is_control()).take(128).collect();
        Status::not_found(format!("service {shown:?} does not run here"))
    };
    Ok(Reply::one(written(serving(&*source, &name).ok_or_else(unknown)?)))
}

async fn list_all(source: Arc<dyn HealthSource>, call: Call) -> Result<Reply> {
    let ListRequest {} = call.body.one()?.take(&MessageType::proto())?;
    let statuses = source.names().into_iter().filter_map(|name| Some((name.clone(), serving(&*source, &name)?)));
    Ok(Reply::one(written(ListResponse { statuses: statuses.collect() })))
}

async fn watch_one(source: Arc<dyn HealthSource>, call: Call) -> Result<Reply> {
    let watching = Watching { source, service: read(call)?, told: None, timer: None };
    Ok(Reply::stream(Streaming::new(watching)))
}

/// What one watcher has been told.
struct Watching {
    source: Arc<dyn HealthSource>,
    service: String,
    told: Option<i32>,
    timer: Option<std::pin::Pin<Box<tokio::time::Sleep>>>,
}

impl futures_core::Stream for Watching {
    type Item = Result<Payload>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(timer) = &mut this.timer {
                std::task::ready!(timer.as_mut().poll(cx));
            }
            this.timer = Some(Box::pin(tokio::time::sleep(WATCH_EVERY)));
            let unknown = CheckResponse { status: State::ServiceUnknown as i32 };
            let now = serving(&*this.source, &this.service).unwrap_or(unknown);
            if this.told != Some(now.status) {
                this.told = Some(now.status);
                return std::task::Poll::Ready(Some(Ok(written(now))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use motet_core::{Body, CallOptions, Code, Context};

    use super::*;

    struct Board(AtomicBool);

    impl HealthSource for Board {
        fn is_serving(&self, service: &str) -> Option<bool> {
            matches!(service, "" | "shop").then(|| self.0.load(Ordering::Relaxed))
        }

        fn names(&self) -> Vec<String> {
            vec![String::new(), "shop".to_owned()]
        }
    }

    async fn ask(service: &Service, method: &str, about: &str) -> Result<Reply> {
        let (method, handler) = service.methods().find(|(known, _)| known.name == method).expect("there");
        let body = Body::One(written(CheckRequest { service: about.to_owned() }));
        let call = Call::new(method.clone(), Context::new(), body, Codec::PROTOBUF, Arc::<CallOptions>::default());
        handler.call(call).await
    }

    fn status(payload: Payload) -> i32 {
        payload.take(&MessageType::<CheckResponse>::proto()).expect("a response").status
    }

    #[tokio::test]
    async fn a_service_is_serving_or_not_or_unknown() {
        let board = Arc::new(Board(AtomicBool::new(true)));
        let service = service_of(board.clone());
        for (about, up, expected) in [("", true, Ok(1)), ("shop", false, Ok(2)), ("other", true, Err(Code::NotFound))] {
            board.0.store(up, Ordering::Relaxed);
            let answer = ask(&service, "Check", about).await.and_then(|reply| reply.body.one()).map(status);
            assert_eq!(answer.map_err(|status| status.code()), expected);
        }
        let all = ask(&service, "List", "").await.expect("answered").body.one().expect("one");
        assert_eq!(all.take(&MessageType::<ListResponse>::proto()).expect("a list").statuses.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_watcher_is_told_at_once_and_when_it_changes() {
        let board = Arc::new(Board(AtomicBool::new(true)));
        let service = service_of(board.clone());
        let mut seen = ask(&service, "Watch", "shop").await.expect("answered").body.stream();
        assert_eq!(status(seen.next().await.expect("told").expect("well")), 1);
        board.0.store(false, Ordering::Relaxed);
        assert_eq!(status(seen.next().await.expect("told").expect("well")), 2);
        let mut unknown = ask(&service, "Watch", "other").await.expect("answered").body.stream();
        assert_eq!(status(unknown.next().await.expect("told").expect("well")), 3);
    }
}

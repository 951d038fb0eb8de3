//! `grpc.reflection.v1.ServerReflection`, and the same as `v1alpha`, which many tools still ask first.

use std::sync::Arc;

use motet_core::{Call, Code, Codec, Context, Dispatcher, Kind, MessageType, Payload, Reply, Result, Service, Status};
use motet_proto::Files;

use super::{handler, service};
use crate::wire::reflection::{
    Answer, Asked, ErrorAnswer, FileList, NumberList, Request, Response, ServiceList, ServiceName,
};

const V1: &[u8] = include_bytes!("../../proto/reflection_v1.binpb");
const V1_ALPHA: &[u8] = include_bytes!("../../proto/reflection_v1alpha.binpb");

/// Says whether a caller may ask.
pub type MayAsk = Arc<dyn Fn(&Context) -> Result<()> + Send + Sync>;

/// What there is to describe, as a value of the call's Context.
pub(crate) struct Described(pub(crate) [Dispatcher; 2]);

/// The two services that describe all others, and themselves. `may_ask` is asked once a call.
pub(crate) fn services(may_ask: &MayAsk) -> [Service; 2] {
    let make = |name, files| {
        let may_ask = may_ask.clone();
        service(
            name,
            files,
            vec![("ServerReflectionInfo", Kind::Bidi, handler(move |call| info(may_ask.clone(), call)))],
        )
    };
    [make("grpc.reflection.v1.ServerReflection", V1), make("grpc.reflection.v1alpha.ServerReflection", V1_ALPHA)]
}

async fn info(may_ask: MayAsk, call: Call) -> Result<Reply> {
    may_ask(&call.cx)?;
    let files = call.cx.value::<Described>().map(files).unwrap_or_default();
    let answers = call.body.stream().map(move |request| {
        let request: Request = request.take(&MessageType::proto())?;
        let answer = answer(&files, &request).unwrap_or_else(|status| {
            Answer::Error(ErrorAnswer { code: status.code().number().into(), message: status.message().to_owned() })
        });
        let response = Response { valid_host: request.host.clone(), original: Some(request), answer: Some(answer) };
        Ok(Payload::typed(response, &MessageType::proto(), Codec::PROTOBUF))
    });
    Ok(Reply::stream(answers))
}

/// The files of all services. One whose file cannot be read or contradicts another's is left out: the
/// others can be described all the same.
fn files(Described(all): &Described) -> Files {
    let mut files = Files::default();
    for service in all.iter().flat_map(Dispatcher::services) {
        if let Err(status) = files.add(&service) {
            tracing::debug!(target: "motet", service = service.name, %status, "reflection leaves a service out");
        }
    }
    files
}

fn answer(files: &Files, request: &Request) -> Result<Answer> {
    let unknown = |what: &str, name: &str| {
        let shown: String = name.chars().filter(|c| !c.is_control()).take(256).collect();
        Status::new(Code::NotFound, format!("{what} is not known here: {shown}"))
    };
    let file = |name: Option<&str>, what: &str, asked: &str| {
        let files = name.and_then(|name| files.with_imports(name)).ok_or_else(|| unknown(what, asked))?;
        Ok(Answer::Files(FileList { files }))
    };
    match request.asked.as_ref() {
        Some(Asked::FileByName(name)) => file(Some(name), "the file", name),
        Some(Asked::FileWithSymbol(symbol)) => file(files.file_with_symbol(symbol), "the symbol", symbol),
        Some(Asked::FileWithExtension(asked)) => {
            file(files.file_with_extension(&asked.of, asked.number), "the extension", &asked.of)
        }
        Some(Asked::ExtensionNumbers(of)) => {
            let numbers = files.extension_numbers(of).ok_or_else(|| unknown("the message", of))?;
            Ok(Answer::Numbers(NumberList { of: of.clone(), numbers }))
        }
        Some(Asked::Services(_)) => {
            let services = files.services().map(|name| ServiceName { name: name.to_owned() }).collect();
            Ok(Answer::Services(ServiceList { services }))
        }
        None => Err(Status::invalid_argument("the request asks nothing that is known here")),
    }
}

#[cfg(test)]
mod tests {
    use motet_core::{Body, Codecs, Streaming};

    use super::*;

    async fn call(may_ask: MayAsk, requests: Vec<Payload>) -> Result<Reply> {
        let all = services(&may_ask);
        let own = Dispatcher::new(Codecs::default());
        all.iter().for_each(|service| own.add(service.descriptor(), Vec::new()).expect("free"));
        let (method, handler) = all[0].methods().next().expect("one");
        let cx = Context::new().with_value(Described([Dispatcher::new(Codecs::default()), own]));
        let body = Body::Stream(Streaming::from_iter(requests));
        handler.call(Call::new(method.clone(), cx, body, Codec::PROTOBUF, Default::default())).await
    }

    async fn ask(asked: Asked) -> Answer {
        let request = Request { host: String::new(), asked: Some(asked) };
        let request = Payload::typed(request, &MessageType::proto(), Codec::PROTOBUF);
        let mut replies = call(Arc::new(|_| Ok(())), vec![request]).await.expect("answered").body.stream();
        let reply = replies.next().await.expect("one").expect("well");
        reply.take(&MessageType::<Response>::proto()).expect("a response").answer.expect("an answer")
    }

    #[tokio::test]
    async fn it_describes_itself() {
        let Answer::Services(list) = ask(Asked::Services(String::new())).await else { panic!("no list") };
        let names: Vec<_> = list.services.into_iter().map(|service| service.name).collect();
        assert_eq!(names, ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"]);
        for name in names {
            let Answer::Files(found) = ask(Asked::FileWithSymbol(name)).await else { panic!("no file") };
            assert_eq!(found.files.len(), 1);
        }
    }

    #[tokio::test]
    async fn what_is_not_known_is_not_found() {
        for asked in
            [Asked::FileByName("x".into()), Asked::FileWithSymbol("x".into()), Asked::ExtensionNumbers("x".into())]
        {
            let Answer::Error(error) = ask(asked).await else { panic!("found") };
            assert_eq!(error.code, 5);
        }
    }

    #[tokio::test]
    async fn who_may_not_ask_is_told_so() {
        let closed: MayAsk = Arc::new(|_| Err(Status::permission_denied("closed")));
        assert_eq!(call(closed, Vec::new()).await.expect_err("closed").code(), Code::PermissionDenied);
    }
}

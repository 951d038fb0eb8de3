//! What a gRPC server has, by its reflection service: v1, else v1alpha.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use motet::{
    Body, Bytes, Client, Code, Codec, Context, Kind, MethodDescriptor, Payload, Result, ServiceDescriptor, Status,
    Streaming,
    core::Family,
    grpc::reflection::{Finding, Question, REFLECTION},
    proto::{prost::Message, prost_types::FileDescriptorProto},
};
use motet_proto::Types;
use tokio::sync::mpsc::Sender;

/// The most files that are fetched of one server.
const MAX_FILES: usize = 4096;
/// How many bytes they may have altogether: 64 MiB.
const MAX_BYTES: usize = 64 << 20;

/// The services of a server, without its reflection.
///
/// # Errors
/// Unimplemented where it has no reflection; what else it says.
pub(super) async fn services(client: &Client, cx: &Context, within: Duration) -> Result<Vec<Arc<ServiceDescriptor>>> {
    for service in REFLECTION {
        match all(client, service, cx, within).await {
            Err(status) if status.code() == Code::Unimplemented => {}
            answer => return answer,
        }
    }
    Err(Status::unimplemented("it has no reflection service"))
}

async fn all(client: &Client, service: &str, cx: &Context, within: Duration) -> Result<Vec<Arc<ServiceDescriptor>>> {
    let mut asking = Asking::open(client, service, cx, within).await?;
    let Finding::Services(mut names) = asking.ask(Question::Services).await? else { return Err(confused()) };
    names.retain(|name| !REFLECTION.contains(&&**name));
    let mut files = Files::default();
    for name in &names {
        match asking.ask(Question::FileWithSymbol(name.clone())).await {
            Ok(Finding::Files(found)) => files.add(found)?,
            // One that is registered without a file; the others can be described.
            Err(status) if status.code() == Code::NotFound => {}
            Ok(_) => return Err(confused()),
            Err(status) => return Err(status),
        }
    }
    while let Some(import) = files.missing() {
        match asking.ask(Question::FileByName(import.clone())).await? {
            Finding::Files(found) => files.add(found)?,
            _ => return Err(confused()),
        }
        if files.missing().as_ref() == Some(&import) {
            return Err(Status::internal(format!(
                "the reflection service does not have {import}, which a file imports"
            )));
        }
    }
    let types = Types::read_files(files.by_name.into_values().map(|(_, bytes)| bytes).collect())?;
    let all = types.services().into_iter().filter(|service| names.contains(&service.name));
    Ok(all.map(Arc::new).collect())
}

fn confused() -> Status {
    Status::internal("the reflection service answered something else")
}

/// A conversation with a reflection service: a question, an answer.
struct Asking {
    questions: Sender<Result<Payload>>,
    answers: Streaming<Payload>,
}

impl Asking {
    async fn open(client: &Client, service: &str, cx: &Context, within: Duration) -> Result<Asking> {
        let method = MethodDescriptor::new(service, "ServerReflectionInfo").kind(Kind::Bidi).family(Family::Proto);
        let service = client.service(service).configure(|options| {
            options.timeout = Some(within);
            options.retries = Some(0);
        });
        let (questions, stream) = Streaming::channel(1);
        let call = service.prepare(&Arc::new(method), cx, Codec::PROTOBUF, Body::Stream(stream))?;
        Ok(Asking { questions, answers: service.call(call).await?.body.stream() })
    }

    async fn ask(&mut self, question: Question) -> Result<Finding> {
        // Where nobody takes questions any more, the answers say why.
        _ = self.questions.send(Ok(Payload::encoded(question.encode(), Codec::PROTOBUF))).await;
        match self.answers.next().await {
            Some(answer) => Finding::decode(&answer?.bytes()?),
            None => Err(Status::unimplemented("the reflection service ended the conversation")),
        }
    }
}

/// The files that have come, by name, with what they import.
#[derive(Default)]
struct Files {
    by_name: BTreeMap<String, (Vec<String>, Bytes)>,
    bytes: usize,
}

impl Files {
    fn add(&mut self, files: Vec<Bytes>) -> Result<()> {
        for bytes in files {
            let file = FileDescriptorProto::decode(bytes.clone())
                .map_err(|_| Status::internal("a file of the reflection service cannot be decoded"))?;
            self.bytes += bytes.len();
            self.by_name.entry(file.name().to_owned()).or_insert((file.dependency, bytes));
        }
        match self.by_name.len() > MAX_FILES || self.bytes > MAX_BYTES {
            true => Err(Status::resource_exhausted(format!(
                "the reflection service has more than {MAX_FILES} files, or {} MiB of them",
                MAX_BYTES >> 20
            ))),
            false => Ok(()),
        }
    }

    /// A file that is imported and has not come. Protobuf's own are known.
    fn missing(&self) -> Option<String> {
        let imports = self.by_name.values().flat_map(|(imports, _)| imports);
        let missing = |import: &&String| !import.starts_with("google/protobuf/") && !self.by_name.contains_key(*import);
        imports.into_iter().find(missing).cloned()
    }
}

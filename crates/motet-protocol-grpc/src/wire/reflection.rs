//! Messages of `grpc.reflection.v1` and `v1alpha`, which are the same on the wire.

use bytes::Bytes;
use motet_core::{Code, Result, Status};
use prost::{Message, Oneof};

/// The services that answer, the newer one first; the method of both is `ServerReflectionInfo`, whose
/// requests and replies are streams of protobuf.
pub const REFLECTION: [&str; 2] = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"];

/// What a reflection service is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Question {
    /// The names of its services.
    Services,
    /// The file that declares this service, message or other symbol.
    FileWithSymbol(String),
    /// The file of this name, as others import it.
    FileByName(String),
}

/// What it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// The full names of its services.
    Services(Vec<String>),
    /// The file, and as many of those that it imports as the service likes: each an encoded
    /// `google.protobuf.FileDescriptorProto`.
    Files(Vec<Bytes>),
}

impl Question {
    /// The request.
    pub fn encode(&self) -> Bytes {
        let asked = match self.clone() {
            Question::Services => Asked::Services("*".to_owned()),
            Question::FileWithSymbol(symbol) => Asked::FileWithSymbol(symbol),
            Question::FileByName(name) => Asked::FileByName(name),
        };
        Request { host: String::new(), asked: Some(asked) }.encode_to_vec().into()
    }
}

impl Finding {
    /// Reads a reply.
    ///
    /// # Errors
    /// What the service could not find, with its code; Internal for bytes that are no reply.
    pub fn decode(bytes: &Bytes) -> Result<Finding> {
        let response = Response::decode(bytes.clone())
            .map_err(|_| Status::internal("what the reflection service said cannot be decoded"))?;
        match response.answer {
            Some(Answer::Files(found)) => Ok(Finding::Files(found.files)),
            Some(Answer::Services(found)) => {
                Ok(Finding::Services(found.services.into_iter().map(|service| service.name).collect()))
            }
            Some(Answer::Error(error)) => {
                let code = Code::from_number(u64::try_from(error.code).unwrap_or_default());
                Err(Status::new(code, error.message))
            }
            Some(Answer::Numbers(_)) | None => Err(Status::internal("the reflection service answered something else")),
        }
    }
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Request {
    #[prost(string, tag = "1")]
    pub(crate) host: String,
    #[prost(oneof = "Asked", tags = "3, 4, 5, 6, 7")]
    pub(crate) asked: Option<Asked>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum Asked {
    #[prost(string, tag = "3")]
    FileByName(String),
    #[prost(string, tag = "4")]
    FileWithSymbol(String),
    #[prost(message, tag = "5")]
    FileWithExtension(Extension),
    #[prost(string, tag = "6")]
    ExtensionNumbers(String),
    #[prost(string, tag = "7")]
    Services(String),
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Extension {
    #[prost(string, tag = "1")]
    pub(crate) of: String,
    #[prost(int32, tag = "2")]
    pub(crate) number: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Response {
    #[prost(string, tag = "1")]
    pub(crate) valid_host: String,
    #[prost(message, tag = "2")]
    pub(crate) original: Option<Request>,
    #[prost(oneof = "Answer", tags = "4, 5, 6, 7")]
    pub(crate) answer: Option<Answer>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum Answer {
    #[prost(message, tag = "4")]
    Files(FileList),
    #[prost(message, tag = "5")]
    Numbers(NumberList),
    #[prost(message, tag = "6")]
    Services(ServiceList),
    #[prost(message, tag = "7")]
    Error(ErrorAnswer),
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct FileList {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(crate) files: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct NumberList {
    #[prost(string, tag = "1")]
    pub(crate) of: String,
    #[prost(int32, repeated, tag = "2")]
    pub(crate) numbers: Vec<i32>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ServiceList {
    #[prost(message, repeated, tag = "1")]
    pub(crate) services: Vec<ServiceName>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ServiceName {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ErrorAnswer {
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_and_answers_are_those_of_the_proto_file() {
        assert_eq!(Question::Services.encode(), &b"\x3a\x01*"[..]);
        assert_eq!(Question::FileWithSymbol("a.B".to_owned()).encode(), &b"\x22\x03a.B"[..]);
        assert_eq!(Question::FileByName("a.proto".to_owned()).encode(), &b"\x1a\x07a.proto"[..]);
        let read = |bytes: &'static [u8]| Finding::decode(&Bytes::from_static(bytes));
        assert_eq!(read(b"\x32\x07\x0a\x05\x0a\x03a.B").expect("services"), Finding::Services(vec!["a.B".to_owned()]));
        assert_eq!(read(b"\x22\x03\x0a\x01x").expect("files"), Finding::Files(vec![Bytes::from_static(b"x")]));
        let error = read(b"\x3a\x06\x08\x05\x12\x02no").expect_err("an error");
        assert_eq!((error.code(), error.message()), (Code::NotFound, "no"));
        for broken in [&b""[..], b"\xff", b"\x2a\x00"] {
            assert_eq!(read(broken).expect_err("no answer").code(), Code::Internal);
        }
    }
}

//! The one error of a call.

use std::{borrow::Cow, error::Error, fmt, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{Metadata, Payload};

/// The result of anything that can fail with a [`Status`].
pub type Result<T, E = Status> = std::result::Result<T, E>;

/// The sixteen error codes of gRPC, with their numbers
/// (<https://grpc.github.io/grpc/core/md_doc_statuscodes.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
#[repr(u8)]
pub enum Code {
    /// The caller cancelled the call or went away.
    Cancelled = 1,
    /// Nobody knows what went wrong, or a peer sent a code that does not exist.
    Unknown = 2,
    /// The request is wrong whatever the state of the system.
    InvalidArgument = 3,
    /// The deadline passed before the call completed.
    DeadlineExceeded = 4,
    /// The thing asked for does not exist.
    NotFound = 5,
    /// The thing to be created exists already.
    AlreadyExists = 6,
    /// The caller is known and may not do this.
    PermissionDenied = 7,
    /// A limit, quota or queue is exhausted.
    ResourceExhausted = 8,
    /// The system is not in the state that the call needs.
    FailedPrecondition = 9,
    /// A concurrent change got in the way; start the whole sequence again.
    Aborted = 10,
    /// The request reaches past the valid range.
    OutOfRange = 11,
    /// The method, or what the request asks of it, is not implemented here.
    Unimplemented = 12,
    /// Our bug: an invariant is broken.
    Internal = 13,
    /// The service cannot be reached or is stopping; trying again may help.
    Unavailable = 14,
    /// Data was lost or is corrupt.
    DataLoss = 15,
    /// The caller is not known.
    Unauthenticated = 16,
}

impl Code {
    /// All codes, by number.
    pub const ALL: [Code; 16] = [
        Code::Cancelled,
        Code::Unknown,
        Code::InvalidArgument,
        Code::DeadlineExceeded,
        Code::NotFound,
        Code::AlreadyExists,
        Code::PermissionDenied,
        Code::ResourceExhausted,
        Code::FailedPrecondition,
        Code::Aborted,
        Code::OutOfRange,
        Code::Unimplemented,
        Code::Internal,
        Code::Unavailable,
        Code::DataLoss,
        Code::Unauthenticated,
    ];

    /// The code with this number; 0 (success) and numbers that nobody defined are [`Code::Unknown`].
    pub fn from_number(number: u64) -> Code {
        usize::try_from(number)
            .ok()
            .and_then(|n| n.checked_sub(1))
            .and_then(|n| Code::ALL.get(n).copied())
            .unwrap_or(Code::Unknown)
    }

    /// The number, 1 to 16.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The name as gRPC writes it, such as `INVALID_ARGUMENT`.
    pub const fn name(self) -> &'static str {
        match self {
            Code::Cancelled => "CANCELLED",
            Code::Unknown => "UNKNOWN",
            Code::InvalidArgument => "INVALID_ARGUMENT",
            Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Code::NotFound => "NOT_FOUND",
            Code::AlreadyExists => "ALREADY_EXISTS",
            Code::PermissionDenied => "PERMISSION_DENIED",
            Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Code::FailedPrecondition => "FAILED_PRECONDITION",
            Code::Aborted => "ABORTED",
            Code::OutOfRange => "OUT_OF_RANGE",
            Code::Unimplemented => "UNIMPLEMENTED",
            Code::Internal => "INTERNAL",
            Code::Unavailable => "UNAVAILABLE",
            Code::DataLoss => "DATA_LOSS",
            Code::Unauthenticated => "UNAUTHENTICATED",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether the handler ran, as far as the one who made the status knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Executed {
    /// The handler started.
    Yes,
    /// The handler provably never started: the call may be sent again whatever the method does.
    No,
    /// Nobody can tell.
    #[default]
    Unknown,
}

/// Who has to change something for the call to succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The caller: its request, its rights, or its patience.
    Caller,
    /// The service: its bug or its data.
    Service,
    /// Neither: the network, the load, or a restart. Waiting may help.
    Circumstances,
}

/// The one error of a call: a code, a message for people, and what programs need to act on it.
///
/// A status travels whole between Motet nodes; what each foreign protocol keeps of it is listed in
/// the project's `docs/errors.md`. It never carries a stack trace or the text of a source error to
/// a remote caller: [`Status::with_source`] stays in this process.
#[derive(Clone)]
pub struct Status(Box<Inner>);

#[derive(Clone)]
struct Inner {
    code: Code,
    message: Cow<'static, str>,
    reason: Option<Cow<'static, str>>,
    details: Option<Payload>,
    executed: Executed,
    /// Whether `executed` is about a call that somebody else made; see [`Status::of_call`].
    of_call: bool,
    retry_after: Option<Duration>,
    metadata: Metadata,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

macro_rules! constructors {
    ($($name:ident => $code:ident),* $(,)?) => {$(
        #[doc = concat!("A status with code [`Code::", stringify!($code), "`].")]
        pub fn $name(message: impl Into<Cow<'static, str>>) -> Status {
            Status::new(Code::$code, message)
        }
    )*};
}

impl Status {
    /// A status with this code and a message for people.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Status {
        Status(Box::new(Inner {
            code,
            message: message.into(),
            reason: None,
            details: None,
            executed: Executed::Unknown,
            of_call: false,
            retry_after: None,
            metadata: Metadata::new(),
            source: None,
        }))
    }

    constructors! {
        cancelled => Cancelled,
        invalid_argument => InvalidArgument,
        deadline_exceeded => DeadlineExceeded,
        not_found => NotFound,
        already_exists => AlreadyExists,
        permission_denied => PermissionDenied,
        resource_exhausted => ResourceExhausted,
        failed_precondition => FailedPrecondition,
        aborted => Aborted,
        out_of_range => OutOfRange,
        unimplemented => Unimplemented,
        internal => Internal,
        unavailable => Unavailable,
        data_loss => DataLoss,
        unauthenticated => Unauthenticated,
    }

    /// Internal, for an error that is none of the caller's business: callers read that much and no
    /// more, the error itself is kept as the [source](Status::with_source).
    ///
    /// ```
    /// # use motet_core::{Result, Status};
    /// fn stock(path: &str) -> Result<String> {
    ///     std::fs::read_to_string(path).map_err(Status::internal_from)
    /// }
    /// assert_eq!(stock("/no/such/file").unwrap_err().to_string(), "INTERNAL: internal error");
    /// ```
    pub fn internal_from(error: impl Into<Box<dyn Error + Send + Sync>>) -> Status {
        Status::internal("internal error").with_source(error)
    }

    /// What went wrong.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// What went wrong, for people.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What went wrong, for programs: `Type.Variant` of a typed error such as `GreetError.NameTooLong`.
    pub fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// The fields of a typed error, in the call's codec.
    pub fn details(&self) -> Option<&Payload> {
        self.0.details.as_ref()
    }

    /// Whether the handler ran.
    pub fn executed(&self) -> Executed {
        self.0.executed
    }

    /// How long to wait before another try, where the peer said so.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The trailing metadata that came with the error.
    pub fn metadata(&self) -> &Metadata {
        &self.0.metadata
    }

    /// Sets the reason.
    #[must_use]
    pub fn with_reason(mut self, reason: impl Into<Cow<'static, str>>) -> Status {
        self.0.reason = Some(reason.into());
        self
    }

    /// Sets the details.
    #[must_use]
    pub fn with_details(mut self, details: Payload) -> Status {
        self.0.details = Some(details);
        self
    }

    /// Says whether the handler ran. A handler that answers [`Executed::No`] says that it did nothing
    /// and that the call may be sent again.
    #[must_use]
    pub fn with_executed(mut self, executed: Executed) -> Status {
        (self.0.executed, self.0.of_call) = (executed, false);
        self
    }

    /// Notes that a call has ended with this status: clients do. A handler that passes it on, by `?`
    /// for example, says nothing about itself with it.
    #[must_use]
    pub fn of_call(mut self) -> Status {
        self.0.of_call = true;
        self
    }

    /// The status as that of the handler that answered it: the handler ran, unless it says itself
    /// that it did nothing. That a call it made did not run does not count. Server pipelines use it.
    #[must_use]
    pub fn of_handler(mut self) -> Status {
        if self.0.executed == Executed::Unknown || self.0.of_call {
            self.0.executed = Executed::Yes;
        }
        self.0.of_call = false;
        self
    }

    /// Says how long a caller should wait before another try.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Status {
        self.0.retry_after = Some(wait);
        self
    }

    /// Sets the trailing metadata.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Status {
        self.0.metadata = metadata;
        self
    }

    /// Keeps the error behind this status for logs of this process; it is never sent.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Status {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    /// Replaces the message, keeping all else.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<Cow<'static, str>>) -> Status {
        self.0.message = message.into();
        self
    }

    /// Whether the same call may succeed later or elsewhere. It says nothing about safety: a method
    /// that is not idempotent is sent again only if [`Status::executed`] is [`Executed::No`].
    pub fn may_retry(&self) -> bool {
        matches!(self.0.code, Code::Unavailable | Code::ResourceExhausted | Code::Aborted)
    }

    /// Who has to change something for the call to succeed.
    pub fn fault(&self) -> Fault {
        match self.0.code {
            Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::Unauthenticated
            | Code::Cancelled => Fault::Caller,
            Code::Unknown | Code::Internal | Code::DataLoss | Code::Unimplemented => Fault::Service,
            Code::DeadlineExceeded | Code::ResourceExhausted | Code::Aborted | Code::Unavailable => {
                Fault::Circumstances
            }
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.message)?;
        match &self.0.reason {
            Some(reason) => write!(f, " ({reason})"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Status");
        out.field("code", &self.0.code).field("message", &self.0.message);
        if let Some(reason) = &self.0.reason {
            out.field("reason", reason);
        }
        out.field("executed", &self.0.executed).finish_non_exhaustive()
    }
}

impl Error for Status {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

/// Equal in what a remote caller sees and compares: code, message, reason and executed.
impl PartialEq for Status {
    fn eq(&self, other: &Status) -> bool {
        (self.code(), self.message(), self.reason(), self.executed())
            == (other.code(), other.message(), other.reason(), other.executed())
    }
}

/// A typed error of a service: it becomes a [`Status`] on the server and is found again on the
/// client. Derive it with `#[derive(RpcError)]`.
pub trait RpcError: Sized + Send + 'static {
    /// The status that travels.
    fn into_status(self) -> Status;

    /// The error that this status was made from, or the variant that holds statuses of any kind.
    /// Never fails: what cannot be decoded ends in that variant.
    fn from_status(status: Status) -> Self;
}

impl RpcError for Status {
    fn into_status(self) -> Status {
        self
    }

    fn from_status(status: Status) -> Status {
        status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_its_number() {
        for code in Code::ALL {
            assert_eq!(Code::from_number(code.number().into()), code);
        }
    }

    #[test]
    fn zero_and_unassigned_numbers_are_unknown() {
        for number in [0, 17, 99, u64::MAX] {
            assert_eq!(Code::from_number(number), Code::Unknown);
        }
    }

    #[test]
    fn a_status_is_one_pointer_wide() {
        assert_eq!(size_of::<Status>(), size_of::<usize>());
    }

    #[test]
    fn what_a_call_of_the_handler_says_about_itself_is_not_said_about_the_handler() {
        let status = |executed| Status::unavailable("stopping").with_executed(executed);
        assert_eq!(status(Executed::No).of_handler().executed(), Executed::No, "its own word");
        assert_eq!(status(Executed::Unknown).of_handler().executed(), Executed::Yes);
        let passed_on = status(Executed::No).of_call();
        assert_eq!(passed_on.executed(), Executed::No, "the caller of that call may rely on it");
        assert_eq!(passed_on.clone().of_handler().executed(), Executed::Yes);
        assert_eq!(passed_on.with_executed(Executed::No).of_handler().executed(), Executed::No, "said once more");
    }

    #[test]
    fn the_source_is_not_part_of_what_is_shown() {
        let status = Status::internal("storage failed").with_source("password=hunter2 at db.rs:10");
        assert!(!format!("{status} {status:?}").contains("hunter2"));
        assert!(status.source().is_some());
    }
}

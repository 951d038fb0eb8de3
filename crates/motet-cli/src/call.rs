//! `motet call`: one request, one reply.

use std::{future::Future, io::Write as _, time::Duration};

use motet::{
    Body, CallOptions, Code, Codec, Kind, Metadata, MetadataValue, MethodDescriptor, Payload, Reply, ReplyMeta, Status,
    core::Family,
};
use tokio::time::Instant;

use crate::{
    body::{self, Form, Shown},
    duration,
    failure::{Failure, Outcome, exit},
    global::Global,
    input, names,
    output::{Output, Style, json},
    session::Session,
    target::{Found, TargetArgs, check_name, too_late},
};

/// The time of a unary call, unless `--timeout` or the method says otherwise.
pub(crate) const DEFAULT: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    way: Way,
    /// Ask for no reply: done once the request is written.
    #[arg(long)]
    one_way: bool,
}

/// How a call goes.
#[derive(Debug, clap::Args)]
pub(crate) struct Way {
    /// How the request travels.
    #[arg(long, value_enum, default_value_t, value_name = "FORM")]
    pub(crate) codec: Form,
    /// The id of the node to call, and no other.
    #[arg(long, value_name = "ID")]
    pub(crate) node: Option<String>,
    /// Show the reply's metadata and the time on standard error.
    #[arg(long, short)]
    pub(crate) verbose: bool,
}

/// Makes the call and prints the reply.
pub(crate) async fn run(args: Args, global: &Global) -> Outcome {
    let (target, global) = args.target.read(global)?;
    check_name(&target.service)?;
    // Read first: a mistake in it is told without asking anybody.
    let body = input::one(target.json.as_deref(), args.way.codec).await?;
    let session = Session::open(&global).await?;
    let found = interruptible(target.find(&session, None)).await?;
    let Found { method, .. } = &found;
    if method.kind != Kind::Unary {
        let problem = format!("{} is a {} method", method.path, kind_name(method.kind));
        return Err(Failure::usage(problem).hint(format!(
            "call it with `motet stream {} {}`",
            method.service(),
            method.name
        )));
    }
    let sent = body.clone();
    let body = found.encode(body).map_err(|wrong| {
        let failure = wrong.failure("the JSON");
        unknown_fields(method, &sent).into_iter().fold(failure, Failure::hint)
    })?;
    let running = Running::new(&session, &found, &args.way);
    let reply = interruptible(running.call(&session, Body::One(body), args.one_way)).await;
    let reply = reply.map_err(|failure| explain_fields(failure, method, &sent))?;
    if args.one_way {
        return match session.output.json {
            true => session.output.json(&serde_json::json!({ "sent": true })),
            false => {
                session.output.note("Sent; no reply was asked for.");
                Ok(())
            }
        };
    }
    let payload = reply.body.one().map_err(|status| running.failure(&session, status))?;
    running.tell();
    print(&session.output, found.show(&payload)?)
}

/// A call that is made: the method, and what is known of its time.
pub(crate) struct Running<'a> {
    found: &'a Found,
    way: &'a Way,
    started: Instant,
    /// The time that the call may take, and whether `--timeout` says so.
    limit: Option<(Duration, bool)>,
    seen: ReplyMeta,
    cx: motet::Context,
}

impl<'a> Running<'a> {
    /// The time begins now.
    pub(crate) fn new(session: &Session, found: &'a Found, way: &'a Way) -> Running<'a> {
        let own = || found.method.timeout().or((found.method.kind == Kind::Unary).then_some(DEFAULT));
        let limit = match session.limit {
            Some(_) => Some((session.patience(), true)),
            None => own().map(|time| (time, false)),
        };
        let (cx, seen) = session.cx.capture();
        Running { found, way, started: Instant::now(), limit, seen, cx }
    }

    /// Makes the call.
    ///
    /// # Errors
    /// Its Status, and what to do about it.
    pub(crate) async fn call(&self, session: &Session, body: Body, one_way: bool) -> Outcome<Reply> {
        let method = &self.found.method;
        let mut options = CallOptions::default();
        options.timeout = self.limit.map(|(time, _)| time);
        options.node.clone_from(&self.way.node);
        let service = session.service(method.service(), options);
        let answer = async {
            let mut call = service.prepare(method, &self.cx, self.found.codec(self.way.codec), body)?;
            call.one_way = one_way;
            service.call(call).await
        };
        answer.await.map_err(|status| self.failure(session, status))
    }

    /// What there is to show of a reply.
    ///
    /// # Errors
    /// As [`Found::show`].
    pub(crate) fn show(&self, payload: &Payload) -> Outcome<Shown> {
        self.found.show(payload)
    }

    /// What a Status means for the one who called.
    pub(crate) fn failure(&self, session: &Session, status: Status) -> Failure {
        let path = &self.found.method.path;
        let ours = status.code() == Code::DeadlineExceeded
            && self.limit.is_some_and(|(time, _)| self.started.elapsed() + Duration::from_millis(20) >= time);
        if ours {
            return match self.limit {
                Some((_, true)) => too_late(&format!("{path} has not answered"), session),
                limit => {
                    let time = duration::show(limit.map_or(DEFAULT, |(time, _)| time));
                    Failure::new(exit::TIMEOUT, format!("{path} has not answered within {time}"))
                        .hint("give it longer with --timeout 1m, or ask how it is: motet health")
                }
            }
            .answer(&status);
        }
        let needs_types =
            self.found.method.family == Family::Proto || status.message().contains("cannot be carried as");
        let code = status.code();
        let mut failure = Failure::from(status);
        let lists = failure.answer.as_ref().is_some_and(|answer| answer.lists_violations());
        failure.message = match lists {
            true => format!("{path}: {code}"),
            false => format!("{path}: {}", failure.message),
        };
        match (code, &self.found.silent) {
            (Code::Unimplemented, _) if needs_types => failure
                .hint("its messages are binary protobuf only: name the file that declares them with --proto FILE"),
            (Code::Unavailable, _)
                if failure.code == exit::UNREACHABLE && failure.hint.is_none() && session.address.is_none() =>
            {
                failure.hint(format!("see how its nodes are: motet health {}", self.found.method.service()))
            }
            (Code::PermissionDenied | Code::Unauthenticated, _) => {
                failure.hint("credentials go into --meta KEY=VALUE, or --cert and --key")
            }
            _ => failure,
        }
    }

    /// Says the reply's metadata and the time to who asked for them.
    pub(crate) fn tell(&self) {
        if !self.way.verbose {
            return;
        }
        let took = crate::output::micros(self.started.elapsed().as_secs_f64() * 1e6);
        let mut text = format!("< {} in {took}", self.found.method.path);
        for (when, metadata) in [("", self.seen.initial()), (" (trailing)", self.seen.trailing())] {
            for line in metadata.iter().flat_map(lines) {
                text.push_str(&format!("\n< {line}{when}"));
            }
        }
        // Standard error is for people, whatever goes to standard output.
        _ = writeln!(std::io::stderr(), "{}", crate::output::clean(&text));
    }
}

fn lines(metadata: &Metadata) -> Vec<String> {
    let show = |(key, value): (&str, MetadataValue<'_>)| match value {
        MetadataValue::Text(text) => format!("{key}: {text}"),
        MetadataValue::Binary(bytes) => format!("{key}: {}", body::base64(bytes)),
    };
    metadata.iter().map(show).collect()
}

/// Runs to the end, or until Ctrl-C, which drops and so cancels it.
///
/// # Errors
/// Its own; INTERRUPTED after Ctrl-C.
pub(crate) async fn interruptible<T>(running: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    tokio::select! {
        biased;
        outcome = running => outcome,
        _ = tokio::signal::ctrl_c() => Err(Failure::said(exit::INTERRUPTED)),
    }
}

/// The kind of a method, in words.
pub(crate) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Unary => "unary",
        Kind::ClientStream => "client-streaming",
        Kind::ServerStream => "server-streaming",
        Kind::Bidi => "bidirectional",
    }
}

fn print(output: &Output, shown: Shown) -> Outcome {
    match shown {
        Shown::Json(text) if output.json => output.line(json::compact(&text)),
        Shown::Json(text) => output.line(json::pretty(&text, output)),
        Shown::Bytes(bytes) => print_bytes(output, &bytes),
    }
}

/// A reply that is no JSON.
pub(crate) fn print_bytes(output: &Output, bytes: &[u8]) -> Outcome {
    let text = std::str::from_utf8(bytes).ok();
    match text {
        _ if output.json => output.json(&serde_json::json!({ "base64": body::base64(bytes) })),
        Some(text) if output.terminal => output.line(crate::output::clean(text)),
        None if output.terminal => output.line(output.paint(
            Style::Dim,
            format!("({} bytes that are no text; send standard output to a file to keep them)", bytes.len()),
        )),
        _ => output.write(bytes),
    }
}

/// Adds the names of fields that the request has and the method does not: a field that is missing
/// has often been misspelled.
pub(crate) fn explain_fields(failure: Failure, method: &MethodDescriptor, sent: &Payload) -> Failure {
    if failure.hint.is_some() || failure.answer.is_none() || *sent.codec() == Codec::RAW {
        return failure;
    }
    match unknown_fields(method, sent) {
        Some(text) => failure.hint(text),
        None => failure,
    }
}

fn unknown_fields(method: &MethodDescriptor, sent: &Payload) -> Option<String> {
    let known = method.request.get("properties")?.as_object()?;
    let open = method.request.get("additionalProperties").is_some_and(|more| *more != serde_json::Value::Bool(false));
    let sent: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&sent.bytes().ok()?).ok()?;
    let fields = || known.keys().map(String::as_str);
    let needed = method.request.get("required").and_then(|all| all.as_array());
    let needed = needed.into_iter().flatten().filter_map(|name| name.as_str());
    let missing: Vec<_> = needed.filter(|name| !sent.contains_key(*name)).map(|name| format!("`{name}`")).collect();
    let strange = sent.keys().filter(|name| !open && !known.contains_key(*name));
    let strange: Vec<_> = strange
        .map(|name| match names::find(name, fields()).or_else(|| names::nearest(name, fields())) {
            Some(meant) => format!("`{name}` (did you mean `{meant}`?)"),
            None => format!("`{name}`"),
        })
        .collect();
    let mut parts = Vec::new();
    if !missing.is_empty() {
        parts.push(format!("missing: {}", missing.join(", ")));
    }
    if !strange.is_empty() {
        parts.push(format!("unknown: {}", strange.join(", ")));
    }
    (!parts.is_empty()).then(|| format!("{}; its fields: {}", parts.join("; "), names::list(fields())))
}

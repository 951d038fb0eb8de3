//! `motet stream`: messages in on standard input, messages out on standard output, one JSON a line.

use std::sync::{Arc, Mutex, PoisonError};

use motet::{Body, Kind, Payload};

use crate::{
    body::Shown,
    call::{Running, Way, explain_fields, interruptible, print_bytes},
    failure::{Failure, Outcome},
    global::Global,
    input,
    output::{Output, json, plural},
    session::Session,
    target::{TargetArgs, check_name},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    way: Way,
    /// The kind of the method, where the service does not describe itself.
    #[arg(long, value_enum, value_name = "KIND")]
    kind: Option<KindArg>,
}

/// The kind of a method.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum KindArg {
    Unary,
    ClientStream,
    ServerStream,
    Bidi,
}

impl From<KindArg> for Kind {
    fn from(kind: KindArg) -> Kind {
        match kind {
            KindArg::Unary => Kind::Unary,
            KindArg::ClientStream => Kind::ClientStream,
            KindArg::ServerStream => Kind::ServerStream,
            KindArg::Bidi => Kind::Bidi,
        }
    }
}

/// Makes the call: of any of the four kinds.
pub(crate) async fn run(args: Args, global: &Global) -> Outcome {
    let (target, global) = args.target.read(global)?;
    check_name(&target.service)?;
    let session = Session::open(&global).await?;
    let found = interruptible(target.find(&session, args.kind.map(Kind::from))).await?;
    if let (Some(status), None) = (&found.silent, args.kind) {
        let problem = format!("`{}` does not say of which kind its methods are: {status}", target.service);
        return Err(
            Failure::usage(problem).hint("name the kind with --kind unary, client-stream, server-stream or bidi")
        );
    }
    let (form, json) = (args.way.codec, target.json.as_deref());
    let (body, request) = match found.method.kind.client_streams() {
        true => {
            let lines = input::lines(json, form, found.types.clone(), &session.output)?;
            (Body::Stream(lines.stream), Request::Many(lines.wrong))
        }
        false => {
            let message = interruptible(input::one(json, form)).await?;
            let body = found.encode(message.clone()).map_err(|wrong| wrong.failure("the JSON"))?;
            (Body::One(body), Request::One(message))
        }
    };
    let running = Running::new(&session, &found, &args.way);
    let mut printed = 0;
    let outcome = interruptible(relay(&running, &session, body, &mut printed)).await;
    match (outcome, request) {
        (Ok(()), _) => {
            running.tell();
            Ok(())
        }
        (Err(failure), Request::One(message)) => Err(after(explain_fields(failure, &found.method, &message), printed)),
        (Err(failure), Request::Many(wrong)) => {
            let own = wrong.lock().unwrap_or_else(PoisonError::into_inner).take();
            // Where the request was wrong, the call failed for that and nothing else.
            Err(own.unwrap_or_else(|| after(failure, printed)))
        }
    }
}

/// What was sent.
enum Request {
    One(Payload),
    Many(Arc<Mutex<Option<Failure>>>),
}

/// Prints replies as they come.
async fn relay(running: &Running<'_>, session: &Session, body: Body, printed: &mut usize) -> Outcome {
    let reply = running.call(session, body, false).await?;
    let mut replies = reply.body.stream();
    while let Some(item) = replies.next().await {
        let item = item.map_err(|status| running.failure(session, status))?;
        print(&session.output, running.show(&item)?).await?;
        *printed += 1;
    }
    Ok(())
}

/// Writes one reply at once. On a thread of its own: a reader that does not read must not keep the
/// connection from being served.
async fn print(output: &Output, shown: Shown) -> Outcome {
    let output = *output;
    let write = move || match shown {
        Shown::Json(text) => output.line(json::line(&text, &output)),
        Shown::Bytes(bytes) => {
            print_bytes(&output, &bytes)?;
            if output.json { Ok(()) } else { output.write("\n") }
        }
    };
    tokio::task::spawn_blocking(write).await.unwrap_or(Ok(()))
}

/// Says how much had come before.
fn after(mut failure: Failure, printed: usize) -> Failure {
    if printed > 0 && !failure.message.is_empty() {
        failure.message = format!("{} (after {})", failure.message, plural(printed, "message"));
    }
    failure
}

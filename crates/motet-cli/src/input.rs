//! Where requests come from: the command line, a file, standard input.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, IsTerminal, Read},
    sync::{Arc, Mutex, PoisonError},
};

use motet::{Payload, Status, Streaming};
use motet_proto::MethodTypes;

use crate::{
    body::Form,
    failure::{Failure, Outcome},
    output::Output,
    target::encode,
};

/// The longest request that is read, in bytes. What a server takes is its own setting, 4 MiB unless
/// configured.
const LONGEST: usize = 64 << 20;
/// How many messages of a request stream are read ahead.
const AHEAD: usize = 8;

/// The one request of a call.
///
/// # Errors
/// When it cannot be read, or is no JSON.
pub(crate) async fn one(json: Option<&str>, form: Form) -> Outcome<Payload> {
    let text = match json {
        None => Vec::new(),
        Some(source @ "-") => read(source.to_owned()).await?,
        Some(source) if source.starts_with('@') => read(source.to_owned()).await?,
        Some(text) => text.as_bytes().to_vec(),
    };
    let of = match json {
        Some("-") => "the JSON on standard input".to_owned(),
        Some(source) if source.starts_with('@') => format!("the JSON in {}", &source[1..]),
        _ => "the JSON".to_owned(),
    };
    form.payload(&text).map_err(|wrong| wrong.failure(&of))
}

async fn read(source: String) -> Outcome<Vec<u8>> {
    let whole = move || {
        let mut text = Vec::new();
        let mut source = open(&source)?.take(LONGEST as u64 + 1);
        source.read_to_end(&mut text).map_err(|error| Failure::usage(format!("cannot read the JSON: {error}")))?;
        match text.len() > LONGEST {
            true => Err(Failure::usage(format!("the JSON is longer than {} MiB", LONGEST >> 20))),
            false => Ok(text),
        }
    };
    // Standard input may never end: the thread that reads it ends with the process.
    tokio::task::spawn_blocking(whole).await.unwrap_or_else(|_| Err(Failure::usage("cannot read the JSON")))
}

fn open(source: &str) -> Outcome<Box<dyn BufRead + Send>> {
    match source.strip_prefix('@') {
        None => Ok(Box::new(BufReader::new(io::stdin()))),
        Some(path) => {
            let file = File::open(path).map_err(|error| Failure::usage(format!("cannot read {path}: {error}")))?;
            Ok(Box::new(BufReader::new(file)))
        }
    }
}

/// The messages of a request stream: one on each line.
pub(crate) struct Lines {
    /// The messages as they are read. A line that is wrong ends them, and with them the call.
    pub(crate) stream: Streaming<Payload>,
    /// What was wrong with a line.
    pub(crate) wrong: Arc<Mutex<Option<Failure>>>,
}

/// The messages of a request stream, from standard input unless a file or text is given; as binary
/// protobuf where their types are given.
///
/// # Errors
/// When the file cannot be opened.
pub(crate) fn lines(json: Option<&str>, form: Form, types: Option<MethodTypes>, output: &Output) -> Outcome<Lines> {
    let (source, of): (Box<dyn BufRead + Send>, _) = match json {
        Some(text) if text != "-" && !text.starts_with('@') => {
            // One message, which may be written over several lines.
            let message = form.payload(text.as_bytes()).and_then(|message| encode(types.as_ref(), message));
            let message = message.map_err(|wrong| wrong.failure("the JSON"))?;
            return Ok(Lines { stream: Streaming::from_iter([message]), wrong: Arc::default() });
        }
        Some(file) if file.starts_with('@') => (open(file)?, file[1..].to_owned()),
        _ => {
            if io::stdin().is_terminal() {
                output.note("Type one JSON object a line; Ctrl-D ends the request.");
            }
            (open("-")?, "standard input".to_owned())
        }
    };
    Ok(start(source, of, form, types))
}

/// Reads on a thread of its own: a read of standard input cannot be interrupted, so it ends when
/// nobody wants more messages, or with the process.
fn start(mut source: Box<dyn BufRead + Send>, of: String, form: Form, types: Option<MethodTypes>) -> Lines {
    let (sender, stream) = Streaming::channel(AHEAD);
    let wrong = Arc::new(Mutex::new(None));
    let told = wrong.clone();
    std::thread::spawn(move || {
        for number in 1u64.. {
            let message = match next(&mut source) {
                Ok(None) => return,
                Ok(Some(line)) if form != Form::Raw && line.trim_ascii().is_empty() => continue,
                Ok(Some(line)) => form
                    .payload(strip_end(&line))
                    .and_then(|message| encode(types.as_ref(), message))
                    .map_err(|wrong| wrong.failure_of_line(number, &of)),
                Err(error) => Err(Failure::usage(format!("line {number} of {of} cannot be read: {error}"))),
            };
            let item = message.map_err(|failure| {
                *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
                Status::cancelled("a message of the request cannot be sent")
            });
            let last = item.is_err();
            if sender.blocking_send(item).is_err() || last {
                return;
            }
        }
    });
    Lines { stream, wrong }
}

fn next(source: &mut Box<dyn BufRead + Send>) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    source.by_ref().take(LONGEST as u64 + 1).read_until(b'\n', &mut line)?;
    match line.len() {
        0 => Ok(None),
        length if length > LONGEST => Err(io::Error::other(format!("it is longer than {} MiB", LONGEST >> 20))),
        _ => Ok(Some(line)),
    }
}

fn strip_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    async fn all(text: &'static str) -> (Vec<String>, Option<String>) {
        let mut lines = start(Box::new(Cursor::new(text)), "x".to_owned(), Form::Json, None);
        let mut seen = Vec::new();
        while let Some(Ok(message)) = lines.stream.next().await {
            seen.push(String::from_utf8(message.bytes().expect("bytes").to_vec()).expect("text"));
        }
        let wrong = lines.wrong.lock().expect("no panic").take();
        (seen, wrong.map(|failure| failure.message))
    }

    #[tokio::test]
    async fn each_line_is_a_message_and_empty_ones_are_passed_over() {
        let (seen, wrong) = all("{\"a\":1}\r\n\n  \n{\"a\":2}").await;
        assert_eq!(seen, ["{\"a\":1}", "{\"a\":2}"]);
        assert_eq!(wrong, None);
    }

    #[tokio::test]
    async fn a_wrong_line_is_named_and_ends_the_messages() {
        let (seen, wrong) = all("{\"a\":1}\n\n{\"a\":}\n{\"a\":3}\n").await;
        assert_eq!(seen, ["{\"a\":1}"]);
        assert_eq!(wrong.as_deref(), Some("line 3 of x cannot be sent: column 6: expected value"));
    }
}

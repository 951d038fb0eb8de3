//! The answering side of a conversation with streams, without the socket.

use bytes::{Bytes, BytesMut};
use motet_core::Map;
use motet_protocol_jsonrpc::{ErrorObject, Framing, FramingError, Id, Response, Session, SessionRequest, Version};

use crate::{
    WebSocketConfig,
    wire::{Note, Options},
};

/// The longest id of a request, as text.
const MAX_ID: usize = 256;

/// The answering side of a conversation: messages in, events out; outcomes in, text out.
///
/// What JSON-RPC says is [`Session`]'s; this adds the streams: which call a message belongs to, who may
/// send how many, and what is said too late. A call is known by the text of its id until it is answered.
#[derive(Debug)]
pub struct StreamSession {
    limits: SessionLimits,
    session: Session,
    calls: Map<u64, Open>,
    ids: Map<Bytes, u64>,
}

/// What a peer may ask of a [`StreamSession`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionLimits {
    /// How deep a message may nest: 100.
    pub max_depth: usize,
    /// How many requests a batch may hold: 100.
    pub max_batch: usize,
    /// How many messages of a stream the peer may send before more are asked for: 32.
    pub window: u32,
}

impl Default for SessionLimits {
    fn default() -> SessionLimits {
        SessionLimits::of(&WebSocketConfig::default())
    }
}

impl SessionLimits {
    pub(crate) fn of(config: &WebSocketConfig) -> SessionLimits {
        let window = u32::try_from(config.window()).unwrap_or(u32::MAX);
        SessionLimits { max_depth: config.max_depth, max_batch: config.max_batch, window }
    }
}

/// What a message asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A call is to be run.
    Call(Box<Asked>),
    /// A message of the caller's stream.
    Message {
        /// The call.
        token: u64,
        /// The message, as JSON.
        message: Bytes,
    },
    /// The caller's stream has ended.
    End {
        /// The call.
        token: u64,
    },
    /// The caller is no longer interested; the call is to be ended and answered.
    Cancel {
        /// The call.
        token: u64,
    },
    /// The caller takes so many more messages.
    Credit {
        /// The call.
        token: u64,
        /// How many.
        credit: u32,
    },
    /// The caller broke a rule of streams: the call is to be ended and answered with an error.
    Broken {
        /// The call.
        token: u64,
        /// The rule.
        rule: &'static str,
    },
}

/// A call that is to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Asked {
    /// What [`StreamSession::answer`] wants to hear; of no meaning for notifications.
    pub token: u64,
    /// The text of the id; empty for a notification.
    pub id: Bytes,
    /// The method, such as `greeter/hello` or `Greeter.Hello`.
    pub method: String,
    /// The parameters as JSON.
    pub params: Option<Bytes>,
    /// Nobody waits for an answer.
    pub notification: bool,
    /// What else the caller says.
    pub options: Options,
}

#[derive(Debug)]
struct Open {
    id: Bytes,
    messages: Messages,
}

/// What the caller's stream is up to.
#[derive(Clone, Copy, Debug)]
enum Messages {
    /// There is none.
    None,
    /// So many more may come.
    Open(u32),
    Ended,
}

impl StreamSession {
    /// A session within these limits.
    pub fn new(limits: SessionLimits) -> StreamSession {
        StreamSession { limits, session: Session::new(limits.max_batch), calls: Map::default(), ids: Map::default() }
    }

    /// How many calls wait for their answer.
    pub fn open(&self) -> usize {
        self.calls.len()
    }

    /// Takes one message in, and appends what can be answered at once to `out`.
    pub fn receive(&mut self, text: Bytes, out: &mut BytesMut) -> Vec<Event> {
        let text = match self.shape(text) {
            Ok(text) => text,
            Err(FramingError::TooDeep(limit)) => {
                // Whatever its id is, it is too deep to be looked for.
                let error = ErrorObject::new(
                    ErrorObject::INVALID_REQUEST,
                    format!("Invalid Request: it nests deeper than {limit}"),
                );
                refuse(error, out);
                return Vec::new();
            }
            Err(_) => {
                Session::parse_error(out);
                return Vec::new();
            }
        };
        if serde_json::from_slice::<&serde_json::value::RawValue>(&text).is_err() {
            Session::parse_error(out);
            return Vec::new();
        }
        let Ok(requests) = self.session.receive(text, out) else {
            Session::invalid_request(out);
            return Vec::new();
        };
        requests.into_iter().filter_map(|request| self.request(request, out)).collect()
    }

    /// Says that a call takes a stream of messages.
    pub fn takes_messages(&mut self, token: u64) {
        if let Some(open) = self.calls.get_mut(&token) {
            open.messages = Messages::Open(self.limits.window);
        }
    }

    /// Lets the caller send so many more messages, and appends the text that tells it.
    pub fn grant(&mut self, token: u64, credit: u32, out: &mut BytesMut) {
        if let Some(Open { id, messages: Messages::Open(room) }) = self.calls.get_mut(&token) {
            *room = room.saturating_add(credit);
            out.extend_from_slice(&Note::Credit(credit).write(id));
        }
    }

    /// Keeps no memory while no call is open: a connection at rest is to cost little.
    pub fn rest(&mut self) {
        if self.calls.is_empty() && self.calls.capacity() > 0 {
            (self.calls, self.ids) = Default::default();
        }
        self.session.rest();
    }

    /// Appends the answer to a call, or keeps it until its batch is complete. A token that is not open is
    /// passed over.
    pub fn answer(
        &mut self,
        token: u64,
        outcome: Result<Bytes, ErrorObject>,
        extension: Option<Bytes>,
        out: &mut BytesMut,
    ) {
        if let Some(open) = self.calls.remove(&token) {
            self.ids.remove(&open.id);
        }
        self.session.answer_with(token, outcome, extension, out);
    }

    /// One JSON value with nothing but white space around it, no deeper than allowed.
    fn shape(&self, text: Bytes) -> Result<Bytes, FramingError> {
        let mut framing = Framing::new(usize::MAX, self.limits.max_depth);
        let mut rest = BytesMut::from(text);
        let value = framing.next(&mut rest)?.ok_or(FramingError::Syntax)?;
        if rest.trim_ascii().is_empty() { Ok(value) } else { Err(FramingError::Syntax) }
    }

    fn request(&mut self, request: SessionRequest, out: &mut BytesMut) -> Option<Event> {
        let SessionRequest { token, version, method, params, notification, id, extension } = request;
        if version == Version::V1 {
            let error = ErrorObject::new(ErrorObject::INVALID_REQUEST, "Invalid Request: \"jsonrpc\" must be \"2.0\"");
            self.session.disown(token, error, out);
            return None;
        }
        if let Some(id) = &id {
            let refusal = match id.as_json() {
                id if id.len() > MAX_ID => Some("the id is longer than 256 bytes"),
                id if self.ids.contains_key(id) => Some("the id is that of a call that still runs"),
                _ => None,
            };
            if let Some(reason) = refusal {
                let text = format!("Invalid Request: {reason}");
                self.session.disown(token, ErrorObject::new(ErrorObject::INVALID_REQUEST, text), out);
                return None;
            }
        }
        if method.starts_with("rpc.") {
            if !notification {
                let error = ErrorObject::new(ErrorObject::METHOD_NOT_FOUND, "Method not found");
                self.session.answer(token, Err(error), out);
                return None;
            }
            let (id, note) = Note::parse(&method, params.as_ref())?;
            let token = *self.ids.get(&id)?;
            return self.note(token, note);
        }
        let options = match Options::parse(extension.as_ref()) {
            Ok(options) => options,
            Err(status) => {
                let error = ErrorObject::new(ErrorObject::INVALID_PARAMS, status.message());
                self.session.answer(token, Err(error), out);
                return None;
            }
        };
        // A copy: the id is kept while the call runs, the message is not.
        let id = id.map(|id| Bytes::copy_from_slice(id.as_json()));
        if let Some(id) = &id {
            self.calls.insert(token, Open { id: id.clone(), messages: Messages::None });
            self.ids.insert(id.clone(), token);
        }
        let id = id.unwrap_or_default();
        Some(Event::Call(Box::new(Asked { token, id, method, params, notification, options })))
    }

    fn note(&mut self, token: u64, note: Note) -> Option<Event> {
        let open = self.calls.get_mut(&token)?;
        let broken = |rule| Some(Event::Broken { token, rule });
        match (note, &mut open.messages) {
            (Note::Message(message), Messages::Open(room)) => match room.checked_sub(1) {
                Some(left) => {
                    *room = left;
                    Some(Event::Message { token, message })
                }
                None => broken("more messages were sent than were asked for"),
            },
            (Note::Message(_), Messages::Ended) => broken("a message came after rpc.end"),
            (Note::Message(_), Messages::None) => broken("this method takes no stream of messages"),
            (Note::End, messages @ Messages::Open(_)) => {
                *messages = Messages::Ended;
                Some(Event::End { token })
            }
            (Note::End, _) => None,
            (Note::Cancel, _) => Some(Event::Cancel { token }),
            (Note::Credit(credit), _) => Some(Event::Credit { token, credit }),
            (Note::Head(_), _) => broken("rpc.head comes from servers only"),
        }
    }
}

/// An answer to what has no id.
fn refuse(error: ErrorObject, out: &mut BytesMut) {
    Response { version: Version::V2, id: Id::null(), outcome: Err(error), extension: None }.write(out);
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Talk {
        session: StreamSession,
        out: BytesMut,
    }

    impl Talk {
        fn new(window: u32) -> Talk {
            let limits = SessionLimits { window, ..SessionLimits::default() };
            Talk { session: StreamSession::new(limits), out: BytesMut::new() }
        }

        fn say(&mut self, text: &str) -> Vec<Event> {
            self.session.receive(Bytes::copy_from_slice(text.as_bytes()), &mut self.out)
        }

        fn note(&mut self, name: &str, rest: &str) -> Vec<Event> {
            self.say(&format!(r#"{{"jsonrpc":"2.0","method":"rpc.{name}","params":{{"id":1{rest}}}}}"#))
        }

        /// A call with the id 1 that takes a stream.
        fn call(&mut self) -> u64 {
            let events = self.say(r#"{"jsonrpc":"2.0","method":"a/b","id":1}"#);
            let [Event::Call(asked)] = &events[..] else { panic!("{events:?}") };
            self.session.takes_messages(asked.token);
            asked.token
        }

        fn heard(&mut self) -> String {
            String::from_utf8(self.out.split().trim_ascii().to_vec()).expect("text")
        }
    }

    fn rule(events: &[Event]) -> &'static str {
        let [Event::Broken { rule, .. }] = events else { panic!("{events:?}") };
        rule
    }

    #[test]
    fn a_stream_goes_through_messages_end_and_answer() {
        let mut talk = Talk::new(2);
        let token = talk.call();
        let message = Bytes::from(r#"{"a":[null]}"#);
        assert_eq!(talk.note("message", r#","message":{"a":[null]}"#), [Event::Message { token, message }]);
        assert_eq!(talk.note("credit", r#","credit":3"#), [Event::Credit { token, credit: 3 }]);
        assert_eq!(talk.note("end", ""), [Event::End { token }]);
        talk.session.answer(token, Ok(Bytes::from("7")), None, &mut talk.out);
        assert_eq!(talk.heard(), r#"{"jsonrpc":"2.0","result":7,"id":1}"#);
        assert_eq!(talk.session.open(), 0);
    }

    #[test]
    fn who_sends_more_than_was_asked_for_breaks_the_call() {
        let mut talk = Talk::new(2);
        let token = talk.call();
        for _ in 0..2 {
            assert_eq!(talk.note("message", r#","message":1"#).len(), 1);
        }
        assert!(rule(&talk.note("message", r#","message":1"#)).contains("more messages"));
        talk.session.grant(token, 1, &mut talk.out);
        assert_eq!(talk.heard(), r#"{"jsonrpc":"2.0","method":"rpc.credit","params":{"id":1,"credit":1}}"#);
        assert!(matches!(talk.note("message", r#","message":1"#)[..], [Event::Message { .. }]));
    }

    #[test]
    fn what_comes_after_the_end_breaks_the_call_and_a_second_end_says_nothing() {
        let mut talk = Talk::new(2);
        talk.call();
        talk.note("end", "");
        assert!(talk.note("end", "").is_empty());
        assert!(rule(&talk.note("message", r#","message":1"#)).contains("after rpc.end"));
    }

    #[test]
    fn messages_for_a_method_that_takes_none_break_the_call() {
        let mut talk = Talk::new(2);
        talk.say(r#"{"jsonrpc":"2.0","method":"a/b","id":1}"#);
        assert!(rule(&talk.note("message", r#","message":1"#)).contains("no stream"));
    }

    #[test]
    fn what_is_said_of_unknown_calls_is_passed_over() {
        let mut talk = Talk::new(2);
        for (name, rest) in
            [("message", r#","message":1"#), ("end", ""), ("cancel", ""), ("credit", r#","credit":1"#), ("nothing", "")]
        {
            assert!(talk.note(name, rest).is_empty());
        }
        assert_eq!(talk.heard(), "");
    }

    #[test]
    fn an_id_is_in_use_until_its_answer() {
        let mut talk = Talk::new(2);
        let token = talk.call();
        assert!(talk.say(r#"{"jsonrpc":"2.0","method":"a/b","id":1}"#).is_empty());
        let heard = talk.heard();
        assert!(heard.contains("still runs") && heard.ends_with(r#""id":null}"#), "{heard}");
        talk.session.answer(token, Ok(Bytes::from("7")), None, &mut talk.out);
        talk.heard();
        assert_eq!(talk.say(r#"{"jsonrpc":"2.0","method":"a/b","id":1}"#).len(), 1);
        let long = "x".repeat(300);
        assert!(talk.say(&format!(r#"{{"jsonrpc":"2.0","method":"a/b","id":"{long}"}}"#)).is_empty());
        assert!(talk.heard().contains("longer than 256"));
    }

    #[test]
    fn an_id_in_use_twice_in_a_batch_is_answered_within_it() {
        let mut talk = Talk::new(2);
        let call = r#"{"jsonrpc":"2.0","method":"a/b","id":1}"#;
        let events = talk.say(&format!("[{call},{call}]"));
        let [Event::Call(asked)] = &events[..] else { panic!("{events:?}") };
        talk.session.answer(asked.token, Ok(Bytes::from("7")), None, &mut talk.out);
        let heard = talk.heard();
        assert!(heard.starts_with('[') && heard.contains(r#""id":null"#) && heard.contains(r#""id":1"#), "{heard}");
    }

    #[test]
    fn text_that_is_no_json_or_too_deep_is_answered() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for (text, code) in [
            ("{\"jsonrpc\"", "-32700"),
            ("", "-32700"),
            ("7", "-32700"),
            ("{} {}", "-32700"),
            ("{\"a\":tru}", "-32700"),
            ("[]", "-32600"),
            ("{}", "-32600"),
            (r#"{"jsonrpc":"2.0","result":1,"id":1}"#, "-32600"),
            (&*deep, "-32600"),
        ] {
            let mut talk = Talk::new(2);
            assert!(talk.say(text).iter().all(|event| !matches!(event, Event::Message { .. })));
            let heard = talk.heard();
            assert!(heard.contains(code), "{}: {heard}", &text[..text.len().min(40)]);
        }
    }

    #[test]
    fn of_a_batch_that_is_too_long_nothing_runs() {
        let mut talk = Talk::new(2);
        let call = r#"{"jsonrpc":"2.0","method":"a/b","id":1},"#.repeat(100_000);
        assert!(talk.say(&format!("[{}]", call.trim_end_matches(','))).is_empty());
        assert!(talk.heard().contains("at most 100 requests"));
    }

    #[test]
    fn options_that_make_no_sense_are_answered() {
        let mut talk = Talk::new(2);
        assert!(talk.say(r#"{"jsonrpc":"2.0","method":"a/b","id":1,"motet":{"timeout_ms":"x"}}"#).is_empty());
        assert!(talk.heard().contains("-32602"));
        assert_eq!(talk.session.open(), 0);
    }
}

//! Much at once, and what is heard of it.

use std::collections::BTreeMap;

use motet_core::Code;
use motet_rpc::native::wire::{self, Cursor, kind};
use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinHandle};

use crate::{
    hostile::{Heard, stream_of},
    target::timed,
};

/// The stream of the last call of a storm.
pub(crate) const LAST: u64 = 1_000_001;

/// What an attacker has heard.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// How many frames of each type.
    pub(crate) frames: BTreeMap<u8, usize>,
    /// How many calls ended with each code, and what the last one was told.
    pub(crate) ends: BTreeMap<&'static str, (usize, String)>,
    pub(crate) goaway: Option<(u8, String)>,
    /// Whether the call [`LAST`] was answered.
    pub(crate) answered: bool,
    pub(crate) closed: bool,
}

impl Told {
    /// How many calls ended with this code.
    pub(crate) fn ended(&self, code: Code) -> usize {
        self.ends.get(code.name()).map_or(0, |(count, _)| *count)
    }

    /// What the last call that ended with this code was told.
    pub(crate) fn text(&self, code: Code) -> &str {
        self.ends.get(code.name()).map_or("", |(_, text)| text)
    }

    fn note(&mut self, kind: u8, payload: &[u8]) {
        *self.frames.entry(kind).or_default() += 1;
        match kind {
            kind::GOAWAY => {
                let goaway = wire::read_goaway(payload).expect("well-formed");
                self.goaway = Some((goaway.code, goaway.reason));
            }
            kind::END => {
                let mut cursor = Cursor::new(payload);
                let stream = cursor.varint().expect("a stream");
                let status = wire::read_end(&mut cursor).expect("well-formed").status.expect("a failure");
                let (count, text) = self.ends.entry(status.code.name()).or_default();
                (*count, *text) = (*count + 1, status.message);
                self.answered |= stream == LAST;
            }
            kind::REPLY => self.answered |= stream_of(payload) == LAST,
            _ => {}
        }
    }
}

/// A connection on which bytes go out while others come in.
pub(crate) struct Storm {
    heard: Heard,
    writing: JoinHandle<()>,
    pub(crate) told: Told,
}

impl Storm {
    /// Sends these bytes as fast as they are taken.
    pub(crate) async fn begin(address: &str, bytes: Vec<u8>) -> Storm {
        let io = TcpStream::connect(address).await.expect("it listens").into_std().expect("registered");
        let second = io.try_clone().expect("a descriptor");
        let mut writer = TcpStream::from_std(second).expect("a socket");
        let heard = Heard::new(TcpStream::from_std(io).expect("a socket"));
        let writing = tokio::spawn(async move {
            // Whoever is attacked may well close.
            let _ = writer.write_all(&bytes).await;
        });
        Storm { heard, writing, told: Told::default() }
    }

    /// Hears until that is enough, or the other side closes.
    pub(crate) async fn hear(&mut self, name: &str, enough: impl Fn(&Told) -> bool) -> &Told {
        while !enough(&self.told) {
            match timed(name, self.heard.frame()).await {
                Some((kind, payload)) => self.told.note(kind, &payload),
                None => {
                    self.told.closed = true;
                    break;
                }
            }
        }
        &self.told
    }

    /// Hears until the other side closes.
    pub(crate) async fn until_closed(mut self, name: &str) -> Told {
        self.hear(name, |_| false).await;
        std::mem::take(&mut self.told)
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        self.writing.abort();
    }
}

/// What is told on the way out, for people.
pub(crate) fn goaway(told: &Told) -> String {
    match &told.goaway {
        Some((code, reason)) => format!("GOAWAY {code} \"{reason}\""),
        None => "closed".to_owned(),
    }
}

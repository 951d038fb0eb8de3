//! Agreeing on permessage-deflate (RFC 7692, section 7.1).

use std::fmt::Write;

use super::headers::split;
use crate::{config::CompressionConfig, deflate::Agreement};

const NAME: &str = "permessage-deflate";

/// The parameters of one offer or answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Params {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    /// `Some(None)`: without a value, as only an offer may have it.
    client_max_window_bits: Option<Option<u8>>,
}

/// The rule that parameters break.
pub(super) type Broken = &'static str;

impl Params {
    /// Reads one element of Sec-WebSocket-Extensions; `None` if it is another extension.
    pub(super) fn parse(element: &str) -> Option<Result<Params, Broken>> {
        let mut parts = split(element, ';');
        let name = parts.next()?;
        name.eq_ignore_ascii_case(NAME).then(|| {
            let mut params = Params::default();
            parts.try_for_each(|part| params.set(part)).map(|()| params)
        })
    }

    fn set(&mut self, part: &str) -> Result<(), Broken> {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name.trim(), Some(unquoted(value.trim()))),
            None => (part, None),
        };
        const REPEATED: Broken = "a parameter of permessage-deflate is repeated";
        match (name, value) {
            ("server_no_context_takeover", None) if !self.server_no_context_takeover => {
                self.server_no_context_takeover = true;
            }
            ("client_no_context_takeover", None) if !self.client_no_context_takeover => {
                self.client_no_context_takeover = true;
            }
            ("server_max_window_bits", Some(bits)) if self.server_max_window_bits.is_none() => {
                self.server_max_window_bits = Some(window_bits(bits)?);
            }
            ("client_max_window_bits", bits) if self.client_max_window_bits.is_none() => {
                self.client_max_window_bits = Some(bits.map(window_bits).transpose()?);
            }
            ("server_no_context_takeover" | "client_no_context_takeover", Some(_)) => {
                return Err("a context takeover parameter of permessage-deflate has a value");
            }
            ("server_max_window_bits", None) => return Err("server_max_window_bits has no value"),
            (
                "server_no_context_takeover"
                | "client_no_context_takeover"
                | "server_max_window_bits"
                | "client_max_window_bits",
                _,
            ) => return Err(REPEATED),
            _ => return Err("a parameter of permessage-deflate is unknown"),
        }
        Ok(())
    }

    /// What a client offers.
    pub(super) fn offer(config: &CompressionConfig) -> Params {
        let (own, peer) = (bits(config.own_max_window_bits), bits(config.peer_max_window_bits));
        Params {
            server_no_context_takeover: config.peer_no_context_takeover,
            client_no_context_takeover: config.own_no_context_takeover,
            server_max_window_bits: (peer < 15).then_some(peer),
            // Offered always: it says that the server may ask for a smaller window.
            client_max_window_bits: Some((own < 15).then_some(own)),
        }
    }

    /// What a server answers to this offer, and what both have agreed on then.
    pub(super) fn answer(&self, config: &CompressionConfig) -> (Params, Agreement) {
        let own = bits(config.own_max_window_bits).min(self.server_max_window_bits.unwrap_or(15));
        // A client that does not say that it can have a smaller window is not asked to.
        let peer = self
            .client_max_window_bits
            .map_or(15, |offered| bits(config.peer_max_window_bits).min(offered.unwrap_or(15)));
        let agreement = Agreement {
            own_no_context_takeover: config.own_no_context_takeover || self.server_no_context_takeover,
            peer_no_context_takeover: config.peer_no_context_takeover || self.client_no_context_takeover,
            own_window_bits: own,
            peer_window_bits: peer,
        };
        let answer = Params {
            server_no_context_takeover: agreement.own_no_context_takeover,
            client_no_context_takeover: agreement.peer_no_context_takeover,
            server_max_window_bits: (own < 15 || self.server_max_window_bits.is_some()).then_some(own),
            client_max_window_bits: (peer < 15).then_some(Some(peer)),
        };
        (answer, agreement)
    }

    /// What a client that offered these parameters has agreed on by this answer.
    pub(super) fn agree(&self, answer: &Params, config: &CompressionConfig) -> Result<Agreement, Broken> {
        if self.server_no_context_takeover && !answer.server_no_context_takeover {
            return Err("the server does not promise server_no_context_takeover");
        }
        let peer = match (self.server_max_window_bits, answer.server_max_window_bits) {
            (Some(offered), Some(answered)) if answered <= offered => answered,
            (Some(_), _) => return Err("the server does not promise server_max_window_bits as offered"),
            (None, answered) => answered.unwrap_or(15),
        };
        let own = bits(config.own_max_window_bits);
        let own = match answer.client_max_window_bits {
            None => own,
            Some(Some(answered)) => answered.min(own),
            Some(None) => return Err("the server's client_max_window_bits has no value"),
        };
        Ok(Agreement {
            own_no_context_takeover: config.own_no_context_takeover || answer.client_no_context_takeover,
            peer_no_context_takeover: answer.server_no_context_takeover,
            own_window_bits: own,
            peer_window_bits: peer,
        })
    }

    /// The element of Sec-WebSocket-Extensions.
    pub(super) fn to_element(self) -> String {
        let mut element = NAME.to_owned();
        let mut add = |name: &str, bits: Option<u8>| {
            // Writing to a String never fails.
            let _ = match bits {
                Some(bits) => write!(element, "; {name}={bits}"),
                None => write!(element, "; {name}"),
            };
        };
        if self.server_no_context_takeover {
            add("server_no_context_takeover", None);
        }
        if self.client_no_context_takeover {
            add("client_no_context_takeover", None);
        }
        if let Some(bits) = self.server_max_window_bits {
            add("server_max_window_bits", Some(bits));
        }
        if let Some(bits) = self.client_max_window_bits {
            add("client_max_window_bits", bits);
        }
        element
    }
}

fn bits(configured: u8) -> u8 {
    configured.clamp(8, 15)
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

fn window_bits(value: &str) -> Result<u8, Broken> {
    match value {
        "8" => Ok(8),
        "9" => Ok(9),
        "10" => Ok(10),
        "11" => Ok(11),
        "12" => Ok(12),
        "13" => Ok(13),
        "14" => Ok(14),
        "15" => Ok(15),
        _ => Err("a window of permessage-deflate is not from 8 to 15"),
    }
}

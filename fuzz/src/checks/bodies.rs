//! Bodies, records and settings.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use motet_app::Config;
use motet_core::{Codec, MessageType};

/// A message with a field of every kind.
#[motet::message]
#[derive(Clone, Debug, PartialEq)]
pub struct Rich {
    pub text: String,
    pub small: u8,
    pub signed: i64,
    #[motet(zigzag)]
    pub zigzag: i32,
    #[motet(fixed)]
    pub fixed: u64,
    pub ratio: f64,
    pub letter: char,
    pub bytes: Vec<u8>,
    pub key: [u8; 4],
    pub list: Vec<u32>,
    pub texts: Vec<String>,
    pub map: BTreeMap<u32, Child>,
    pub labels: BTreeMap<String, String>,
    pub choice: Option<Choice>,
    pub color: Color,
    pub pair: (u32, String),
    pub address: Option<std::net::IpAddr>,
    pub child: Option<Box<Child>>,
    pub nothing: (),
}

#[motet::message]
#[derive(Clone, Debug, PartialEq)]
pub struct Child {
    pub name: String,
    pub children: Vec<Child>,
}

#[motet::message]
#[derive(Clone, Debug, PartialEq)]
pub enum Choice {
    Nothing,
    Number(u64),
    Pair(u32, Color),
    Child { child: Child, times: Option<u32> },
}

#[motet::message]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Color {
    Red,
    Green,
    #[motet(other)]
    Other,
}

/// What was read can be written, and reads as the same; what was refused is not quoted.
fn body(codec: &Codec, data: &[u8]) {
    let message = MessageType::<Rich>::serde();
    match message.decode(codec, &Bytes::copy_from_slice(data)) {
        Ok(value) => {
            let mut out = BytesMut::new();
            if message.encode(&value, codec, &mut out).is_err() {
                return;
            }
            // Not a number is not equal to itself.
            if !value.ratio.is_nan() && (value.ratio.is_finite() || *codec != Codec::JSON) {
                assert_eq!(message.decode(codec, &out.freeze()).as_ref(), Ok(&value));
            }
        }
        Err(status) => assert!(!status.message().contains("hunter2"), "{status}"),
    }
}

/// JSON.
pub fn json(data: &[u8]) {
    body(&Codec::JSON, data);
}

/// MessagePack.
pub fn msgpack(data: &[u8]) {
    body(&Codec::MSGPACK, data);
}

/// Protobuf.
pub fn protobuf(data: &[u8]) {
    body(&Codec::PROTOBUF, data);
}

/// A record of the file registry: the file's name, a line feed, and its content.
pub fn registry_record(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == b'\n');
    let (name, bytes) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    motet_registry_file::__fuzz::record(&String::from_utf8_lossy(name), bytes);
}

/// A configuration file.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(config) = Config::toml(text) {
        let _ = config.get::<motet_rpc::ServerConfig>("server");
        let _ = config.get::<motet_rpc::ClientConfig>("client");
        let _ = config.get::<motet_rpc::NativeConfig>("protocols.motet");
        let _ = config.get::<u64>(text.get(..16).unwrap_or_default());
    }
}

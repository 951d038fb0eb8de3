//! What nodes and the registry say to each other: JSON, each message behind its length.

use std::io::{self, ErrorKind};

use motet_core::Node;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The longest message.
const LONGEST: usize = 4 << 20;

/// What a node says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Ask {
    /// Record this node.
    Put { number: u64, owner: String, ttl_ms: u64, node: Node },
    /// Delete this record.
    Remove { number: u64, owner: String, service: String, id: String },
    /// Which nodes are there, of one service or of all?
    Nodes { number: u64, service: Option<String> },
    /// Tell me the nodes of this service, now and whenever they change.
    Watch { service: String },
    /// I am alive, and these records, by service and id, are mine.
    Beat { owner: String, records: Vec<(String, String)> },
}

/// What the registry says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Tell {
    /// It is done.
    Done { number: u64 },
    /// The id belongs to another.
    Taken { number: u64 },
    /// These nodes are there.
    Nodes { number: u64, nodes: Vec<Node> },
    /// These are the nodes of a service that is watched.
    Watched { service: String, nodes: Vec<Node> },
    /// You have been heard.
    Beat,
}

/// Writes a message.
pub(super) async fn write<T: Serialize>(io: &mut (impl AsyncWrite + Unpin), message: &T) -> io::Result<()> {
    let text = serde_json::to_vec(message)?;
    let length = u32::try_from(text.len()).map_err(|_| io::Error::from(ErrorKind::InvalidData))?;
    let bytes = [&length.to_be_bytes()[..], &text].concat();
    io.write_all(&bytes).await?;
    io.flush().await
}

/// Reads a message. Not cancel safe.
pub(super) async fn read<T: DeserializeOwned>(io: &mut (impl AsyncRead + Unpin)) -> io::Result<T> {
    let length = io.read_u32().await? as usize;
    if length > LONGEST {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut text = vec![0; length];
    io.read_exact(&mut text).await?;
    Ok(serde_json::from_slice(&text)?)
}

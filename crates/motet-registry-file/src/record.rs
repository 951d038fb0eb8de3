//! What is in a file, and what the file is called. Nothing here touches the disk.

use motet_core::{Node, Result, Status, check_node};
use serde::{Deserialize, Serialize};

/// The longest record that is written or read, in bytes.
pub(crate) const MAX_RECORD: usize = 64 * 1024;

/// How the names of records end.
pub(crate) const SUFFIX: &str = ".node";

/// How the names of records begin while they are written.
pub(crate) const TEMPORARY: &str = ".tmp-";

/// The version that is written, and the only one that is read.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    /// For people who look into the folder.
    pid: u32,
    node: &'a Node,
}

#[derive(Deserialize)]
struct Head {
    version: u32,
}

#[derive(Deserialize)]
struct Body {
    node: Node,
}

/// The name of a node's file. Names of services and ids have neither `~` nor `/`, so that no two
/// nodes share one; those too long for a file name (255 bytes) are cut and told apart by a hash.
pub(crate) fn file_name(service: &str, id: &str) -> String {
    if service.len() + id.len() <= 200 {
        return format!("{service}~{id}{SUFFIX}");
    }
    let hash = fnv1a(&format!("{service}~{id}"));
    let cut = |text: &str| text.chars().take(64).collect::<String>();
    format!("{}~{}~{hash:016x}{SUFFIX}", cut(service), cut(id))
}

/// FNV-1a, 64 bits: the same in every build and version.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// The content of a node's file.
pub(crate) fn encode(node: &Node) -> Result<Vec<u8>> {
    check_node(node)?;
    let record = Written { version: VERSION, pid: std::process::id(), node };
    let bytes = serde_json::to_vec(&record)
        .map_err(|error| Status::internal("a node could not be written as JSON").with_source(error))?;
    if bytes.len() > MAX_RECORD {
        return Err(Status::invalid_argument(format!(
            "the record of node {} of {} has {} bytes, {MAX_RECORD} at most: shorten its metadata",
            node.id,
            node.service,
            bytes.len()
        )));
    }
    Ok(bytes)
}

/// The node in a file of this name. DataLoss says what is wrong, and quotes nothing of it.
pub(crate) fn decode(name: &str, bytes: &[u8]) -> Result<Node> {
    let malformed = |error: serde_json::Error| {
        Status::data_loss(format!("not a record: line {} column {}", error.line(), error.column()))
    };
    if bytes.len() > MAX_RECORD {
        return Err(Status::data_loss(format!("longer than {MAX_RECORD} bytes")));
    }
    let Head { version } = serde_json::from_slice(bytes).map_err(malformed)?;
    if version != VERSION {
        return Err(Status::data_loss(format!("a record of version {version}, where {VERSION} is understood")));
    }
    let Body { node } = serde_json::from_slice(bytes).map_err(malformed)?;
    check_node(&node).map_err(|_| Status::data_loss("a node without valid service, id or endpoint"))?;
    if file_name(&node.service, &node.id) != name {
        return Err(Status::data_loss("the record of another node than its name says"));
    }
    Ok(node)
}

#[cfg(test)]
mod tests {
    use motet_core::Endpoint;

    use super::*;

    fn node() -> Node {
        let mut endpoint = Endpoint::new("tcp", "127.0.0.1:4000");
        endpoint.tls = true;
        let mut node = Node::new("greeter", "a1").version("1.2.0").label("owner", "Zoë 🎵").endpoint(endpoint);
        node.zone = "eu-1".into();
        node.methods = vec!["hello".into()];
        node.descriptor_hash = "3f9a".into();
        node
    }

    #[test]
    fn a_record_has_these_bytes() {
        let golden = concat!(
            r#"{"version":1,"pid":PID,"node":{"service":"greeter","version":"1.2.0","id":"a1","#,
            r#""metadata":{"owner":"Zoë 🎵"},"zone":"eu-1","weight":100,"state":"active","descriptor_hash":"3f9a","#,
            r#""methods":["hello"],"endpoints":[{"transport":"tcp","address":"127.0.0.1:4000","tls":true,"#,
            r#""protocols":["motet"]}]}}"#
        )
        .replace("PID", &std::process::id().to_string());
        assert_eq!(String::from_utf8(encode(&node()).expect("fits")).expect("text"), golden);
        assert_eq!(decode("greeter~a1.node", golden.as_bytes()), Ok(node()));
    }

    #[test]
    fn fields_that_a_later_version_adds_are_passed_over() {
        let record = r#"{"new":1,"version":1,"node":{"service":"s","id":"i","endpoints":[{"address":"a","new":{}}]}}"#;
        assert_eq!(decode("s~i.node", record.as_bytes()).expect("read").endpoints[0].address, "a");
    }

    #[test]
    fn what_is_no_record_is_an_error_and_is_not_quoted() {
        let other = r#"{"version":2,"node":"hunter2"}"#;
        let nameless = r#"{"version":1,"node":{"service":"s","id":"","endpoints":[{"address":"hunter2"}]}}"#;
        let deep = "[".repeat(100_000);
        let long = format!(r#"{{"version":1,"x":"{}"}}"#, "x".repeat(MAX_RECORD));
        for bytes in ["", "hunter2", "\u{0}", "{}", "null", other, nameless, &deep, &long] {
            let status = decode("s~i.node", bytes.as_bytes()).expect_err("no record");
            assert!(!status.message().contains("hunter2"), "{status}");
        }
        let record = encode(&node()).expect("fits");
        assert!(decode("greeter~b1.node", &record).expect_err("copied").message().contains("another node"));
        (0..record.len()).for_each(|end| assert!(decode("greeter~a1.node", &record[..end]).is_err()));
    }

    #[test]
    fn a_record_that_readers_would_refuse_is_not_written() {
        let status = encode(&node().label("blob", "x".repeat(MAX_RECORD))).expect_err("too long");
        assert!(status.message().contains("shorten its metadata"), "{status}");
    }

    #[test]
    fn every_node_has_a_file_name_of_its_own_that_fits() {
        assert_eq!(file_name("greeter", "a1"), "greeter~a1.node");
        let long = "x".repeat(127);
        let names = [file_name(&long, &format!("{long}a")), file_name(&long, &format!("{long}b"))];
        assert_ne!(names[0], names[1]);
        assert!(names.iter().all(|name| name.len() <= 255 && name.ends_with(SUFFIX)));
    }
}

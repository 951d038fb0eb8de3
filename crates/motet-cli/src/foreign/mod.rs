//! Peers that are no Motet processes: what they say of themselves, in the way of their protocol.

mod reflection;

use std::{path::PathBuf, sync::Arc, time::Duration};

use motet::{
    Body, Client, Code, Codec, Context, MethodDescriptor, MethodOptions, Payload, Result, ServiceDescriptor, Status,
    core::HttpRoute,
};
use motet_proto::Types;
use serde::Deserialize;

use crate::{
    failure::{Failure, Outcome},
    url,
};

/// What the process at an address offers, where it does not answer `motet.meta`: over gRPC by
/// reflection, over HTTP by what Motet's services show there.
///
/// # Errors
/// Unimplemented where the protocol has no way to ask, or the peer does not know it; what else keeps it
/// from answering.
pub(crate) async fn describe(
    address: &str,
    client: &Client,
    cx: &Context,
    within: Duration,
) -> Result<Vec<Arc<ServiceDescriptor>>> {
    let asking = async {
        match url::protocol(address) {
            "grpc" => reflection::services(client, cx, within).await,
            "http" => shown(client, cx, within).await,
            other => Err(Status::unimplemented(format!("{other} has no way to ask what there is"))),
        }
    };
    let answer = tokio::time::timeout(within, asking).await;
    answer.unwrap_or_else(|_| Err(Status::deadline_exceeded(format!("{address} has not answered in time"))))
}

/// `GET /-/services`.
async fn shown(client: &Client, cx: &Context, within: Duration) -> Result<Vec<Arc<ServiceDescriptor>>> {
    #[derive(Deserialize)]
    struct Shown {
        services: Vec<Arc<ServiceDescriptor>>,
    }
    let service = client.service("services").configure(|options| {
        options.timeout = Some(within);
        options.retries = Some(0);
    });
    let body = Body::One(Payload::encoded("{}", Codec::JSON));
    let call = service.prepare(&by_http("services", "list", "GET", "/-/services"), cx, Codec::JSON, body)?;
    let reply = service.call(call).await?.body.one()?.bytes()?;
    let unknown = |_| Status::unimplemented("what it shows under /-/services is no list of services");
    Ok(serde_json::from_slice::<Shown>(&reply).map_err(unknown)?.services)
}

/// A method that HTTP serves under a path, of which nothing else is known.
pub(crate) fn by_http(service: &str, name: &str, verb: &str, path: &str) -> Arc<MethodDescriptor> {
    let mut options = MethodOptions::default();
    options.http.push(HttpRoute { verb: verb.to_owned(), path: path.to_owned() });
    Arc::new(MethodDescriptor::new(service, name).options(options))
}

/// The services of `.proto` files.
///
/// # Errors
/// What is wrong with a file.
pub(crate) fn of_files(files: &[PathBuf], includes: &[PathBuf]) -> Outcome<Vec<Arc<ServiceDescriptor>>> {
    let set = motet_build::descriptor_set(files, includes).map_err(|error| Failure::usage(error.to_string()))?;
    let types = Types::read(&set.into()).map_err(|status| Failure::usage(status.message().to_owned()))?;
    Ok(types.services().into_iter().map(Arc::new).collect())
}

/// Whether a status says that there is a process, but not that it can be asked what it has: it is none
/// of Motet's, or it does not tell this caller.
pub(crate) fn is_silence(protocol: &str, status: &Status) -> bool {
    match (protocol, status.code()) {
        (_, Code::PermissionDenied | Code::Unauthenticated | Code::Unimplemented | Code::NotFound) => true,
        ("motet", _) | (_, Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled) => false,
        // What else a stranger says to a question that it does not know.
        _ => true,
    }
}

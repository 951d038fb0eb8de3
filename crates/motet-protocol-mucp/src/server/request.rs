//! What a message asks for.

use std::time::Duration;

use bytes::Bytes;
use motet_core::{Dispatcher, Executed, Metadata, Result, Route, Status};

use super::{answer::Answer, debug::Debug};
use crate::wire::{self, Fields, Form, Said, metadata_of, name};

/// A call as it came.
pub(super) struct Request {
    pub(super) route: Route,
    pub(super) metadata: Metadata,
    pub(super) timeout: Option<Duration>,
    pub(super) message: Bytes,
    pub(super) one_way: bool,
}

/// Why a message is no call.
pub(super) enum NoCall {
    /// Its content type is not spoken: the answer is this text alone, as go-micro has it.
    Unspoken(String),
    /// It is answered with an error.
    Refused(Box<Answer>, Status),
}

/// Reads a message as a call, and how it is to be answered.
///
/// # Errors
/// [`NoCall`]
pub(super) fn read(
    fields: &Fields,
    body: &Bytes,
    dispatcher: &Dispatcher,
    debug: &Debug,
) -> Result<(Answer, Request), NoCall> {
    let form = Form::of(fields.get(name::CONTENT_TYPE), is_legacy(fields), dispatcher.codecs())
        .map_err(|status| NoCall::Unspoken(status.message().to_owned()))?;
    let mut answer = Answer::new(form, fields);
    let prepared = open(fields, body, &mut answer).and_then(|(endpoint, message)| {
        let route = route(&endpoint, fields, dispatcher, debug)?;
        let (metadata, timeout) = (metadata_of(fields)?, wire::timeout(fields));
        Ok(Request { route, metadata, timeout, message, one_way: fields.get(name::ONE_WAY).is_some() })
    });
    match prepared {
        Ok(request) => {
            request.route.method().service().clone_into(&mut answer.service);
            Ok((answer, request))
        }
        Err(status) => Err(NoCall::Refused(Box::new(answer), status.with_executed(Executed::No))),
    }
}

/// The endpoint and the message.
fn open(fields: &Fields, body: &Bytes, answer: &mut Answer) -> Result<(String, Bytes)> {
    let (said, message) = answer.form.open_request(body)?;
    let Said { method, id, .. } = said;
    let named = fields.micro(name::ENDPOINT).or_else(|| fields.micro(name::METHOD));
    let endpoint = named.map_or(method, str::to_owned);
    endpoint.clone_into(&mut answer.said.method);
    if answer.said.id.is_empty() {
        answer.said.id = id;
    }
    Ok((endpoint, message))
}

/// Whether its sender is of a version that had envelopes under the names of what is in them.
fn is_legacy(fields: &Fields) -> bool {
    let has = |name| fields.micro(name).is_some();
    let named = has(name::SERVICE) || has(name::METHOD) || has(name::ENDPOINT);
    !has(name::PROTOCOL) && (!named || has(name::TARGET))
}

fn route(endpoint: &str, fields: &Fields, dispatcher: &Dispatcher, debug: &Debug) -> Result<Route> {
    let of_service = || {
        let service = fields.micro(name::SERVICE)?;
        let services = dispatcher.services();
        let service = services.iter().find(|known| known.name == service)?;
        let method = service.methods.iter().find(|method| method.dotted() == endpoint)?;
        dispatcher.find(&method.path)
    };
    // Callers without a descriptor know a method by its path.
    let by_path = || dispatcher.find(&endpoint.replacen('.', "/", 1));
    if let Some(route) =
        dispatcher.find_dotted(endpoint).or_else(of_service).or_else(by_path).or_else(|| debug.find(endpoint))
    {
        return Ok(route);
    }
    let shown = |text: &str| text.chars().filter(|c| !c.is_control()).take(128).collect::<String>();
    let Some((service, method)) = endpoint.split_once('.').filter(|(_, method)| !method.contains('.')) else {
        return Err(Status::unimplemented(format!("rpc: service/endpoint request ill-formed: {}", shown(endpoint))));
    };
    let known = dispatcher.services().iter().any(|known| known.ident == service || known.name == service);
    Err(Status::unimplemented(match known || debug.is_name(service) {
        true => format!("rpc: can't find method {}", shown(method)),
        false => format!("rpc: can't find service {}", shown(service)),
    }))
}

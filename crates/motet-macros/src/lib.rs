//! The attribute and derive macros of Motet.
//!
//! Users find them in the `motet` facade, with the types that the expansions need.

mod main_attr;
mod message;
mod rpc_error;
mod service;

use proc_macro::TokenStream;

/// Makes a struct or an enum a message: serde, JSON Schema, binary protobuf and constraint checks.
///
/// ```
/// # use motet_macros::message;
/// # // Only this test needs `crate`: it runs without the facade.
/// #[message(crate = "motet_core")]
/// struct Greeting {
///     /// Who is greeted.
///     #[garde(length(min = 1, max = 40))]
///     name: String,
///     #[motet(sensitive)]
///     token: Option<String>,
/// }
/// ```
///
/// Put it above the type's `#[derive(…)]`, which must not list `Serialize`, `Deserialize` or
/// `JsonSchema`. Fields are numbered in the order of their declaration, from 1; an enum's variants
/// without data from 0. New fields go to the end, and a number is never used again.
///
/// On a field or variant:
///
/// - `#[motet(tag = 7)]` sets its number; those that follow count on from there.
/// - `#[motet(fixed)]` writes an integer in four or eight bytes, `#[motet(zigzag)]` as a varint that
///   is small near zero.
/// - `#[motet(bytes)]` says that a type is bytes where the macro cannot see it: `Vec<u8>` and
///   `[u8; N]` are known.
/// - `#[motet(shape = "String")]` says as what serde writes a foreign type, mostly with
///   `#[serde(with = "…")]`.
/// - `#[motet(sensitive)]` keeps a value out of `Debug`, and so of logs, and marks it in the schema.
/// - `#[motet(other)]`, on a last variant without data, takes in variants that are not known.
///
/// `#[garde(…)]` constraints are checked before a handler sees the value and stand in the schema:
/// `length`, `range`, `pattern`, `email`, `url`, `ip`, `ipv4`, `ipv6`, `ascii`, `alphanumeric`,
/// `contains`, `prefix`, `suffix`, `required`, `inner`. Messages inside are checked as well unless
/// the field has `#[garde(skip)]`.
///
/// `#[motet::message(crate = "path")]` takes Motet from `path` instead of `::motet`.
#[proc_macro_attribute]
pub fn message(args: TokenStream, item: TokenStream) -> TokenStream {
    message::expand(args.into(), item.into()).into()
}

/// Makes a trait a service: beside it stand `GreeterServer`, `GreeterClient` and `GreeterOneWay`.
///
/// ```ignore
/// #[motet::service(name = "greeter", version = "1.0.0")]
/// pub trait Greeter {
///     /// Says hello.
///     async fn hello(&self, cx: &Context, req: HelloRequest) -> Result<HelloReply, GreetError>;
///     async fn ticks(&self, cx: &Context, every_ms: u64) -> Result<Streaming<Tick>, Status>;
///     async fn upload(&self, cx: &Context, parts: Streaming<Part>) -> Result<Summary, Status>;
///     async fn chat(&self, cx: &Context, lines: Streaming<Line>) -> Result<Streaming<Line>, Status>;
/// }
/// ```
///
/// The trait is implemented with plain `async fn`; its futures are `Send`, and it gets
/// `Send + Sync + 'static` and an implementation for `Arc<T>`. `GreeterServer::new(MyGreeter)` is a
/// service; `GreeterClient::new(client)` implements the trait over the network, and
/// `GreeterClient::local(MyGreeter)` is the same type without one. Doc comments reach the descriptor.
///
/// A method without a body must be implemented, one with a body may be; the body then runs on the
/// server. Errors are `motet::Status` or a type with `#[derive(motet::RpcError)]`.
///
/// # Bodies
///
/// What travels is always an object. A lone argument or reply whose type is a `motet::Message`, such
/// as a struct with `#[motet::message]`, is the body itself; otherwise the arguments are the fields of
/// a request object, even when there is only one. Scalars and collections reply as `{"value": …}`,
/// `()` is the empty object. A `Streaming` argument stands alone.
///
/// # Options
///
/// - `name = "…"`: the service's name; the trait's name in snake case if left out.
/// - `version = "…"`: its version; the crate's if left out.
/// - `proto_name = "acme.v1.Cart"`: its full name in protobuf, in place of `<service>.<Trait>`.
/// - `descriptor_set = PATH`: a `&'static [u8]`, the encoded `FileDescriptorSet` of the `.proto` file that
///   declares it, in place of one that is made of its types. Generated traits have both.
/// - `codec = "proto"` takes prost types; `codec = "msgpack"` takes types that have serde and
///   JsonSchema only.
/// - `crate = path` takes Motet from `path` instead of `::motet`.
///
/// On a method, `#[method(…)]`:
///
/// - `name = "…"`: its name, if not the function's.
/// - `proto_name = "AddItem"`: its name in protobuf, if that is not its name in upper camel case.
/// - `timeout = "5s"` (`ms`, `s`, `m`, `h`): the time a call may take, in place of the client's.
/// - `idempotent`: it may be sent again; `safe`: it changes nothing.
/// - `http = "GET /hello/{name}"`: one more way in for HTTP; GET needs `safe`. May be repeated.
/// - `blocking`: runs on the blocking threads, and to its end.
/// - `serial`: one at a time with the other serial methods of the instance; a call whose caller leaves
///   is over before the next begins. At most 1,024 wait.
/// - `optional`: it need not be implemented and then answers Unimplemented.
/// - `deprecated`: callers should move away from it.
///
/// `#[motet(sensitive)]` on an argument keeps its value out of logs and tools.
#[proc_macro_attribute]
pub fn service(args: TokenStream, item: TokenStream) -> TokenStream {
    service::expand(args.into(), item.into()).into()
}

/// Makes an enum a typed error, which becomes a `motet::Status` on the server and is found again on
/// the client.
///
/// ```ignore
/// #[derive(Debug, motet::RpcError)]
/// enum GreetError {
///     #[rpc(code = InvalidArgument, message = "the name has {length} letters, at most {max} fit")]
///     NameTooLong { length: u32, max: u32 },
///     #[rpc(code = NotFound, message = "nobody here is called {0}")]
///     Unknown(String),
///     #[rpc(other)]
///     Other(motet::Status),
/// }
/// ```
///
/// Each variant has a code; its name becomes the reason, `GreetError.NameTooLong`, and its fields
/// the details, so they are what may stand in a message. Exactly one variant is `#[rpc(other)]` and
/// holds a `motet::Status`: all errors that are none of the others, such as a lost connection.
///
/// With messages given here, the derive also writes `Display`, `Error` and `From<Status>`: an enum
/// needs nothing else. Without any, `Display` is the enum's own, from thiserror for example, and its
/// text is the status's message.
///
/// `#[rpc(crate = path)]` on the enum takes Motet from `path` instead of `::motet`.
#[proc_macro_derive(RpcError, attributes(rpc))]
pub fn rpc_error(item: TokenStream) -> TokenStream {
    rpc_error::expand(item.into()).into()
}

/// Runs `async fn main` on a runtime: on this thread alone where there is one processor, else on as
/// many threads as there are. `#[motet::main(workers = 2)]` sets their number.
///
/// Where it returns a `Result`, an error is printed to standard error as people read it, `error: …`,
/// and the process ends with exit code 1. Other return types, and errors without `Display`, end as
/// those of an ordinary `main`.
#[proc_macro_attribute]
pub fn main(args: TokenStream, item: TokenStream) -> TokenStream {
    main_attr::expand(args.into(), item.into()).into()
}

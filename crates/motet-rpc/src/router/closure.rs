//! What a closure has to be.

use std::{future::Future, sync::Arc};

use motet_core::{
    ArgumentTuple, Body, BoxFuture, Call, Carried, Carry, Context, Executed, Handler, Portable, Reply, Result, Status,
    Streaming,
};

/// A closure of named arguments: `|cx: Context, name: String, times: u32| async move { Ok(…) }`. `A` is
/// the tuple of the arguments and `N` their number, which the compiler compares with that of the
/// names.
#[diagnostic::on_unimplemented(
    message = "this closure does not fit {N} named arguments",
    label = "expected `|cx: Context, …| async move {{ … }}`",
    note = "its arguments are the Context and then {N} values, each with its type, such as `name: String`",
    note = "each is a number, a text, a collection or a type with `#[motet::message]`, at most 8 in all",
    note = "it returns `Result<Reply, motet::Status>`: end it with `Ok(…)`"
)]
pub trait ArgumentsClosure<A, const N: usize>: Send + Sync + 'static {
    /// The arguments.
    type Arguments: ArgumentTuple;
    /// What it gives.
    type Reply: Carried;
    /// Its future.
    type Future: Future<Output = Result<Self::Reply>> + Send + 'static;

    /// Runs it.
    fn call(&self, cx: Context, arguments: Self::Arguments) -> Self::Future;

    /// The JSON schema of the request.
    fn schema(names: &[&'static str]) -> serde_json::Value {
        Self::Arguments::schema(names)
    }
}

macro_rules! closures {
    ($($len:literal: $($name:ident $local:ident),*;)+) => {$(
        #[diagnostic::do_not_recommend]
        impl<F, Fut, R, $($name: Portable),*> ArgumentsClosure<($($name,)*), $len> for F
        where
            F: Fn(Context, $($name),*) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = Result<R>> + Send + 'static,
            R: Carried,
        {
            type Arguments = ($($name,)*);
            type Reply = R;
            type Future = Fut;

            fn call(&self, cx: Context, ($($local,)*): ($($name,)*)) -> Fut {
                self(cx, $($local),*)
            }
        }
    )+};
}

closures! {
    0:;
    1: A a;
    2: A a, B b;
    3: A a, B b, C c;
    4: A a, B b, C c, D d;
    5: A a, B b, C c, D d, E e;
    6: A a, B b, C c, D d, E e, G g;
    7: A a, B b, C c, D d, E e, G g, H h;
    8: A a, B b, C c, D d, E e, G g, H h, I i;
}

/// What a closure with one reply returns.
#[diagnostic::on_unimplemented(
    message = "a closure returns `Result<Reply, motet::Status>`, not `{Self}`",
    label = "not such a `Result`",
    note = "end it with `Ok(…)`; other errors become a Status by `.map_err(|error| Status::internal(error.to_string()))`"
)]
pub trait ClosureReply {
    /// The reply.
    type Reply: Carried;

    /// The result.
    ///
    /// # Errors
    /// The closure's.
    fn into_result(self) -> Result<Self::Reply>;
}

impl<R: Carried> ClosureReply for Result<R> {
    type Reply = R;

    fn into_result(self) -> Result<R> {
        self
    }
}

/// What a closure with a reply stream returns.
#[diagnostic::on_unimplemented(
    message = "a closure with many replies returns `Result<Streaming<Item>, motet::Status>`, not `{Self}`",
    label = "not such a `Result`"
)]
pub trait ClosureStream {
    /// One reply.
    type Item: Carried;

    /// The result.
    ///
    /// # Errors
    /// The closure's.
    fn into_stream(self) -> Result<Streaming<Self::Item>>;
}

impl<R: Carried> ClosureStream for Result<Streaming<R>> {
    type Item = R;

    fn into_stream(self) -> Result<Streaming<R>> {
        self
    }
}

/// The handler of a closure of named arguments.
pub(super) fn handler<F, A, const N: usize>(names: [&'static str; N], closure: F) -> Arc<dyn Handler>
where
    F: ArgumentsClosure<A, N>,
{
    let closure = Arc::new(closure);
    Arc::new(move |call: Call| -> BoxFuture<'static, Result<Reply>> {
        let closure = closure.clone();
        Box::pin(async move {
            let (cx, body, codec) = (call.cx, call.body, call.codec);
            // What is no request never reaches the closure.
            let arguments = read(&names, body).map_err(|status: Status| status.with_executed(Executed::No))?;
            let reply = closure.call(cx, arguments).await?;
            Ok(Reply::one(<F::Reply as Carried>::Carrier::payload(reply, codec)))
        })
    })
}

/// The arguments in a request, their constraints checked.
fn read<A: ArgumentTuple>(names: &[&'static str], body: Body) -> Result<A> {
    let payload = body.one()?;
    let arguments = A::read(names, payload.codec(), &payload.bytes()?)?;
    arguments.check(names)?;
    Ok(arguments)
}

use motet::{RpcError, Status};

#[derive(RpcError)]
struct NoEnum;

#[derive(RpcError)]
enum Generic<T> {
    #[rpc(code = NotFound)]
    A(T),
    #[rpc(other)]
    Other(Status),
}

#[derive(RpcError)]
enum NoOther {
    #[rpc(code = NotFound, message = "a")]
    A,
}

#[derive(RpcError)]
enum TwoOthers {
    #[rpc(other)]
    A(Status),
    #[rpc(other)]
    B(Status),
}

#[derive(RpcError)]
enum EmptyOther {
    #[rpc(other)]
    Other,
}

#[derive(RpcError)]
enum NoCode {
    A,
    #[rpc(other)]
    Other(Status),
}

#[derive(RpcError)]
enum BadCode {
    #[rpc(code = Missing)]
    A,
    #[rpc(other)]
    Other(Status),
}

#[derive(RpcError)]
enum BadOption {
    #[rpc(not_found)]
    A,
    #[rpc(other)]
    Other(Status),
}

#[derive(RpcError)]
enum SomeMessages {
    #[rpc(code = NotFound, message = "a")]
    A,
    #[rpc(code = NotFound)]
    B,
    #[rpc(other)]
    Other(Status),
}

fn main() {}

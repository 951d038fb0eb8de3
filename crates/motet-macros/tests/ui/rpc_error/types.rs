use motet::{RpcError, Status};

#[derive(RpcError)]
enum NoMessages {
    #[rpc(code = NotFound)]
    A,
    #[rpc(other)]
    Other(Status),
}

#[derive(Debug)]
struct OnlyHere;

#[derive(Debug, RpcError)]
enum BadField {
    #[rpc(code = NotFound, message = "a")]
    A(OnlyHere),
    #[rpc(other)]
    Other(Status),
}

#[derive(Debug, RpcError)]
enum BadPlaceholder {
    #[rpc(code = NotFound, message = "no {name}")]
    A { id: u64 },
    #[rpc(other)]
    Other(Status),
}

fn main() {}

//! Makes Rust of the `.proto` file; no `protoc` is needed.

fn main() -> Result<(), motet_build::Error> {
    motet_build::Builder::new()
        .service_name("acme.shop.v1.Cart", "cart")
        .compile(&["acme/shop/v1/cart.proto"], &["proto"])
}

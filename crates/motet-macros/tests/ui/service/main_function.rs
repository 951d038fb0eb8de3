#[motet::main(workers = 0)]
async fn main() {}

mod not_async {
    #[motet::main]
    fn main() {}
}

mod argument {
    #[motet::main]
    async fn main(n: u32) {}
}

mod option {
    #[motet::main(threads = 2)]
    async fn main() {}
}

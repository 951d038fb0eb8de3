use motet::{Context, Router};

struct OnlyHere;

fn main() {
    let _ = Router::new().args("/a", ["name"], |name: String| async move { Ok(name) });
    let _ = Router::new().args("/b", ["name"], |_: Context, name: String, n: u32| async move { Ok(name) });
    let _ = Router::new().args("/c", ["name"], |_: Context, name: OnlyHere| async move { Ok(1_u32) });
    let _ = Router::new().args("/d", ["name"], |_: Context, name: String| async move { name });
    let _ = Router::new().method("e", |_, value: OnlyHere| async move { Ok(1_u32) });
    let _ = Router::new().method("f", |_, n: u32| async move { n });
    let _ = Router::new().method("g", |n: u32| async move { Ok(n) });
    let _ = Router::new().method("h", |_, n: u32| async move { Ok(OnlyHere) });
}

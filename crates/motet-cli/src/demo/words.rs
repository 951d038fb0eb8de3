//! A service from closures.

use motet::{Router, prelude::*};

pub(super) fn service() -> impl IntoService + Send {
    Router::new()
        .named("words", "1.0.0")
        .docs("Does things to words.")
        .args("reverse", ["text"], |_: Context, text: String| async move { Ok(text.chars().rev().collect::<String>()) })
        .configure(|method| method.docs = "Turns a text around.".to_owned())
        .args("count", ["text"], |_: Context, text: String| async move { Ok(text.split_whitespace().count() as u64) })
        .configure(|method| method.docs = "Counts the words of a text.".to_owned())
}

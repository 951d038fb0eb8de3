//! A service over HTTP/JSON, an axum router and handlers of one's own on one port.

use axum::{Router, extract::Path, routing::get};
use motet::{
    App, AppBuilder,
    http::{Body, Params, Routes},
    prelude::*,
};

/// A book.
#[motet::message]
#[derive(Clone, Debug, PartialEq)]
pub struct Book {
    /// Its number.
    pub id: u32,
    /// Its title.
    pub title: String,
}

/// What to look for.
#[motet::message]
#[derive(Clone, Debug)]
pub struct Search {
    /// Part of the title.
    #[garde(length(min = 1))]
    pub text: String,
    /// The most to find; all if absent.
    pub most: Option<u32>,
}

/// Knows books.
#[motet::service(name = "books", version = "1.0.0")]
pub trait Books {
    /// Finds a book by its number.
    #[method(safe, http = "GET /books/{id}")]
    async fn get(&self, cx: &Context, id: u32) -> Result<Book>;
    /// Gives the books whose title has this text, one after the other.
    #[method(safe, http = "GET /books")]
    async fn search(&self, cx: &Context, req: Search) -> Result<Streaming<Book>>;
}

struct Shelf;

const TITLES: [&str; 3] = ["A Room of One's Own", "The Left Hand of Darkness", "The Waves"];

fn all() -> impl Iterator<Item = Book> + Send {
    TITLES.iter().zip(1..).map(|(title, id)| Book { id, title: (*title).to_owned() })
}

impl Books for Shelf {
    async fn get(&self, _: &Context, id: u32) -> Result<Book> {
        all().find(|book| book.id == id).ok_or_else(|| Status::not_found(format!("no book has the number {id}")))
    }

    async fn search(&self, _: &Context, req: Search) -> Result<Streaming<Book>> {
        let most = req.most.map_or(usize::MAX, |most| most as usize);
        Ok(Streaming::from_iter(all().filter(move |book| book.title.contains(&req.text)).take(most)))
    }
}

/// The service, an axum router at `/old`, and handlers for all else, on one port.
///
/// # Errors
/// InvalidArgument when two handlers have one path.
pub fn app() -> Result<AppBuilder> {
    let old = Router::new()
        .route("/old/hello/{name}", get(|Path(name): Path<String>| async move { format!("hello {name}") }));
    let admin =
        Routes::new().get("/ping", |_| async { "pong" }).post("/echo/{word}", |request: ::http::Request<Body>| {
            let word = Params::of(&request).get("word").unwrap_or_default().to_owned();
            async move { word }
        });
    let rest = Routes::new().group("/admin", admin).build()?;
    Ok(App::builder().name("books").service(BooksServer::new(Shelf)).mount("/old", old).fallback(rest))
}

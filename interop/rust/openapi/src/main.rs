//! Run with: cargo run -p motet-interop-openapi
//!
//! Serves a warehouse of 22 methods on a free port of 127.0.0.1, and prints the port. Every kind of type,
//! constraint, route and method is there, so that a tool that makes requests of the OpenAPI document finds
//! where document and answers differ.

use std::collections::BTreeMap;

use motet::{App, prelude::*};

/// An article.
#[motet::message]
#[derive(Clone, Debug, PartialEq)]
struct Article {
    /// Its name.
    #[garde(length(min = 1, max = 40))]
    name: String,
    /// How many there are.
    #[garde(range(max = 1000))]
    count: u32,
    /// What it weighs, in kilograms.
    #[garde(range(min = 0.0, max = 1e6))]
    weight: f64,
    /// How it is kept.
    keep: Keep,
    /// Words by which it is found.
    #[serde(default)]
    #[garde(length(max = 5), inner(length(max = 10)))]
    tags: Vec<String>,
    /// Who has made it.
    maker: Option<Maker>,
    /// Whatever else there is to say.
    #[serde(default)]
    notes: BTreeMap<String, String>,
}

/// Who makes articles.
#[motet::message]
#[derive(Clone, Debug, PartialEq)]
struct Maker {
    /// The name.
    name: String,
    /// Of whom it buys.
    #[serde(default)]
    suppliers: Vec<Maker>,
}

/// How an article is kept.
#[motet::message]
#[derive(Clone, Debug, PartialEq)]
enum Keep {
    /// Anywhere.
    Anywhere,
    /// Between two temperatures.
    Cool {
        /// The lowest.
        from: i32,
        /// The highest.
        to: i32,
    },
    /// In this room.
    Room(u16),
}

/// A colour.
#[motet::message]
#[derive(Clone, Copy, Debug, PartialEq)]
enum Color {
    /// Red.
    Red,
    /// Green.
    Green,
    /// Blue.
    DarkBlue,
}

/// Numbers of all widths.
#[motet::message]
#[derive(Clone, Debug, PartialEq)]
struct Numbers {
    small: u8,
    signed: i8,
    medium: i16,
    wide: i32,
    long: i64,
    unsigned: u64,
    single: f32,
    double: f64,
}

/// Things that may be missing.
#[motet::message]
#[derive(Clone, Debug, PartialEq)]
struct Maybe {
    number: Option<i64>,
    text: Option<String>,
    color: Option<Color>,
    #[serde(default)]
    list: Vec<bool>,
}

/// What to look for.
#[motet::message]
#[derive(Clone, Debug, PartialEq)]
struct Search {
    /// Part of the name.
    #[garde(length(min = 1, max = 20))]
    text: String,
    /// The most to find.
    #[garde(range(min = 1, max = 10))]
    most: Option<u8>,
    /// Only of this colour.
    color: Option<Color>,
    /// Words of which all must be there.
    #[serde(default)]
    tags: Vec<String>,
}

/// A page of what was found.
#[motet::message]
#[derive(Clone, Debug, PartialEq)]
struct Found {
    articles: Vec<Article>,
    more: bool,
}

/// Why an article is not given.
#[derive(Debug, RpcError)]
enum StoreError {
    /// It is not there.
    #[rpc(code = NotFound, message = "there is no article {id}")]
    Missing {
        /// Its number.
        id: u32,
    },
    /// Anything else.
    #[rpc(other)]
    Other(Status),
}

/// A warehouse: one method for each kind of type and route.
#[motet::service(name = "store", version = "1.0.0")]
trait Store {
    /// Takes an article in.
    async fn put(&self, cx: &Context, article: Article) -> Result<Article>;
    /// Gives an article.
    #[method(safe, http = "GET /articles/{id}")]
    async fn get(&self, cx: &Context, id: u32) -> Result<Article, StoreError>;
    /// Changes an article.
    #[method(idempotent, http = "PUT /articles/{id}")]
    async fn change(&self, cx: &Context, id: u32, article: Article) -> Result<Article>;
    /// Takes an article out.
    #[method(idempotent, http = "DELETE /articles/{id}")]
    async fn remove(&self, cx: &Context, id: u32) -> Result<()>;
    /// Looks for articles.
    #[method(safe, http = "GET /articles")]
    async fn search(&self, cx: &Context, search: Search) -> Result<Found>;
    /// Gives articles one after the other.
    #[method(safe, http = "GET /stream/articles")]
    async fn list(&self, cx: &Context, most: u8) -> Result<Streaming<Article>>;
    /// Gives numbers back.
    async fn numbers(&self, cx: &Context, numbers: Numbers) -> Result<Numbers>;
    /// Gives back what is there.
    async fn maybe(&self, cx: &Context, maybe: Maybe) -> Result<Maybe>;
    /// Mixes two colours.
    async fn mix(&self, cx: &Context, a: Color, b: Color) -> Result<Color>;
    /// Adds.
    #[method(safe)]
    async fn add(&self, cx: &Context, a: i32, b: i32) -> Result<i64>;
    /// Says whether it is open.
    #[method(safe)]
    async fn open(&self, cx: &Context) -> Result<bool>;
    /// Turns words round.
    async fn turn(&self, cx: &Context, words: Vec<String>) -> Result<Vec<String>>;
    /// Counts words.
    async fn count(&self, cx: &Context, words: Vec<String>) -> Result<BTreeMap<String, u32>>;
    /// The greatest of them, if there is one.
    async fn greatest(&self, cx: &Context, numbers: Vec<i64>) -> Result<Option<i64>>;
    /// A place on the map.
    async fn place(&self, cx: &Context, north: f64, east: f64) -> Result<Vec<f64>>;
    /// Who supplies whom.
    async fn suppliers(&self, cx: &Context, maker: Maker) -> Result<Vec<String>>;
    /// How it is kept.
    async fn keep(&self, cx: &Context, keep: Keep) -> Result<Keep>;
    /// Adds up what comes.
    async fn total(&self, cx: &Context, articles: Streaming<Article>) -> Result<u64>;
    /// Gives back what comes.
    async fn echo(&self, cx: &Context, articles: Streaming<Article>) -> Result<Streaming<Article>>;
    /// Forgets everything.
    #[method(deprecated)]
    async fn forget(&self, cx: &Context) -> Result<()>;
    /// Greets by a name in the path.
    #[method(safe, http = "GET /hello/{name}")]
    async fn hello(&self, cx: &Context, name: String, loud: Option<bool>) -> Result<String>;
    /// A letter.
    async fn letter(&self, cx: &Context, letter: char, times: u8) -> Result<String>;
}

struct Mine;

fn article(name: &str) -> Article {
    Article {
        name: name.to_owned(),
        count: 1,
        weight: 0.5,
        keep: Keep::Cool { from: -5, to: 5 },
        tags: vec!["new".to_owned()],
        maker: None,
        notes: BTreeMap::new(),
    }
}

impl Store for Mine {
    async fn put(&self, _: &Context, article: Article) -> Result<Article> {
        Ok(article)
    }

    async fn get(&self, _: &Context, id: u32) -> Result<Article, StoreError> {
        if id > 100 { Err(StoreError::Missing { id }) } else { Ok(article("tea")) }
    }

    async fn change(&self, _: &Context, _: u32, article: Article) -> Result<Article> {
        Ok(article)
    }

    async fn remove(&self, _: &Context, _: u32) -> Result<()> {
        Ok(())
    }

    async fn search(&self, _: &Context, search: Search) -> Result<Found> {
        let articles = (0..search.most.unwrap_or(3)).map(|n| article(&format!("tea {n}"))).collect();
        Ok(Found { articles, more: false })
    }

    async fn list(&self, _: &Context, most: u8) -> Result<Streaming<Article>> {
        Ok(Streaming::from_iter((0..most).map(|_| article("tea"))))
    }

    async fn numbers(&self, _: &Context, numbers: Numbers) -> Result<Numbers> {
        Ok(numbers)
    }

    async fn maybe(&self, _: &Context, maybe: Maybe) -> Result<Maybe> {
        Ok(maybe)
    }

    async fn mix(&self, _: &Context, _: Color, b: Color) -> Result<Color> {
        Ok(b)
    }

    async fn add(&self, _: &Context, a: i32, b: i32) -> Result<i64> {
        Ok(i64::from(a) + i64::from(b))
    }

    async fn open(&self, _: &Context) -> Result<bool> {
        Ok(true)
    }

    async fn turn(&self, _: &Context, mut words: Vec<String>) -> Result<Vec<String>> {
        words.reverse();
        Ok(words)
    }

    async fn count(&self, _: &Context, words: Vec<String>) -> Result<BTreeMap<String, u32>> {
        let mut counted = BTreeMap::new();
        words.into_iter().for_each(|word| *counted.entry(word).or_default() += 1);
        Ok(counted)
    }

    async fn greatest(&self, _: &Context, numbers: Vec<i64>) -> Result<Option<i64>> {
        Ok(numbers.into_iter().max())
    }

    async fn place(&self, _: &Context, north: f64, east: f64) -> Result<Vec<f64>> {
        Ok(vec![north, east])
    }

    async fn suppliers(&self, _: &Context, maker: Maker) -> Result<Vec<String>> {
        Ok(maker.suppliers.into_iter().map(|maker| maker.name).collect())
    }

    async fn keep(&self, _: &Context, keep: Keep) -> Result<Keep> {
        Ok(keep)
    }

    async fn total(&self, _: &Context, mut articles: Streaming<Article>) -> Result<u64> {
        let mut total = 0;
        while let Some(article) = articles.next().await {
            total += u64::from(article?.count);
        }
        Ok(total)
    }

    async fn echo(&self, _: &Context, articles: Streaming<Article>) -> Result<Streaming<Article>> {
        Ok(articles)
    }

    async fn forget(&self, _: &Context) -> Result<()> {
        Ok(())
    }

    async fn hello(&self, _: &Context, name: String, loud: Option<bool>) -> Result<String> {
        Ok(if loud == Some(true) { name.to_uppercase() } else { name })
    }

    async fn letter(&self, _: &Context, letter: char, times: u8) -> Result<String> {
        Ok(std::iter::repeat_n(letter, times.into()).collect())
    }
}

#[motet::main]
async fn main() -> Result<()> {
    let app = App::builder().name("store").registry("memory:").listen("tcp://127.0.0.1:0");
    let app = app.service(StoreServer::new(Mine)).start().await?;
    // The port, for the script that runs this.
    println!("{}", app.endpoints()[0].address.rsplit(':').next().unwrap_or_default());
    std::future::pending().await
}

//! A service that was only ever a Rust trait, with a field for each row of the mapping to protobuf
//! (docs/proto.md). `interop/proto/rows.json` is [`Rows::sample`] in proto3's JSON.

use std::{collections::BTreeMap, path::Path, time::Duration};

use motet::{Client, Context, Status, Streaming, core::Service};

/// A field for each row.
#[motet::message]
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// `int32`.
    pub small: i32,
    /// `int64`, the least.
    pub least: i64,
    /// `uint32`.
    pub count: u32,
    /// `uint64`, the greatest.
    pub most: u64,
    /// `sint64`.
    #[motet(zigzag)]
    pub swinging: i64,
    /// `fixed64`.
    #[motet(fixed)]
    pub fixed: u64,
    /// `sfixed32`.
    #[motet(fixed)]
    pub fixed_small: i32,
    /// `uint32`, a code point.
    pub letter: char,
    /// `float`.
    pub half: f32,
    /// `double`.
    pub tenth: f64,
    /// `bool`.
    pub sure: bool,
    /// `string`.
    pub text: String,
    /// `bytes`.
    pub data: Vec<u8>,
    /// `bytes` of one length.
    pub digest: [u8; 4],
    /// `optional`, with what absence would mean elsewhere.
    pub zero: Option<u64>,
    /// `optional`, absent.
    pub absent: Option<String>,
    /// `optional` message.
    pub inner: Option<Inner>,
    /// `repeated`, packed.
    pub numbers: Vec<i64>,
    /// `repeated` text.
    pub names: Vec<String>,
    /// `repeated` messages.
    pub inners: Vec<Inner>,
    /// Lists in a list, by a message between them.
    pub lines: Vec<Line>,
    /// `map` by text.
    pub totals: BTreeMap<String, u64>,
    /// `map` by number, to messages.
    pub by_number: BTreeMap<i32, Inner>,
    /// An enum.
    pub color: Color,
    /// `repeated` enums, packed.
    pub colors: Vec<Color>,
    /// An enum with data, `oneof`.
    pub shape: Option<Shape>,
    /// `repeated` ones.
    pub shapes: Vec<Shape>,
    /// A tuple.
    pub pair: (u32, String),
    /// A generic message.
    pub page: Page<Inner>,
    /// A message that holds itself.
    pub tree: Option<Box<Tree>>,
    /// A time, as seconds.
    #[motet(shape = "u64")]
    #[serde(with = "seconds")]
    pub after: Duration,
}

/// A message in a message.
#[motet::message]
#[derive(Clone, Debug, PartialEq)]
pub struct Inner {
    /// Its name.
    pub name: String,
    /// Its weight.
    pub weight: i64,
}

/// The inner one of two lists.
#[motet::message]
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What it holds.
    pub points: Vec<u32>,
}

/// Some of many.
#[motet::message]
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// Those that are here.
    pub items: Vec<T>,
    /// How many there are.
    pub total: u64,
}

/// A message that holds itself.
#[motet::message]
#[derive(Clone, Debug, PartialEq)]
pub struct Tree {
    /// What it says.
    pub leaf: String,
    /// What is below.
    pub below: Option<Box<Tree>>,
}

/// An enum without data.
#[motet::message]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Color {
    /// The first.
    Light,
    /// Two words.
    DarkRed,
}

/// An enum with data.
#[motet::message]
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// Without any.
    Nothing,
    /// With a field.
    Circle {
        /// Its radius.
        radius: f64,
    },
    /// With one value.
    Named(String),
    /// With two.
    Between(i64, i64),
}

mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(value.as_secs())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_secs)
    }
}

impl Rows {
    /// A value with something in every field.
    pub fn sample() -> Rows {
        let inner = |name: &str, weight| Inner { name: name.to_owned(), weight };
        let leaf = Tree { leaf: "leaf".to_owned(), below: None };
        Rows {
            small: -7,
            least: i64::MIN,
            count: u32::MAX,
            most: u64::MAX,
            swinging: -3,
            fixed: 1 << 63,
            fixed_small: -2,
            letter: 'ß',
            half: 1.5,
            tenth: -0.1,
            sure: true,
            text: "žluťoučký ☺ 😈".to_owned(),
            data: vec![0, 0xff, 7],
            digest: [1, 2, 3, 4],
            zero: Some(0),
            absent: None,
            inner: Some(inner("in", 1)),
            numbers: vec![0, -1, i64::MAX],
            names: vec![String::new(), "b".to_owned()],
            inners: vec![inner("", 0), inner("two", -2)],
            lines: vec![Line { points: vec![1, 2] }, Line { points: vec![] }],
            totals: [("a".to_owned(), 0), ("b".to_owned(), u64::MAX)].into(),
            by_number: [(-1, inner("minus", 0)), (2, inner("two", 2))].into(),
            color: Color::DarkRed,
            colors: vec![Color::DarkRed, Color::Light],
            shape: Some(Shape::Circle { radius: 2.5 }),
            shapes: vec![Shape::Nothing, Shape::Named("it".to_owned()), Shape::Between(-1, 1)],
            pair: (9, "nine".to_owned()),
            page: Page { items: vec![inner("one", 1)], total: 1 << 40 },
            tree: Some(Box::new(Tree { leaf: "root".to_owned(), below: Some(Box::new(leaf)) })),
            after: Duration::from_secs(90),
        }
    }
}

/// The service.
#[motet::service(name = "rows", version = "1.0.0")]
pub trait RowService {
    /// The sample.
    async fn sample(&self, cx: &Context) -> Result<Rows, Status>;
    /// Fails for anything but the sample.
    async fn check(&self, cx: &Context, rows: Rows) -> Result<(), Status>;
    /// Gives back what it gets, one by one.
    async fn each(&self, cx: &Context, rows: Streaming<Rows>) -> Result<Streaming<Rows>, Status>;
    /// Arguments that are no message, and a reply that is none.
    async fn sum(&self, cx: &Context, numbers: Vec<u64>, more: i64) -> Result<i64, Status>;
}

/// The service, by Motet.
#[derive(Debug)]
struct Me;

impl RowService for Me {
    async fn sample(&self, _: &Context) -> Result<Rows, Status> {
        Ok(Rows::sample())
    }

    async fn check(&self, _: &Context, rows: Rows) -> Result<(), Status> {
        match rows == Rows::sample() {
            true => Ok(()),
            false => Err(Status::invalid_argument(format!("{rows:?} is not the sample"))),
        }
    }

    async fn each(&self, _: &Context, rows: Streaming<Rows>) -> Result<Streaming<Rows>, Status> {
        Ok(rows)
    }

    async fn sum(&self, _: &Context, numbers: Vec<u64>, more: i64) -> Result<i64, Status> {
        Ok(numbers.iter().fold(more, |sum, number| sum.wrapping_add_unsigned(*number)))
    }
}

/// The service, by Motet.
///
/// # Errors
/// None that it is known to have.
pub fn service() -> motet::Result<Service> {
    RowServiceServer::new(Me).into_service()
}

/// Calls a peer that serves the trait; what came of each case.
pub async fn call(client: &Client) -> Vec<(&'static str, anyhow::Result<()>)> {
    let client = RowServiceClient::new(client);
    vec![
        ("rows_sample", sample(&client).await),
        ("rows_check", client.check(&Context::new(), Rows::sample()).await.map_err(Into::into)),
        ("rows_each", each(&client).await),
        ("rows_sum", sum(&client).await),
    ]
}

async fn sample(client: &RowServiceClient) -> anyhow::Result<()> {
    let found = client.sample(&Context::new()).await?;
    anyhow::ensure!(found == Rows::sample(), "{found:?}");
    Ok(())
}

async fn each(client: &RowServiceClient) -> anyhow::Result<()> {
    let sent = vec![Rows::sample(), Rows { names: Vec::new(), ..Rows::sample() }];
    let found = client.each(&Context::new(), Streaming::from_iter(sent.clone())).await?.collect().await?;
    anyhow::ensure!(found == sent, "{found:?}");
    Ok(())
}

async fn sum(client: &RowServiceClient) -> anyhow::Result<()> {
    let found = client.sum(&Context::new(), vec![1, 2, 3], -10).await?;
    anyhow::ensure!(found == -4, "{found}");
    Ok(())
}

/// Writes `rows.proto` and `rows.binpb`.
///
/// # Errors
/// When they cannot be written.
pub fn write_files(folder: &Path) -> anyhow::Result<()> {
    let descriptor = service()?.descriptor().clone();
    for file in motet_proto::proto_files(std::slice::from_ref(&descriptor))? {
        std::fs::write(folder.join(file.name), file.text)?;
    }
    std::fs::write(folder.join("rows.binpb"), motet_proto::file_descriptor_set(&[descriptor])?)?;
    Ok(())
}

//! Services of other families: prost types, and types with serde only.

use motet::{Code, Codec, Context, Result, Status, Streaming};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::support::{json, remote};

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Point {
    #[prost(int32, tag = "1")]
    pub(crate) x: i32,
    #[prost(int32, tag = "2")]
    pub(crate) y: i32,
}

#[motet::service(name = "points", version = "1.0.0", codec = "proto")]
pub(crate) trait Points {
    async fn flip(&self, cx: &Context, point: Point) -> Result<Point>;
    async fn clear(&self, cx: &Context) -> Result<()>;
    async fn path(&self, cx: &Context, points: Streaming<Point>) -> Result<Streaming<Point>>;
}

struct Plane;

impl Points for Plane {
    async fn flip(&self, _: &Context, point: Point) -> Result<Point> {
        Ok(Point { x: point.y, y: point.x })
    }

    async fn clear(&self, _: &Context) -> Result<()> {
        Ok(())
    }

    async fn path(&self, _: &Context, points: Streaming<Point>) -> Result<Streaming<Point>> {
        Ok(points)
    }
}

#[tokio::test]
async fn prost_types_travel_as_protobuf() {
    let (app, client) = remote("points", PointsServer::new(Plane)).await;
    for points in [PointsClient::local(Plane), PointsClient::new(client)] {
        let cx = Context::new();
        assert_eq!(points.flip(&cx, Point { x: 1, y: 2 }).await, Ok(Point { x: 2, y: 1 }));
        assert_eq!(points.clear(&cx).await, Ok(()));
        let path = Streaming::from_iter([Point { x: 3, y: 4 }]);
        assert_eq!(points.path(&cx, path).await.expect("a stream").collect().await, Ok(vec![Point { x: 3, y: 4 }]));
    }
    let error = json(&PointsServer::new(Plane).into_service().expect("good"), "flip", "{}").await;
    assert_eq!(error.expect_err("prost types have no JSON").code(), Code::Unimplemented);
    app.stop().await;
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Loose {
    Number(i64),
    Text(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Bag {
    #[serde(flatten)]
    pub(crate) all: std::collections::BTreeMap<String, Loose>,
}

impl motet::Message for Bag {}

#[motet::message]
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Short {
    #[garde(length(max = 2))]
    pub(crate) text: String,
}

#[motet::service(name = "bags", version = "1.0.0", codec = "msgpack")]
pub(crate) trait Bags {
    async fn lone(&self, cx: &Context, bag: Bag) -> Result<Bag>;
    async fn named(&self, cx: &Context, first: Loose, second: Option<Loose>) -> Result<Loose>;
    async fn checked(&self, cx: &Context, short: Short) -> Result<()>;
    async fn all_checked(&self, cx: &Context, n: u8, short: Short) -> Result<()>;
}

struct Sack;

impl Bags for Sack {
    async fn lone(&self, _: &Context, bag: Bag) -> Result<Bag> {
        Ok(bag)
    }

    async fn named(&self, _: &Context, first: Loose, second: Option<Loose>) -> Result<Loose> {
        Ok(second.unwrap_or(first))
    }

    async fn checked(&self, _: &Context, _: Short) -> Result<()> {
        Ok(())
    }

    async fn all_checked(&self, _: &Context, _: u8, _: Short) -> Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn types_with_serde_only_travel_as_messagepack() {
    let (app, client) = remote("bags", BagsServer::new(Sack)).await;
    let bag = Bag { all: [("a".to_owned(), Loose::Number(1)), ("b".to_owned(), Loose::Text("x".into()))].into() };
    for bags in [BagsClient::local(Sack), BagsClient::new(&client), BagsClient::new(&client).with_codec(Codec::JSON)] {
        let cx = Context::new();
        assert_eq!(bags.lone(&cx, bag.clone()).await, Ok(bag.clone()));
        assert_eq!(bags.named(&cx, Loose::Number(1), None).await, Ok(Loose::Number(1)));
        for broken in [
            bags.checked(&cx, Short { text: "long".into() }).await,
            bags.all_checked(&cx, 1, Short { text: "long".into() }).await,
        ] {
            assert_eq!(broken.expect_err("checked all the same").code(), Code::InvalidArgument);
        }
    }
    let service = BagsServer::new(Sack).into_service().expect("a good descriptor");
    assert_eq!(service.descriptor().methods[0].content_type, "application/msgpack");
    assert_eq!(json(&service, "lone", r#"{"a":1}"#).await.expect("a reply"), r#"{"a":1}"#);
    assert_eq!(json(&service, "named", r#"{"first":"x"}"#).await.expect("a reply"), r#"{"value":"x"}"#);
    app.stop().await;
}

#[motet::service]
trait DefaultNames {
    async fn plain(&self, cx: &Context, bag: motet::Plain<Bag>) -> Result<motet::Plain<Bag>, Status>;
}

struct Plainly;

impl DefaultNames for Plainly {
    async fn plain(&self, _: &Context, bag: motet::Plain<Bag>) -> Result<motet::Plain<Bag>, Status> {
        Ok(bag)
    }
}

#[tokio::test]
async fn plain_types_stand_in_a_service_of_messages() {
    let service = DefaultNamesServer::new(Plainly).into_service().expect("a good descriptor");
    assert_eq!(service.name(), "default_names");
    assert_eq!(service.descriptor().version, env!("CARGO_PKG_VERSION"));
    assert_eq!(service.descriptor().methods[0].content_type, "application/msgpack");
    assert_eq!(json(&service, "plain", r#"{"a":1}"#).await.expect("a reply"), r#"{"a":1}"#);
    let bag = motet::Plain(Bag { all: [("a".to_owned(), Loose::Number(1))].into() });
    assert_eq!(DefaultNamesClient::local(Plainly).plain(&Context::new(), bag.clone()).await, Ok(bag));
}

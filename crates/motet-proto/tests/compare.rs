//! What breaks a caller is found, and what does not is not.

use std::sync::Arc;

use motet::prelude::*;
use motet::{Router, ServiceDescriptor};
use motet_proto::breaking_changes;

mod old {
    use super::*;

    #[motet::message]
    pub(crate) struct Person {
        #[garde(length(max = 40))]
        pub(crate) name: String,
        pub(crate) age: Option<u32>,
        pub(crate) id: u32,
        pub(crate) tone: Tone,
        pub(crate) friends: Vec<Person>,
        pub(crate) note: Option<String>,
    }

    #[motet::message]
    #[derive(Clone, Copy, Debug)]
    pub(crate) enum Tone {
        Plain,
        Formal,
    }

    #[motet::message]
    pub(crate) struct Reply {
        pub(crate) text: String,
        pub(crate) count: u32,
    }

    #[motet::service(name = "people", version = "1.0.0")]
    pub(crate) trait People {
        #[method(idempotent, http = "PUT /people/{name}")]
        async fn add(&self, cx: &Context, person: Person) -> Result<Reply>;
        async fn find(&self, cx: &Context, name: String, limit: Option<u32>) -> Result<Vec<Reply>>;
        async fn all(&self, cx: &Context) -> Result<u64>;
        async fn gone(&self, cx: &Context) -> Result<()>;
    }
}

mod grown {
    use super::*;

    #[motet::message]
    pub(crate) struct Person {
        #[garde(length(max = 80))]
        pub(crate) name: String,
        pub(crate) age: Option<u32>,
        pub(crate) id: u32,
        pub(crate) tone: Tone,
        pub(crate) friends: Vec<Person>,
        pub(crate) note: Option<String>,
        pub(crate) mail: Option<String>,
    }

    #[motet::message]
    #[derive(Clone, Copy, Debug)]
    pub(crate) enum Tone {
        Plain,
        Formal,
        Rude,
    }

    #[motet::message]
    pub(crate) struct Reply {
        pub(crate) text: String,
        pub(crate) count: u32,
        pub(crate) more: bool,
    }

    #[motet::service(name = "people", version = "1.1.0")]
    pub(crate) trait People {
        #[method(safe, http = "PUT /people/{name}", http = "POST /people")]
        async fn add(&self, cx: &Context, person: Person) -> Result<Reply>;
        async fn find(&self, cx: &Context, name: String, limit: Option<u32>) -> Result<Vec<Reply>>;
        async fn all(&self, cx: &Context) -> Result<u64>;
        async fn gone(&self, cx: &Context) -> Result<()>;
        async fn new(&self, cx: &Context) -> Result<()>;
    }
}

mod broken {
    use super::*;

    #[motet::message]
    pub(crate) struct Person {
        #[garde(length(max = 20))]
        pub(crate) name: String,
        pub(crate) age: Option<String>,
        #[motet(tag = 9)]
        pub(crate) id: u32,
        #[motet(tag = 4)]
        pub(crate) tone: Tone,
        #[motet(tag = 5)]
        pub(crate) friends: Vec<Person>,
        #[motet(tag = 10)]
        pub(crate) mail: String,
    }

    #[motet::message]
    #[derive(Clone, Copy, Debug)]
    pub(crate) enum Tone {
        Plain,
    }

    #[motet::message]
    pub(crate) struct Reply {
        pub(crate) text: String,
    }

    #[motet::service(name = "people", version = "2.0.0")]
    pub(crate) trait People {
        async fn add(&self, cx: &Context, person: Person) -> Result<Reply>;
        async fn find(&self, cx: &Context, name: String, limit: u32) -> Result<Vec<Reply>>;
        async fn all(&self, cx: &Context) -> Result<Streaming<u64>>;
    }
}

fn changes(old: ServiceDescriptor, new: ServiceDescriptor) -> Vec<String> {
    let changes = breaking_changes(&[Arc::new(old)], &[Arc::new(new)]).expect("valid");
    changes.iter().map(ToString::to_string).collect()
}

#[test]
fn what_only_grows_breaks_nobody() {
    assert_eq!(changes(old::PeopleServer::descriptor(), old::PeopleServer::descriptor()), [""; 0]);
    assert_eq!(changes(old::PeopleServer::descriptor(), grown::PeopleServer::descriptor()), [""; 0]);
}

#[test]
fn what_breaks_a_caller_is_named_by_method_and_field() {
    let found = changes(old::PeopleServer::descriptor(), broken::PeopleServer::descriptor());
    for expected in [
        "people/gone: the method is gone",
        "people/all: it was unary and is server-streaming",
        "people/add: HTTP no longer has it at PUT /people/{name}",
        "people/add: callers send it again, which it no longer allows (it was idempotent)",
        "people/add request.name: the greatest length was 40 and is 20",
        "people/add request.age: it was uint32 and is string",
        "people/add request.age: it was integer and is string",
        "people/add request.id: its number was 3 and is 9",
        "people/add request.tone: TONE_FORMAL is gone (number 1)",
        "people/add request.tone: \"Formal\" is no longer taken",
        "people/add request.note: it is gone (number 6)",
        "people/add request.note: it is gone: what is sent is lost",
        "people/add request.mail: it is new, and requests without it are refused; make it an Option",
        "people/add reply.count: it is gone",
        "people/add reply.count: it is gone (number 2)",
        "people/find reply.value[].count: it is gone (number 2)",
        "people/find request.limit: it was optional and is asked for now",
    ] {
        assert!(found.iter().any(|line| line == expected), "{expected}\nis not among\n{}", found.join("\n"));
    }
    let none = breaking_changes(&[Arc::new(old::PeopleServer::descriptor())], &[]).expect("valid");
    assert_eq!(none[0].to_string(), "people: the service is gone");
}

#[test]
fn a_variant_that_callers_do_not_know_is_named_in_replies() {
    #[motet::service(name = "tones", version = "1.0.0")]
    trait Before {
        async fn tone(&self, cx: &Context) -> Result<old::Tone>;
    }
    #[motet::service(name = "tones", version = "1.0.0")]
    trait After {
        async fn tone(&self, cx: &Context) -> Result<grown::Tone>;
    }
    let found = changes(BeforeServer::descriptor(), AfterServer::descriptor());
    assert_eq!(found, ["tones/tone reply.value: it may be \"Rude\" now, which callers do not know"]);
}

#[test]
fn closures_are_compared_by_their_schemas() {
    let router = |router: Router| (**router.into_service_or("say", "1").expect("valid").descriptor()).clone();
    let before = router(Router::new().args("/say/hi", ["name"], |_: Context, name: String| async move { Ok(name) }));
    let after = router(Router::new().args("/say/hi", ["whom"], |_: Context, name: String| async move { Ok(name) }));
    assert_eq!(
        changes(before, after),
        [
            "say//say/hi request.name: it is gone: what is sent is lost",
            "say//say/hi request.whom: it is new, and requests without it are refused; make it an Option",
        ]
    );
}

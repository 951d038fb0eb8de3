//! Numbers that were given out stay.

use std::sync::Arc;

use motet::prelude::*;
use motet_proto::{Files, Lock, Renumbered};

mod first {
    use super::*;

    #[motet::message]
    pub(crate) struct Person {
        pub(crate) name: String,
        pub(crate) age: u32,
        pub(crate) tone: Tone,
    }

    #[motet::message]
    #[derive(Clone, Copy, Debug)]
    pub(crate) enum Tone {
        Plain,
        Formal,
    }

    #[motet::service(name = "people", version = "1.0.0")]
    pub(crate) trait People {
        async fn add(&self, cx: &Context, person: Person) -> Result<()>;
    }
}

/// A field in front of the others, and one gone.
mod careless {
    use super::*;

    #[motet::message]
    pub(crate) struct Person {
        pub(crate) id: u64,
        pub(crate) name: String,
        pub(crate) tone: Tone,
    }

    #[motet::message]
    #[derive(Clone, Copy, Debug)]
    pub(crate) enum Tone {
        Plain,
        Formal,
    }

    #[motet::service(name = "people", version = "1.0.0")]
    pub(crate) trait People {
        async fn add(&self, cx: &Context, person: Person) -> Result<()>;
    }
}

/// The same, with the numbers that callers know.
mod careful {
    use super::*;

    #[motet::message]
    pub(crate) struct Person {
        #[motet(tag = 4)]
        pub(crate) id: u64,
        #[motet(tag = 1)]
        pub(crate) name: String,
        #[motet(tag = 3)]
        pub(crate) tone: Tone,
    }

    #[motet::message]
    #[derive(Clone, Copy, Debug)]
    pub(crate) enum Tone {
        Plain,
        Formal,
    }

    #[motet::service(name = "people", version = "1.0.0")]
    pub(crate) trait People {
        async fn add(&self, cx: &Context, person: Person) -> Result<()>;
    }
}

fn files(service: motet::ServiceDescriptor) -> Files {
    Files::of(&[Arc::new(service)]).expect("one service")
}

fn locked() -> Lock {
    let mut lock = Lock::default();
    lock.update(&files(first::PeopleServer::descriptor())).expect("the first");
    lock
}

fn lines(lock: &Lock) -> Vec<String> {
    lock.to_string().lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn a_lock_is_text_that_is_read_again() {
    let lock = locked();
    assert_eq!(
        lines(&lock),
        [
            "people.Person name = 1",
            "people.Person age = 2",
            "people.Person tone = 3",
            "people.Tone TONE_PLAIN = 0",
            "people.Tone TONE_FORMAL = 1",
        ]
    );
    assert_eq!(Lock::parse(&lock.to_string()).expect("its own"), lock);
}

#[test]
fn a_field_that_would_get_another_number_is_refused_with_the_fix() {
    let mut lock = locked();
    let wrong = lock.update(&files(careless::PeopleServer::descriptor())).expect_err("renumbered");
    assert_eq!(lock, locked(), "an error changes nothing");
    let [id, name] = &wrong[..] else { panic!("{wrong:?}") };
    let Renumbered { message, field, old, new, was, .. } = id;
    assert_eq!((&**message, &**field, *old, *new, was.as_deref()), ("people.Person", "id", None, 1, Some("name")));
    assert_eq!((&*name.field, name.old, name.new), ("name", Some(1), 2));
    assert!(name.to_string().contains("people.Person.name had number 1 and would get 2"), "{name}");
    assert!(name.to_string().contains("#[motet(tag = 1)]"), "{name}");
    assert!(id.to_string().contains("rename it in the lock file"), "{id}");
}

#[test]
fn pinned_numbers_pass_and_those_removed_are_kept() {
    let mut lock = locked();
    lock.update(&files(careful::PeopleServer::descriptor())).expect("the numbers that callers know");
    assert_eq!(
        lines(&lock)[..4],
        ["people.Person name = 1", "people.Person age = 2 removed", "people.Person tone = 3", "people.Person id = 4"]
    );
    let mut again = lock.clone();
    again.update(&files(first::PeopleServer::descriptor())).expect("what was removed may come back as it was");
    assert!(lines(&again).contains(&"people.Person age = 2".to_owned()));
    assert!(lines(&again).contains(&"people.Person id = 4 removed".to_owned()));
}

#[test]
fn a_field_that_was_renamed_is_renamed_in_the_lock() {
    let text = locked().to_string().replace("age = 2", "years = 2");
    let mut lock = Lock::parse(&text).expect("a lock");
    let wrong = lock.update(&files(first::PeopleServer::descriptor())).expect_err("another name");
    assert_eq!((&*wrong[0].field, wrong[0].was.as_deref()), ("age", Some("years")));
    Lock::parse(&text.replace("years", "age"))
        .expect("a lock")
        .update(&files(first::PeopleServer::descriptor()))
        .expect("renamed");
}

#[test]
fn what_other_packages_have_is_left_alone() {
    let mut lock = Lock::parse("orders.Order id = 1\npeople.Gone id = 1\n").expect("a lock");
    lock.update(&files(first::PeopleServer::descriptor())).expect("nothing in common");
    assert!(lines(&lock).contains(&"orders.Order id = 1".to_owned()));
    assert!(lines(&lock).contains(&"people.Gone id = 1 removed".to_owned()));
}

#[test]
fn a_line_that_is_none_is_named() {
    for (text, problem) in [
        ("# a\nnonsense", "line 2"),
        ("a.B c = x", "line 1"),
        ("a.B c = 1 gone", "line 1"),
        ("a.B c = 1\na.B d = 1", "a second time"),
    ] {
        let error = Lock::parse(text).expect_err(text);
        assert!(error.message().contains(problem), "{error}");
    }
}

//! Each thing that can happen to a call, once.

use std::collections::BTreeMap;

use crate::{
    actions::Action,
    service::{Item, Wish},
    ways::Way,
};

pub(crate) fn item(name: &str) -> Item {
    Item {
        name: name.to_owned(),
        number: -7,
        ratio: 0.5,
        tags: vec!["a".into(), String::new()],
        counts: BTreeMap::from([("x".to_owned(), 1)]),
        note: None,
        share: 100,
        raw: vec![0, 255],
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_of_a_call_does_not_depend_on_the_way() {
    let many = || vec![item("1"), item("2"), item("3")];
    let wrong = Item { share: 101, ..item("far too long a name") };
    let table: Vec<(Action, &str)> = vec![
        (Action::One(item("Ada"), Wish::Answer), "number: -7"),
        (Action::One(item("Ada"), Wish::Refuse), "Unknown(\"Ada\")"),
        (Action::One(item("Ada"), Wish::TooMany), "TooMany { given: 3, most: 2 }"),
        (Action::One(item("Ada"), Wish::Status), "ABORTED: once more (Same.Again) executed Yes"),
        (Action::One(item("Ada"), Wish::NotExecuted), "INTERNAL: nothing was done executed No"),
        (Action::One(item("Ada"), Wish::Panic), "INTERNAL: the handler panicked executed Yes"),
        (Action::One(wrong.clone(), Wish::Answer), "INVALID_ARGUMENT"),
        (Action::Several(i64::MIN, "ü".into(), Some(false)), "[\"-9223372036854775808\", \"ü\", \"Some(false)\"]"),
        (Action::Several(i64::MAX, String::new(), None), "\"None\""),
        (Action::Down(item("Ada"), 3, Wish::Answer), "then the end"),
        (Action::Down(item("Ada"), 0, Wish::Answer), "[] then the end"),
        (Action::Down(item("Ada"), 0, Wish::Refuse), "[] then NOT_FOUND: nobody is called Ada"),
        (Action::Down(item("Ada"), 2, Wish::TooMany), "then RESOURCE_EXHAUSTED: 3 of 2 are given"),
        (Action::Down(wrong.clone(), 2, Wish::Answer), "[] then INVALID_ARGUMENT"),
        (Action::Up(many(), false), "3"),
        (Action::Up(Vec::new(), false), "0"),
        (Action::Up(vec![item("1"), item("stop"), item("2")], false), "1"),
        (Action::Up(vec![item("hush")], false), "Unknown(\"hush\")"),
        (Action::Up(vec![item("1"), wrong.clone()], false), "INVALID_ARGUMENT"),
        (Action::Up(many(), true), "DATA_LOSS: the caller's disk is gone"),
        (Action::Chat(many(), false), "then the end"),
        (Action::Chat(Vec::new(), false), "[] then the end"),
        (Action::Chat(vec![item("hush")], false), "[] then NOT_FOUND: nobody is called hush"),
        (Action::Chat(vec![wrong], false), "[] then INVALID_ARGUMENT"),
        (Action::Chat(Vec::new(), true), "[] then DATA_LOSS: the caller's disk is gone"),
        (
            Action::Metadata(vec![("color".into(), "blue".into()), ("x-request-id".into(), "7".into())], false),
            "\"color=blue\", \"x-request-id=7\", \"limited=true\", \"current=true\"] head Some(\"1\") tail Some(\"2\")",
        ),
        (Action::Metadata(Vec::new(), true), "NOT_FOUND: nothing is known executed Yes head None tail Some(\"2\")"),
        (Action::Deadline(30), "DEADLINE_EXCEEDED: same/hold: the caller's limit of 30ms passed"),
        (Action::Brief, "DEADLINE_EXCEEDED: same/brief: the method's limit of 40ms passed"),
        (Action::Cancel, "CANCELLED: the call's Context was cancelled"),
        (Action::Leave, "left true"),
        (Action::LeaveStream(item("Ada")), "Ada"),
        (Action::OneWay, "Ok(())"),
        (Action::Optional, "UNIMPLEMENTED: same/optional"),
    ];
    let ways = Way::all().await;
    assert_eq!(ways.len(), 12);
    for (action, expected) in table {
        let first = action.clone().run(&ways[0]).await;
        assert!(first.contains(expected), "{action:?}: {first}");
        for way in &ways[1..] {
            assert_eq!(action.clone().run(way).await, first, "{}: {action:?}", way.name);
        }
    }
    for way in ways {
        way.stop().await;
    }
}

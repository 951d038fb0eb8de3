//! Whatever values are sent, and whatever the handler does.

use std::collections::BTreeMap;

use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::{Just, Strategy, any, prop_oneof},
    test_runner::{Config, TestRunner},
};

use crate::{
    actions::Action,
    service::{Item, Wish},
    ways::Way,
};

fn text() -> impl Strategy<Value = String> {
    // Now and then too long.
    prop_oneof![9 => "[a-zà-ÿ \"\\\\{}\n☃]{0,8}", 1 => "[a-z]{10,14}"]
}

fn items() -> impl Strategy<Value = Item> {
    let finite = prop_oneof![any::<i32>().prop_map(f64::from), (-1e300..1e300f64), Just(f64::MIN_POSITIVE)];
    let counts = btree_map("[a-z]{0,3}", any::<u32>(), 0..3).prop_map(|counts| counts.into_iter().collect());
    let (tags, share) = (vec(text(), 0..3), prop_oneof![9 => 0u8..=100, 1 => any::<u8>()]);
    (text(), any::<i64>(), finite, tags, counts, option::of(text()), share, vec(any::<u8>(), 0..9)).prop_map(
        |(name, number, ratio, tags, counts, note, share, raw): (_, _, _, _, BTreeMap<_, _>, _, _, _)| Item {
            name,
            number,
            ratio,
            tags,
            counts,
            note,
            share,
            raw,
        },
    )
}

fn wishes() -> impl Strategy<Value = Wish> {
    prop_oneof![
        4 => Just(Wish::Answer),
        1 => Just(Wish::Refuse),
        1 => Just(Wish::TooMany),
        1 => Just(Wish::Status),
        1 => Just(Wish::NotExecuted),
    ]
}

fn actions() -> impl Strategy<Value = Action> {
    let pairs = vec(("x-[a-z]{1,5}", "[ -~]{0,9}".prop_map(|value| value.replace([' ', '&'], "_"))), 0..4);
    prop_oneof![
        4 => (items(), wishes()).prop_map(|(item, wish)| Action::One(item, wish)),
        2 => (any::<i64>(), text(), any::<Option<bool>>()).prop_map(|(a, b, c)| Action::Several(a, b, c)),
        2 => (items(), 0..5u32, wishes()).prop_map(|(item, count, wish)| Action::Down(item, count, wish)),
        2 => vec(items(), 0..5).prop_map(|parts| Action::Up(parts, false)),
        2 => vec(items(), 0..5).prop_map(|parts| Action::Chat(parts, false)),
        1 => (pairs, any::<bool>()).prop_map(|(pairs, fail)| Action::Metadata(pairs, fail)),
    ]
}

#[test]
fn whatever_is_sent_comes_to_the_same_on_every_way() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let ways = runtime.block_on(Way::all());
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(200) });
    let outcome = runner.run(&actions(), |action| {
        runtime.block_on(async {
            let first = action.clone().run(&ways[0]).await;
            for way in &ways[1..] {
                proptest::prop_assert_eq!(&action.clone().run(way).await, &first, "{}", way.name);
            }
            Ok(())
        })
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    runtime.block_on(async {
        for way in ways {
            way.stop().await;
        }
    });
}

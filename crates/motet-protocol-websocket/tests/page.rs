//! The examples of `docs/websocket.md` are what a server says.

mod support;

use serde_json::Value as Json;
use support::*;

const PAGE: &str = include_str!("../../../docs/websocket.md");

/// Conversations, each of lines with who says what.
fn conversations() -> Vec<Vec<(char, &'static str)>> {
    let blocks = PAGE.split("```text\n").skip(1).filter_map(|rest| rest.split_once("```"));
    let lines = |block: &'static str| {
        block.lines().map(|line| (line.chars().next().unwrap_or(' '), line.get(3..).unwrap_or_default().trim()))
    };
    blocks.map(|(block, _)| lines(block).collect()).collect()
}

/// Without what the page leaves out: metadata, which the tests' own service adds.
fn plain(mut heard: Json) -> Json {
    if let Json::Object(heard) = &mut heard {
        heard.remove("motet");
        if let Some(params) = heard.get_mut("params").and_then(Json::as_object_mut) {
            params.remove("metadata");
        }
    }
    if let Json::Array(all) = heard {
        return all.into_iter().map(plain).collect();
    }
    heard
}

#[tokio::test]
async fn every_conversation_of_the_page_goes_as_it_says() {
    let (app, _) = start("").await;
    let all = conversations();
    assert!(all.len() >= 7, "{} conversations", all.len());
    for conversation in all {
        let mut talk = Talk::to(&app, "/ws").await;
        for (who, text) in conversation {
            match who {
                '→' => talk.say(text).await,
                '←' => {
                    let expected: Json = serde_json::from_str(text).expect("JSON");
                    assert_eq!(plain(talk.hear().await), expected, "{text}");
                }
                other => panic!("{other} says {text}"),
            }
        }
    }
}

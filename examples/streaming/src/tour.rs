//! A client that uses each kind of method.

use std::time::Duration;

use motet::prelude::*;

use crate::Numbers;

/// Calls every method and says what it saw, a line each. It takes any implementation of the trait:
/// a client, local or remote, or the service itself.
///
/// # Errors
/// What goes wrong though it should not.
pub async fn tour(numbers: &impl Numbers) -> Result<Vec<String>> {
    let cx = &Context::new();
    let mut seen = vec![format!("square: {}", numbers.square(cx, 12).await?)];

    // A reply stream to its end.
    seen.push(format!("halves of 8: {:?}", numbers.halves(cx, 8).await?.collect().await?));

    // An error in the middle: the messages before it arrive first, and nothing follows it.
    let mut halves = numbers.halves(cx, 12).await?;
    let mut before = Vec::new();
    let ended = loop {
        match halves.next().await {
            Some(Ok(n)) => before.push(n),
            Some(Err(status)) => break status,
            None => return Err(Status::internal("12 has an odd half")),
        }
    };
    seen.push(format!("halves of 12: {before:?}, then {ended}"));

    // Dropping a reply stream cancels its call, here after three of endlessly many numbers.
    let mut count = numbers.count(cx, 7, 1).await?;
    let mut first = Vec::new();
    while first.len() < 3
        && let Some(n) = count.next().await
    {
        first.push(n?);
    }
    drop(count);
    seen.push(format!("count: {first:?}"));

    // A stream has no deadline unless it is given one; then that is how it ends.
    let soon = cx.with_timeout(Duration::from_millis(50));
    let late = numbers.count(&soon, 0, 5).await?.collect().await.err();
    seen.push(format!("count for 50 ms: {}", late.map_or("no end".to_owned(), |status| status.code().to_string())));

    // A request stream from an iterator.
    seen.push(format!("sum: {}", numbers.sum(cx, Streaming::from_iter([1, 2, 3])).await?));

    // The answer may come before the end of the requests; what is left of them is not sent.
    seen.push(format!("sum of all numbers: {}", numbers.sum(cx, Streaming::from_iter(1..)).await?));

    // Both ways at once: the next question depends on the last answer.
    let (ask, questions) = Streaming::channel(1);
    let mut answers = numbers.sums(cx, questions).await?;
    let mut last = 1;
    for _ in 0..5 {
        // An error would mean that the call is over: its status is the next answer.
        let _ = ask.send(Ok(last)).await;
        last = answers.next().await.unwrap_or_else(|| Err(Status::internal("too few answers")))?;
    }
    drop(ask);
    seen.push(format!("sums: {last}, then {:?}", answers.next().await.is_none()));
    Ok(seen)
}

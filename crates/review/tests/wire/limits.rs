//! How often, how long and for how much a reviewer is asked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use countersign_review::{Arguments, Cache, Prices, ReviewConfig, ReviewError, Verdict};
use serde_json::{Value, json};

use crate::stub::Stub;
use crate::told::{answer, brief, reviewer, saying, wrapped};

#[tokio::test]
async fn one_runs_one_waits_and_the_next_is_refused() {
    let (arrive, arrived) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let (released, running) = (Mutex::new(released), Arc::new(AtomicUsize::new(0)));
    let stub = Stub::answering(move |request| {
        assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0, "two ran at once");
        arrive.send(()).unwrap();
        released.lock().unwrap().recv().unwrap();
        running.fetch_sub(1, Ordering::SeqCst);
        wrapped("anthropic", &answer("allow", request), request)
    });
    let (reviewer, _) = reviewer("anthropic", &stub, |config| (config.concurrency, config.queue) = (1, 1));
    let ask = || {
        let reviewer = Arc::clone(&reviewer);
        tokio::spawn(async move { reviewer.review(&brief()).await })
    };
    let (first, second) = (ask(), ask());
    // Both have taken their places when this task runs again: they go as far as they can.
    tokio::task::yield_now().await;
    assert_eq!(reviewer.review(&brief()).await, Err(ReviewError::Busy));
    for _ in 0..2 {
        release.send(()).unwrap();
    }
    assert!(first.await.unwrap().is_ok() && second.await.unwrap().is_ok());
    assert_eq!(arrived.try_iter().count(), 2);
}

#[tokio::test]
async fn who_stops_waiting_still_holds_the_place_until_the_call_ends() {
    let (arrive, arrived) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let stub = Stub::answering(move |request| {
        arrive.send(()).unwrap();
        released.lock().unwrap().recv().unwrap();
        wrapped("anthropic", &answer("allow", request), request)
    });
    let (reviewer, _) = reviewer("anthropic", &stub, |config| (config.concurrency, config.queue) = (1, 0));
    let asking = Arc::clone(&reviewer);
    let impatient = tokio::spawn(async move { asking.review(&brief()).await });
    tokio::task::yield_now().await;
    tokio::task::spawn_blocking(move || arrived.recv().unwrap()).await.unwrap();
    impatient.abort();
    assert!(impatient.await.unwrap_err().is_cancelled());
    assert_eq!(reviewer.review(&brief()).await, Err(ReviewError::Busy));
    release.send(()).unwrap();
}

#[tokio::test]
async fn five_outages_in_a_row_open_the_circuit_for_a_while() {
    let stub = Stub::refusing("500 Internal Server Error", "retry-after: 1\r\n", r#"{"error":{"type":"api_error"}}"#);
    let (reviewer, world) = reviewer("anthropic", &stub, |_| {});
    for _ in 0..5 {
        let why = ReviewError::Refused { status: 500, kind: Some("api_error".into()) };
        assert_eq!(reviewer.review(&brief()).await, Err(why));
    }
    let closed_for = |seconds| Err(ReviewError::CircuitOpen { retry_after: Duration::from_secs(seconds) });
    assert_eq!(reviewer.review(&brief()).await, closed_for(30));
    world.advance(Duration::from_secs(29));
    assert_eq!(reviewer.review(&brief()).await, closed_for(1));
    assert_eq!(stub.requests().len(), 5);
    world.advance(Duration::from_secs(1));
    assert_eq!(reviewer.review(&brief()).await.unwrap_err().code(), "refused");
    assert_eq!(stub.requests().len(), 6);
    assert_eq!(reviewer.review(&brief()).await, closed_for(30));
}

#[tokio::test]
async fn what_an_agents_words_bring_about_does_not_stop_the_reviews_of_others() {
    let changes: [fn(&mut Value); 4] = [
        |r| r["stop_reason"] = json!("refusal"),
        |r| r["stop_reason"] = json!("max_tokens"),
        |r| r["content"][0]["input"]["nonce"] = json!("ffffffffffffffff"),
        |r| r["content"][0]["input"]["verdict"] = json!("ALLOW!!"),
    ];
    for change in changes {
        let asked = AtomicUsize::new(0);
        let stub = Stub::answering(move |request| {
            let mut response = wrapped("anthropic", &answer("allow", request), request);
            if asked.fetch_add(1, Ordering::SeqCst) < 8 {
                change(&mut response);
            }
            response
        });
        let (reviewer, _) = reviewer("anthropic", &stub, |_| {});
        for _ in 0..8 {
            assert!(!reviewer.review(&brief()).await.unwrap_err().is_outage());
        }
        assert!(reviewer.review(&brief()).await.is_ok());
    }
}

#[tokio::test]
async fn who_has_too_much_to_do_is_left_alone_as_long_as_it_asks_and_no_longer_than_a_minute() {
    for (line, status, asked, heeded) in [
        ("429 Too Many Requests", 429, "7", Some(7)),
        ("503 Service Unavailable", 503, "86400", Some(60)),
        ("529 Overloaded", 529, "18446744073709551615", Some(60)),
        ("529 Overloaded", 529, "Sat, 21 Nov 2026 08:00:00 GMT", None),
        ("429 Too Many Requests", 429, "-1", None),
        ("429 Too Many Requests", 429, "0", None),
    ] {
        let stub =
            Stub::new(move |_, stream| crate::stub::send(stream, line, &format!("retry-after: {asked}\r\n"), ""));
        let (reviewer, world) = reviewer("openai", &stub, |_| {});
        let retry_after = asked.parse().ok().map(Duration::from_secs);
        assert_eq!(reviewer.review(&brief()).await, Err(ReviewError::Overloaded { status, retry_after }), "{asked}");
        let again = reviewer.review(&brief()).await.unwrap_err();
        match heeded.map(Duration::from_secs) {
            Some(rest) => {
                assert_eq!(again, ReviewError::CircuitOpen { retry_after: rest }, "{asked}");
                world.advance(rest);
                assert_eq!(reviewer.review(&brief()).await.unwrap_err().code(), "overloaded");
                assert_eq!(stub.requests().len(), 2, "{asked}");
            }
            None => assert_eq!(again.code(), "overloaded", "{asked}"),
        }
    }
}

fn dear(limit: f64) -> impl FnOnce(&mut ReviewConfig) {
    move |config| {
        config.prices = Some(Prices { input_per_million: 100.0, output_per_million: 100.0 });
        config.cost_per_hour = Some(limit);
    }
}

#[tokio::test]
async fn an_hours_money_is_not_overspent_and_comes_again() {
    let stub = saying("anthropic", "allow");
    let (reviewer, world) = reviewer("anthropic", &stub, dear(2.0));
    let mut spent = 0;
    let why = loop {
        match reviewer.review(&brief()).await {
            Ok(review) => spent += review.cost_micros().unwrap(),
            Err(why) => break why,
        }
    };
    assert_eq!(why, ReviewError::OverBudget);
    assert!((500_000..=2_000_000).contains(&spent), "{spent}");
    let asked = stub.requests().len();
    assert_eq!(reviewer.review(&brief()).await, Err(ReviewError::OverBudget));
    assert_eq!(stub.requests().len(), asked, "it was asked without money");
    world.advance(Duration::from_mins(61));
    assert!(reviewer.review(&brief()).await.is_ok());
}

#[tokio::test]
async fn money_that_may_have_been_spent_counts_and_money_that_was_not_does_not() {
    // One call fits, two do not.
    let silent_about_it = Stub::answering(|request| {
        let mut response = wrapped("anthropic", &answer("allow", request), request);
        response.as_object_mut().unwrap().remove("usage");
        response
    });
    let (unbilled, _) = reviewer("anthropic", &silent_about_it, dear(1.0));
    let review = unbilled.review(&brief()).await.unwrap();
    assert_eq!((review.usage(), review.cost_micros()), (None, None));
    assert_eq!(unbilled.review(&brief()).await, Err(ReviewError::OverBudget));

    let refusing = Stub::refusing("400 Bad Request", "", "");
    let (free, _) = reviewer("anthropic", &refusing, dear(1.0));
    for _ in 0..3 {
        assert_eq!(free.review(&brief()).await.unwrap_err().code(), "refused");
    }
}

#[tokio::test]
async fn an_action_too_long_is_refused_and_never_cut() {
    let stub = saying("openai", "allow");
    let (reviewer, _) = reviewer("openai", &stub, |_| {});
    let mut long = brief();
    long.arguments = Arguments::Shown(json!({ "note": "x".repeat(70_000) }));
    let why = reviewer.review(&long).await.unwrap_err();
    assert!(matches!(why, ReviewError::RequestTooLarge { limit: 65_536, .. }), "{why}");
    assert!(stub.requests().is_empty());
}

#[tokio::test]
async fn every_action_is_reviewed_unless_a_cache_is_configured() {
    let stub = saying("anthropic", "allow");
    let (plain, _) = reviewer("anthropic", &stub, |_| {});
    for _ in 0..2 {
        assert!(!plain.review(&brief()).await.unwrap().is_cached());
    }
    assert_eq!(stub.requests().len(), 2);

    let (kept, world) = reviewer("anthropic", &stub, |config| config.cache = Some(Cache { seconds: 60, entries: 8 }));
    assert!(!kept.review(&brief()).await.unwrap().is_cached());
    let again = kept.review(&brief()).await.unwrap();
    assert_eq!((again.is_cached(), again.verdict(), again.cost_micros()), (true, Verdict::Allow, None));
    assert_eq!(stub.requests().len(), 3);
    let mut riskier = brief();
    riskier.risk.score += 1;
    assert!(!kept.review(&riskier).await.unwrap().is_cached());
    world.advance(Duration::from_mins(1));
    assert!(!kept.review(&brief()).await.unwrap().is_cached());
    assert_eq!(stub.requests().len(), 5);
}

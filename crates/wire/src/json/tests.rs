//! What a body may and may not be.

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;

#[derive(Debug, Deserialize)]
struct Order {
    #[serde(rename = "agent_id")]
    _agent: countersign_core::id::AgentId,
    #[serde(default, rename = "items")]
    _items: Vec<Item>,
    #[serde(default, rename = "effect")]
    _effect: Option<countersign_core::Effect>,
}

#[derive(Debug, Deserialize)]
struct Item {
    #[serde(rename = "count")]
    _count: u32,
}

fn refusal(body: &str) -> String {
    parse::<Value>(body.as_bytes()).unwrap_err().to_string()
}

fn mismatch(body: &str) -> String {
    parse::<Order>(body.as_bytes()).unwrap_err().to_string()
}

#[test]
fn a_key_that_appears_twice_is_refused_at_any_depth() {
    assert_eq!(refusal(r#"{"a":1,"b":2,"a":1}"#), "the key `a` appears twice");
    assert_eq!(refusal(r#"{"x":[0,{"y":{"a":1,"a":2}}]}"#), "`x[1].y`: the key `a` appears twice");
    assert!(parse::<Value>(br#"{"a":{"a":{"a":1}},"b":{"a":1}}"#).is_ok());
}

#[test]
fn keys_are_compared_as_they_are_meant_and_not_as_they_are_spelled() {
    assert_eq!(refusal(r#"{"a":1,"\u0061":2}"#), "the key `a` appears twice");
    assert_eq!(refusal(r#"{"\u0061":1,"a":2}"#), "the key `a` appears twice");
    assert!(parse::<Value>(br#"{"a":1,"\\u0061":2}"#).is_ok());
}

#[test]
fn a_key_that_appears_twice_is_found_among_many() {
    let members: Vec<String> = (0..100).map(|n| format!("\"k{n}\":{{\"k{n}\":0}}")).collect();
    let fine = members.join(",");
    assert!(parse::<Value>(format!("{{{fine}}}").as_bytes()).is_ok());
    for twin in [0, 15, 16, 17, 99] {
        assert_eq!(refusal(&format!("{{{fine},\"k{twin}\":0}}")), format!("the key `k{twin}` appears twice"));
    }
}

#[test]
fn a_long_key_is_repeated_only_in_part() {
    let key = "k".repeat(100);
    let shown = "k".repeat(64);
    assert_eq!(refusal(&format!(r#"{{"{key}":1,"{key}":2}}"#)), format!("the key `{shown}…` appears twice"));
}

#[test]
fn half_a_surrogate_pair_becomes_the_replacement_character() {
    let read: Value = parse(br#"{"s":"cut \ud83d","t":"\ud83d\ude00","u":"\\ud83d"}"#).unwrap();
    assert_eq!(read, json!({"s": "cut \u{fffd}", "t": "😀", "u": "\\ud83d"}));
}

#[test]
fn sixty_four_levels_are_read_and_sixty_five_are_not() {
    let nested = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
    assert!(parse::<Value>(nested(64).as_bytes()).is_ok());
    assert!(refusal(&nested(65)).ends_with("nested too deep: expected at most 64 levels"));
    assert!(refusal(&"{\"a\":".repeat(100_000)).ends_with("nested too deep: expected at most 64 levels"));
}

#[test]
fn anything_after_the_object_is_refused() {
    assert_eq!(refusal(r#"{"a":1} {}"#), "trailing characters at line 1 column 9");
    assert_eq!(refusal("{}\0"), "trailing characters at line 1 column 3");
    assert!(parse::<Value>(b" {} \r\n\t").is_ok());
}

#[test]
fn bytes_that_are_not_utf_8_are_refused() {
    let error = parse::<Value>(b"{\"a\":\"\xff\"}").unwrap_err();
    assert_eq!(error.to_string(), "the body is not UTF-8: the fault is after 6 bytes");
}

#[test]
fn only_an_object_is_a_body() {
    for body in ["", " ", "[]", "null", "5", "\"a\"", "\u{feff}{}"] {
        assert_eq!(refusal(body), "expected a JSON object", "{body:?}");
    }
}

#[test]
fn broken_text_is_refused_with_its_position() {
    assert_eq!(refusal(r#"{"agent_id": "#), "`agent_id`: EOF while parsing a value at line 1 column 13");
    assert_eq!(refusal("{\"a\":1,\n}"), "trailing comma at line 2 column 1");
    assert_eq!(refusal(r#"{"a":1e999}"#), "`a`: number out of range at line 1 column 10");
}

#[test]
fn an_empty_body_can_stand_for_the_empty_object() {
    for body in ["", " \n", "{}"] {
        assert_eq!(parse_or_empty::<Value>(body.as_bytes()), Ok(json!({})));
    }
    assert!(parse_or_empty::<Value>(b"[]").is_err());
}

#[test]
fn an_error_says_where_and_what_was_expected() {
    assert_eq!(mismatch(r#"{"agent_id":5}"#), "`agent_id`: invalid type: integer `5`, expected a string");
    assert_eq!(mismatch("{}"), "missing field `agent_id`");
    assert_eq!(mismatch(r#"{"agent_id":"a","items":[{"count":1},{}]}"#), "`items[1]`: missing field `count`");
    assert_eq!(
        mismatch(r#"{"agent_id":"a","items":[{"count":-1}]}"#),
        "`items[0].count`: invalid value: integer `-1`, expected a whole number from 0 to 4294967295"
    );
    assert_eq!(
        mismatch(r#"{"agent_id":"a","items":[5]}"#),
        "`items[0]`: invalid type: integer `5`, expected a JSON object"
    );
}

#[test]
fn an_error_never_repeats_a_text_that_was_sent_as_a_value() {
    let secret = r#"sk_live_\"1\", expected ` is not `, expected \\"#;
    let cases = [
        (r#"{"agent_id":"a","items":"SECRET"}"#, "`items`: invalid type: string, expected an array"),
        (
            r#"{"agent_id":"a","items":[{"count":"SECRET"}]}"#,
            "`items[0].count`: invalid type: string, expected a whole number from 0 to 4294967295",
        ),
        (r#"{"agent_id":"SECRET"}"#, "`agent_id`: not an id: expected 1 to 128 characters of `A-Z a-z 0-9 _ . -`"),
        (
            r#"{"agent_id":"a","effect":"SECRET"}"#,
            "`effect`: unknown word, expected one of `read`, `mutating`, `destructive`, `admin`",
        ),
    ];
    for (body, expected) in cases {
        for value in [secret, "sk live 1", ""] {
            assert_eq!(mismatch(&body.replace("SECRET", value)), expected);
        }
    }
}

/// Any JSON value without a key that appears twice.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 24, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..24).prop_map(Value::from_iter),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(body in any::<Vec<u8>>()) {
        parse::<Value>(&body).ok();
        parse::<Order>(&body).ok();
    }

    #[test]
    fn nothing_that_looks_like_json_makes_it_panic(body in r#"\{["{}\[\]:,\\ud8a0-9é .e-]{0,60}"#) {
        parse::<Value>(body.as_bytes()).ok();
        parse::<Order>(body.as_bytes()).ok();
    }

    #[test]
    fn what_serde_json_prints_is_read_as_serde_json_reads_it(members in prop::collection::btree_map(any::<String>(), value(), 0..40)) {
        let printed = serde_json::to_string(&members).unwrap();
        let expected: Value = serde_json::from_str(&printed).unwrap();
        prop_assert_eq!(parse::<Value>(printed.as_bytes()), Ok(expected));
    }
}

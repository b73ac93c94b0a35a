//! Strict reading, and the two byte forms.

use countersign_evidence::trace::json::{
    Fault, MAX_DEPTH, Numbers, check, jcs, read, read_with, sorted_ascii, sorted_ascii_of_text,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn fault(text: &str) -> (String, Fault) {
    let refused = read(text.as_bytes()).unwrap_err();
    (refused.pointer, refused.fault)
}

#[test]
fn a_name_twice_is_refused_at_any_depth() {
    assert_eq!(fault(r#"{"a":1,"a":1}"#), (String::new(), Fault::DuplicateMember("a".to_owned())));
    assert_eq!(fault(r#"[{"x":{"\u0061":1,"a":2}}]"#), ("/0/x".to_owned(), Fault::DuplicateMember("a".to_owned())));
    assert_eq!(fault(r#"{"a/b":{"~":{"c":1,"c":1}}}"#).0, "/a~1b/~0");
}

#[test]
fn numbers_that_readers_disagree_about_are_refused() {
    for (text, expected) in [
        ("9007199254740992", Fault::UnsafeInteger),
        ("-9007199254740992", Fault::UnsafeInteger),
        ("100000000000000000000", Fault::UnsafeInteger),
        ("1.0", Fault::Float),
        ("1e3", Fault::Float),
        ("1E400", Fault::Float),
        ("-0.0", Fault::Float),
    ] {
        assert_eq!(fault(&format!(r#"{{"a":{text}}}"#)), ("/a".to_owned(), expected), "{text}");
    }
    for text in ["9007199254740991", "-9007199254740991", "0", "-1"] {
        assert_eq!(read(text.as_bytes()).unwrap().to_string(), text);
    }
    assert_eq!(read(b"-0").unwrap(), json!(0));
    assert_eq!(check(&json!({"a": [1.5]})).unwrap_err().pointer, "/a/0");
    assert_eq!(check(&json!({"a": u64::MAX})).unwrap_err().fault, Fault::UnsafeInteger);
}

#[test]
fn what_is_not_json_in_utf_8_is_refused() {
    for text in [
        r#""\ud800""#,
        r#"{"\udc00":1}"#,
        "",
        "{",
        "[1,]",
        "{\"a\":1}x",
        "NaN",
        "Infinity",
        "'a'",
        "01",
        "\"\t\"",
        "nul",
    ] {
        assert!(matches!(fault(text), (_, Fault::NotJson(_))), "{text}");
    }
    assert!(read(b"\"\xff\"").is_err());
    assert!(read(&[0xef, 0xbb, 0xbf, b'1']).is_err());
}

#[test]
fn nesting_has_an_end() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(read(nested(MAX_DEPTH).as_bytes()).is_ok());
    assert_eq!(fault(&nested(MAX_DEPTH + 1)).1, Fault::TooDeep);
    assert!(read(nested(100_000).as_bytes()).is_err());
    let deep = (0..100).fold(json!(1), |value, _| json!([value]));
    assert_eq!(jcs(&deep).unwrap_err().fault, Fault::TooDeep);
}

#[test]
fn floats_are_read_where_they_are_asked_for() {
    assert_eq!(read_with(b"[0.5]", Numbers::Finite).unwrap(), json!([0.5]));
    assert!(read_with(b"[1e400]", Numbers::Finite).is_err());
    assert!(read_with(b"[9007199254740993]", Numbers::Finite).is_err());
}

#[test]
fn the_two_forms_part_where_text_leaves_ascii() {
    let value = json!({"\u{e000}": 1, "\u{1f600}": "é\u{7f}\u{8}\u{c}\n\r\t\"\\/"});
    let text = String::from_utf8(jcs(&value).unwrap()).unwrap();
    assert_eq!(text, "{\"\u{1f600}\":\"é\u{7f}\\b\\f\\n\\r\\t\\\"\\\\/\",\"\u{e000}\":1}");
    let ascii = r#"{"\ue000":1,"\ud83d\ude00":"\u00e9\u007f\b\f\n\r\t\"\\/"}"#;
    assert_eq!(sorted_ascii(&value).unwrap(), ascii);
}

#[test]
fn the_ascii_form_of_text_keeps_every_number_as_it_is_spelled() {
    let text = br#" { "b" : 1e-05 , "a" : [ 1.0 , 0.0 , 1.50 , 12345678901234567890 , null , true ] } "#;
    let form = r#"{"a":[1.0,0.0,1.50,12345678901234567890,null,true],"b":1e-05}"#;
    assert_eq!(sorted_ascii_of_text(text).unwrap(), form);
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(value in any_value()) {
        prop_assert_eq!(&read(value.to_string().as_bytes()).unwrap(), &value);
        prop_assert_eq!(&read(&jcs(&value).unwrap()).unwrap(), &value);
        let ascii = sorted_ascii(&value).unwrap();
        prop_assert!(ascii.bytes().all(|b| (b' '..=b'~').contains(&b)));
        prop_assert_eq!(&read(ascii.as_bytes()).unwrap(), &value);
        prop_assert_eq!(sorted_ascii_of_text(value.to_string().as_bytes()).unwrap(), ascii);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in any::<Vec<u8>>(), text in "[\\[\\]{}\",:0-9a-z\\\\. -]{0,60}") {
        let _ = read(&bytes);
        if let Ok(value) = read(text.as_bytes()) {
            prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        }
    }
}

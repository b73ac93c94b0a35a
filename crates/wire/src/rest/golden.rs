//! What holds for every response, checked on a sample of each.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::PartialSchema;

/// Checks that `sample` is spelled as `expected`, by the rules of all
/// published clients, and that our own client reads it back.
pub(super) fn check<T: Serialize + DeserializeOwned + PartialSchema>(sample: &T, expected: &Value) {
    let text = serde_json::to_string(sample).unwrap();
    let spelled: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(&spelled, expected);
    assert_rules("$", &spelled);

    let read: T = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), text, "it is read back as it was");

    let schema = serde_json::to_string(&T::schema()).unwrap();
    assert!(!schema.contains("null"), "the document promises that nothing is null: {schema}");
}

/// No `null` anywhere, snake case only, and milliseconds in every time.
pub(super) fn assert_rules(path: &str, value: &Value) {
    match value {
        Value::Null => panic!("`{path}` is null"),
        Value::Array(items) => items.iter().for_each(|item| assert_rules(&format!("{path}[]"), item)),
        Value::Object(members) => {
            for (name, member) in members {
                let path = format!("{path}.{name}");
                assert_eq!(*name, name.to_lowercase(), "`{path}` is not in snake case");
                if name.ends_with("_at") || name == "time" || name == "granted_until" {
                    assert_time(&path, member);
                }
                assert_rules(&path, member);
            }
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn assert_time(path: &str, value: &Value) {
    let shape: String = value.as_str().unwrap().chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000Z", "`{path}` is not a time in milliseconds");
}

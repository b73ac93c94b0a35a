//! What can be proved.
//!
//! The record is a sequence of [entries](entry): canonical byte strings
//! (RFC 8785) that say what happened, each naming the digest of everything
//! recorded before it in its chain. [`verify`] replays them with nothing but
//! the entries themselves. Nothing here knows a protocol, a socket or a store;
//! an auditor builds only this.

pub mod bundle;
mod canonical;
pub mod entry;
mod envelope;
pub mod event;
pub mod log;
pub mod ocsf;
pub mod trace;
pub mod verify;

/// The canonical form (RFC 8785) of a JSON value.
pub fn canonical(value: &impl serde::Serialize) -> Result<Vec<u8>, serde_json::Error> {
    serde_json_canonicalizer::to_vec(value)
}

/// The bytes whose SHA-256 stands for an action's arguments in entries and
/// approvals: the canonical form of `{"input":…,"summary":…}`, where `input`
/// (given as JSON text) is left out if the surface knows none.
///
/// Refuses integers beyond ±(2^53 − 1), which the canonical form would round:
/// two different record numbers must never have one digest.
pub fn arguments(summary: &str, input: Option<&str>) -> Result<Vec<u8>, Uncanonical> {
    #[derive(serde::Serialize)]
    struct Arguments<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        input: Option<serde_json::Value>,
        summary: &'a str,
    }
    let input: Option<serde_json::Value> = input.map(serde_json::from_str).transpose()?;
    if input.as_ref().is_some_and(rounds) {
        return Err(Uncanonical::Rounds);
    }
    let arguments = Arguments { input, summary };
    // Without an input the members are in order and the only value is a string:
    // what serde_json prints is canonical already.
    let bytes = if arguments.input.is_none() { serde_json::to_vec(&arguments) } else { canonical(&arguments) };
    Ok(bytes?)
}

/// Why a value has no canonical form.
#[derive(Debug, thiserror::Error)]
pub enum Uncanonical {
    /// It is not JSON.
    #[error("not JSON")]
    Unreadable(#[from] serde_json::Error),
    /// It holds an integer that the canonical form would round.
    #[error("an integer is beyond ±(2^53 − 1): send it as a string")]
    Rounds,
}

/// Whether a value holds an integer that a double cannot hold exactly.
fn rounds(value: &serde_json::Value) -> bool {
    const SAFE: u64 = (1 << 53) - 1;
    match value {
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(signed), _, _) => signed.unsigned_abs() > SAFE,
            // Beyond 64 bits, an integer was read as a double.
            (None, None, Some(double)) => double.fract() == 0.0 && double.abs() > 9_007_199_254_740_991.0,
            // An unsigned number beyond 63 bits, or no number that can be told.
            (None, Some(_), _) | (None, None, None) => true,
        },
        serde_json::Value::Array(items) => items.iter().any(rounds),
        serde_json::Value::Object(members) => members.values().any(rounds),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_in_another_order_have_the_same_digest_and_other_arguments_another() {
        let of = |input| arguments("s", Some(input)).unwrap();
        assert_eq!(of(r#"{"a":1,"b":[1.50]}"#), of(r#"{ "b":[1.5], "a":1 }"#));
        assert_ne!(of(r#"{"a":1}"#), of(r#"{"a":2}"#));
        assert_ne!(arguments("s", None).unwrap(), arguments("t", None).unwrap());
        assert_ne!(arguments("s", None).unwrap(), of("null"));
    }

    #[test]
    fn an_integer_that_would_be_rounded_is_refused() {
        for text in
            ["1234567890123456789", "-9007199254740992", "18446744073709551615", r#"{"a":[100000000000000000000]}"#]
        {
            assert!(matches!(arguments("", Some(text)), Err(Uncanonical::Rounds)), "{text}");
        }
        assert!(arguments("", Some("9007199254740991")).is_ok());
    }
}

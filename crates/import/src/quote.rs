//! Texts of a document within the policies that are made of it.
//!
//! TRUST: whoever wrote the document must not write policies by what a rule is called.

use std::fmt::Write as _;

/// `text` between quotes in Cedar.
pub(crate) fn escaped(text: &str) -> String {
    let mut written = String::new();
    for c in text.chars() {
        match c {
            '"' => written.push_str("\\\""),
            '\\' => written.push_str("\\\\"),
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(written, "\\u{{{:x}}}", u32::from(c));
            }
            c => written.push(c),
        }
    }
    written
}

//! A report as `JUnit` XML, which CI servers read.

use std::fmt::Write as _;

use super::run::Report;

/// `report` as one test suite for each file, the whole called `name`.
#[must_use]
pub fn junit(name: &str, report: &Report) -> String {
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    let (tests, failures) = (report.cases.len(), report.failed());
    let _ = writeln!(text, "<testsuites name=\"{}\" tests=\"{tests}\" failures=\"{failures}\">", escaped(name));
    for cases in report.cases.chunk_by(|a, b| a.file == b.file) {
        let Some(first) = cases.first() else { continue };
        let file = escaped(&first.file);
        let failures = cases.iter().filter(|case| !case.differences.is_empty()).count();
        let _ = writeln!(text, "  <testsuite name=\"{file}\" tests=\"{}\" failures=\"{failures}\">", cases.len());
        for case in cases {
            let _ = write!(text, "    <testcase classname=\"{file}\" name=\"{}\"", escaped(&case.name));
            let Some(difference) = case.differences.first() else {
                text.push_str("/>\n");
                continue;
            };
            let all = escaped(&case.differences.join("\n"));
            let _ = writeln!(
                text,
                ">\n      <failure message=\"{}\">{all}</failure>\n    </testcase>",
                escaped(difference)
            );
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

/// `text` as XML 1.0 holds it, in an attribute too. What XML cannot hold becomes U+FFFD.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' | ' '..='\u{fffd}' | '\u{10000}'.. if c != '\u{7f}' => escaped.push(c),
            _ => escaped.push('\u{fffd}'),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::Tested;

    #[test]
    fn names_and_differences_cannot_break_the_document() {
        let hostile = "a \"<b>\" & ]]> \u{0} \u{fffe}\nc".to_owned();
        let case = |differences| Tested { file: "f&.yaml".to_owned(), name: hostile.clone(), differences };
        let report = Report { cases: vec![case(vec![hostile.clone()]), case(vec![])], unexercised: vec![] };
        let safe = "a &quot;&lt;b&gt;&quot; &amp; ]]&gt; \u{fffd} \u{fffd}&#10;c";
        let expected = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <testsuites name=\"p\" tests=\"2\" failures=\"1\">\n  \
               <testsuite name=\"f&amp;.yaml\" tests=\"2\" failures=\"1\">\n    \
                 <testcase classname=\"f&amp;.yaml\" name=\"{safe}\">\n      \
                   <failure message=\"{safe}\">{safe}</failure>\n    </testcase>\n    \
                 <testcase classname=\"f&amp;.yaml\" name=\"{safe}\"/>\n  \
               </testsuite>\n</testsuites>\n"
        );
        assert_eq!(junit("p", &report), expected);
    }
}

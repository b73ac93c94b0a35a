//! Looks at every text of a request.

use aho_corasick::BuildError;
use serde_json::Value;

use crate::finding::{DigestKey, Family, Finding, Findings, Hit, Kind, Places, Severity};
use crate::limits::{MAX_FINDINGS, MAX_FINDINGS_PER_TEXT, MAX_NESTING, MAX_TEXT_BYTES, MAX_TEXTS};
use crate::personal;
use crate::phrases::Phrases;
use crate::secrets::{Named, Secrets};
use crate::step::Step;
use crate::view::{Stopped, View, views};

/// The patterns, ready to search with. Made once; may be used by many at once.
#[derive(Debug, Clone)]
pub struct Inspector {
    key: DigestKey,
    phrases: Phrases,
    secrets: Secrets,
}

/// The patterns of this program make no automaton: it was built wrong.
#[derive(Debug, thiserror::Error)]
#[error("the patterns for content checks cannot be compiled; this is a fault of the program")]
pub struct InspectorError(#[source] BuildError);

/// A text and where it stands.
struct Text<'a> {
    at: &'a str,
    in_name: bool,
    words: &'a str,
    /// What the name of the member it stands in says of it.
    named: Named,
}

impl<'a> Text<'a> {
    fn new(at: &'a str, words: &'a str) -> Self {
        Self { at, in_name: false, words, named: Named::Otherwise }
    }
}

/// A value that is still to be looked at.
struct Open<'a> {
    at: String,
    depth: usize,
    named: Named,
    value: &'a Value,
}

/// What was found so far, and what may still be looked at.
struct Looking {
    found: Findings,
    texts_left: usize,
    bytes_left: usize,
}

impl Inspector {
    /// Compiles the patterns. The digests in findings are made with `key`.
    pub fn new(key: DigestKey) -> Result<Self, InspectorError> {
        let phrases = Phrases::new().map_err(InspectorError)?;
        let secrets = Secrets::new().map_err(InspectorError)?;
        Ok(Self { key, phrases, secrets })
    }

    /// Looks at every string, number and name of a member in `arguments`, and at `summary`.
    ///
    /// Each text is looked at by itself, a value with the name it has: what is in one
    /// does not change what is found in another, up to the limits for all of them
    /// ([`Findings::complete`]).
    #[must_use]
    pub fn inspect(&self, arguments: &Value, summary: &str) -> Findings {
        let mut looking = Looking {
            found: Findings { list: Vec::new(), complete: true },
            texts_left: MAX_TEXTS,
            bytes_left: MAX_TEXT_BYTES,
        };
        self.look(&Text::new("/summary", summary), &mut looking);
        self.walk(arguments, &mut looking);
        looking.found
    }

    fn walk(&self, arguments: &Value, looking: &mut Looking) {
        let mut open = vec![Open { at: "/arguments".to_owned(), depth: 0, named: Named::Otherwise, value: arguments }];
        while let Some(Open { at, depth, named, value }) = open.pop() {
            if looking.texts_left == 0 {
                looking.limit(self, Family::Unexamined, &at);
                return;
            }
            let mut inside = Vec::new();
            match value {
                Value::Null | Value::Bool(_) => {}
                Value::String(words) => self.look(&Text { named, ..Text::new(&at, words) }, looking),
                // A card number need not be a string.
                Value::Number(number) => self.look(&Text::new(&at, &number.to_string()), looking),
                Value::Array(_) | Value::Object(_) if depth == MAX_NESTING => {
                    looking.limit(self, Family::Unexamined, &at);
                }
                Value::Array(items) => {
                    for (n, value) in items.iter().enumerate() {
                        inside.push(Open { at: format!("{at}/{n}"), depth: depth + 1, named, value });
                    }
                }
                Value::Object(members) => {
                    // By name, however the parser keeps them: places and order are the same for everyone.
                    let mut members: Vec<_> = members.iter().collect();
                    members.sort_unstable_by_key(|(name, _)| *name);
                    for (n, (name, value)) in members.into_iter().enumerate() {
                        let at = self.name(&at, n, name, looking);
                        inside.push(Open { at, depth: depth + 1, named: Named::of(name), value });
                    }
                }
            }
            open.extend(inside.into_iter().rev());
        }
    }

    /// Looks at the name of a member and says how it stands in pointers.
    fn name(&self, at: &str, number: usize, name: &str, looking: &mut Looking) -> String {
        const LONGEST: usize = 64;
        let by_number = format!("{at}/~#{number}");
        let before = looking.found.list.len();
        self.look(&Text { in_name: true, ..Text::new(&by_number, name) }, looking);
        // What was found in a name must not be told by its place.
        if looking.found.list.len() > before || name.len() > LONGEST || !looking.found.complete {
            return by_number;
        }
        if name.contains(['~', '/']) {
            return format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        }
        format!("{at}/{name}")
    }

    fn look(&self, text: &Text<'_>, looking: &mut Looking) {
        if text.words.is_empty() {
            return;
        }
        if looking.texts_left == 0 || looking.bytes_left < text.words.len() {
            looking.texts_left = 0;
            looking.limit(self, Family::Unexamined, text.at);
            return;
        }
        looking.texts_left -= 1;
        looking.bytes_left -= text.words.len();
        for finding in self.findings(text) {
            if looking.found.list.len() >= MAX_FINDINGS {
                looking.limit(self, Family::Unlisted, text.at);
                return;
            }
            looking.found.complete &= !matches!(finding.family, Family::Unexamined | Family::Unlisted);
            looking.found.list.push(finding);
        }
    }

    /// What is found in one text, the same words in the same family once.
    fn findings(&self, text: &Text<'_>) -> Vec<Finding> {
        let views = views(text.words);
        let mut list: Vec<Finding> = Vec::new();
        let stopped = match views.stopped {
            Some(Stopped::TooDeep) => Some((Family::NestedEncoding, Severity::Medium)),
            Some(Stopped::TooMuch) => Some((Family::Unexamined, Severity::Medium)),
            None => None,
        };
        list.extend(stopped.map(|(family, severity)| self.tell(text, &[], Hit::new(family, severity, 0, 0), b"")));
        for view in &views.list {
            self.hidden(text, view, &mut list);
            for hit in self.hits(text.named, &view.text) {
                let words = view.text.get(hit.start..hit.end).unwrap_or_default();
                let finding = self.tell(text, &view.reached, hit, words.as_bytes());
                let known = |other: &Finding| other.family == finding.family && other.digest == finding.digest;
                // Decoding the whole text shows again what it did not change. In one
                // view, though, the same words in two places are two findings.
                if list.iter().any(|other| known(other) && other.reached != finding.reached) {
                    continue;
                }
                if list.len() == MAX_FINDINGS_PER_TEXT {
                    list.push(self.tell(text, &[], Hit::new(Family::Unlisted, Severity::Medium, 0, 0), b""));
                    return list;
                }
                list.push(finding);
            }
        }
        list
    }

    /// What is found in a view, in the order of the text; in one family nothing overlaps.
    fn hits(&self, named: Named, text: &str) -> Vec<Hit> {
        let mut found = Vec::new();
        self.phrases.search(text, &mut found);
        self.secrets.search(text, &mut found);
        personal::search(text, &mut found);
        let known = found.iter().any(|hit| hit.family.kind() == Kind::Secret);
        let by_name = named.judge(text).filter(|_| !known);
        found.extend(by_name.map(|severity| Hit::new(Family::KeywordSecret, severity, 0, text.len())));
        found.sort_by_key(|hit| (hit.family, hit.start, hit.end));
        let mut apart: Vec<Hit> = Vec::new();
        for hit in found {
            match apart.last_mut() {
                Some(last) if last.family == hit.family && hit.start < last.end => {
                    last.end = last.end.max(hit.end);
                    last.severity = last.severity.max(hit.severity);
                }
                _ => apart.push(hit),
            }
        }
        apart.sort_by_key(|hit| (hit.start, hit.end, hit.family));
        // `password@host` in an address that has a password is nobody's mail.
        let secrets = Places::of(apart.iter().filter(|hit| hit.family.kind() == Kind::Secret));
        apart.retain(|hit| hit.family.kind() != Kind::Personal || !secrets.touch(hit.start, hit.end));
        apart
    }

    fn hidden(&self, text: &Text<'_>, view: &View<'_>, list: &mut Vec<Finding>) {
        let hidden = &view.hidden;
        let found = [
            (Family::TagCharacters, Severity::High, hidden.tags.len()),
            (Family::ZeroWidth, Severity::Medium, hidden.within_words),
            (Family::DirectionOverride, Severity::Low, hidden.direction),
        ];
        for (family, severity, count) in found {
            if count > 0 {
                let finding = self.tell(text, &view.reached, Hit::new(family, severity, 0, 0), hidden.tags.as_bytes());
                list.push(Finding { length: count, ..finding });
            }
        }
    }

    fn tell(&self, text: &Text<'_>, reached: &[Step], hit: Hit, words: &[u8]) -> Finding {
        Finding {
            family: hit.family,
            severity: hit.severity,
            at: text.at.to_owned(),
            in_name: text.in_name,
            reached: reached.to_vec(),
            start: hit.start,
            end: hit.end,
            length: words.len(),
            digest: self.key.digest(words),
        }
    }
}

impl Looking {
    /// Notes that not everything was looked at or listed: once for each reason.
    fn limit(&mut self, inspector: &Inspector, family: Family, at: &str) {
        self.found.complete = false;
        if self.found.list.iter().rev().all(|finding| finding.family != family) {
            self.found.list.push(inspector.tell(
                &Text::new(at, ""),
                &[],
                Hit::new(family, Severity::Medium, 0, 0),
                b"",
            ));
        }
    }
}

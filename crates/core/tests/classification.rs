//! `vectors/classification.yaml`: which effect an action has, judged by its name.

#![expect(clippy::unwrap_used, reason = "a test stops where what it was given is wrong")]

use std::collections::BTreeSet;

use countersign_core::Effect;
use countersign_core::classify::{By, Classification, KEYWORDS, classify};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    tool: String,
    operator: Option<Effect>,
    hint: Option<String>,
    effect: Effect,
    by: String,
    word: Option<String>,
}

impl Case {
    fn classified(&self) -> Classification {
        classify(&self.tool, self.operator, self.hint.as_deref().and_then(Effect::parse))
    }
}

fn cases() -> Vec<Case> {
    serde_norway::from_str(include_str!("../../../vectors/classification.yaml")).unwrap()
}

fn word(by: By) -> Option<&'static str> {
    match by {
        By::Keyword(word) => Some(word),
        By::Override | By::Hint | By::Unknown => None,
    }
}

#[test]
fn names_are_classified_as_the_vectors_say() {
    for case in cases() {
        let found = case.classified();
        let found = (found.effect, found.by.as_str(), word(found.by));
        assert_eq!(found, (case.effect, case.by.as_str(), case.word.as_deref()), "{case:?}");
    }
}

#[test]
fn the_vectors_show_every_keyword() {
    let shown: BTreeSet<_> = cases().into_iter().filter_map(|c| c.word).collect();
    let known: BTreeSet<_> = KEYWORDS.iter().flat_map(|(_, words)| *words).map(|w| (*w).to_owned()).collect();
    assert_eq!(shown, known);
}

#[test]
fn the_vectors_show_everything_that_can_decide_an_effect() {
    let shown: BTreeSet<_> = cases().iter().map(|c| c.classified().by.as_str()).collect();
    assert_eq!(shown, BTreeSet::from(["hint", "keyword", "override", "unknown"]));
}

//! `vectors/content.yaml`: what is found, where, and what is not.

#![cfg(test)]

use std::collections::BTreeSet;

use countersign_content::{DigestKey, Family, Finding, Findings, Inspector};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    text: Option<Text>,
    arguments: Option<Value>,
    #[serde(default)]
    summary: String,
    then: Vec<Expected>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Text {
    Whole(String),
    Parts(Vec<String>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    family: String,
    severity: String,
    #[serde(default = "the_text")]
    at: String,
    #[serde(default)]
    in_name: bool,
    #[serde(default)]
    reached: Vec<String>,
    range: Option<(usize, usize)>,
}

fn the_text() -> String {
    "/arguments/text".to_owned()
}

impl Expected {
    fn fits(&self, found: &Finding) -> bool {
        self.family == found.family.as_str()
            && json!(self.severity) == json!(found.severity)
            && self.at == found.at
            && self.in_name == found.in_name
            && self.reached == found.reached.iter().map(|step| step.as_str()).collect::<Vec<_>>()
            && self.range.is_none_or(|range| range == (found.start, found.end))
    }
}

fn cases() -> Vec<Case> {
    serde_norway::from_str(include_str!("../../../vectors/content.yaml")).unwrap()
}

fn inspect(case: &Case) -> Findings {
    let arguments = match (&case.text, &case.arguments) {
        (Some(Text::Whole(text)), None) => json!({ "text": text }),
        (Some(Text::Parts(parts)), None) => json!({ "text": parts.concat() }),
        (None, Some(arguments)) => arguments.clone(),
        (None, None) => json!({}),
        (Some(_), Some(_)) => panic!("{}: `text` or `arguments`, not both", case.name),
    };
    Inspector::new(DigestKey::new([1; 32])).unwrap().inspect(&arguments, &case.summary)
}

#[test]
fn texts_hold_what_the_vectors_say() {
    let mut wrong = Vec::new();
    for case in cases() {
        let found = inspect(&case);
        let same = found.list.len() == case.then.len() && case.then.iter().zip(&found.list).all(|(a, b)| a.fits(b));
        if !same {
            wrong.push(format!("{}:\n  expected {:?}\n  found    {:?}", case.name, case.then, found.list));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_family_has_a_case() {
    let shown: BTreeSet<String> = cases().into_iter().flat_map(|case| case.then).map(|found| found.family).collect();
    // Limits have tests of their own; these two differ from others by their beginning only.
    let elsewhere = [Family::Unexamined, Family::Unlisted, Family::SendgridKey, Family::PypiToken];
    for family in Family::ALL.iter().filter(|family| !elsewhere.contains(family)) {
        assert!(shown.contains(family.as_str()), "no case shows `{}`", family.as_str());
    }
}

#[test]
fn a_name_is_the_same_in_entries_and_in_the_program() {
    for family in Family::ALL {
        assert_eq!(json!(family), json!(family.as_str()));
    }
}

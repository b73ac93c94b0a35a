//! Cases find what a set answers wrongly, and which policies nothing tests.

#![cfg(test)]

use std::sync::Arc;

use countersign_policy::cases::{self, Report};
use countersign_policy::{PolicySet, Source, Tools, Worker};

const POLICIES: &str = r#"
@id("all") @advice("{\"redact\": [\"ssn\"]}") permit (principal, action, resource);
@id("no-night") @code("night") @reason("not at night") forbid (principal, action, resource) when { context.time.hour < 6 };
@id("no-debt") forbid (principal, action, resource) when { context.trust < 100 };
@id("soon") @shadow forbid (principal, action in Action::"admin", resource);
"#;

fn worker() -> Worker {
    let set = PolicySet::load(&[Source { file: "p.cedar", text: POLICIES }], Tools::default()).unwrap();
    Arc::new(set).worker().unwrap()
}

fn run(text: &str) -> Report {
    let cases = cases::read(Source { file: "c.yaml", text }).unwrap();
    cases::run(&mut worker(), cases.iter().map(|case| ("c.yaml", case)))
}

#[test]
fn what_holds_is_silent_and_what_no_case_meets_is_named() {
    let report = run(r#"
- name: by day
  when: { tool: s/get }
  then: { decision: permit, by: [all], obligations: [{ redact: [ssn] }], shadow: {} }
- name: at night
  given: { at: "2026-01-05T03:00:00Z" }
  when: { tool: s/grant_role }
  then: { decision: forbid, by: [no-night], code: night, reason: not at night, obligations: [], shadow: { soon: forbid } }
"#);
    assert_eq!(report.failed(), 0, "{report:?}");
    assert_eq!(report.unexercised, ["no-debt"]);
}

#[test]
fn every_difference_is_said_and_only_what_is_written_is_compared() {
    let report = run(r#"
- name: all wrong
  given: { at: "2026-01-05T03:00:00Z" }
  when: { tool: s/get, effect: admin }
  then: { decision: permit, by: [all], code: x, reason: y, obligations: [{ redact: [ssn] }], shadow: {} }
- name: little said
  when: { tool: s/get }
  then: { decision: none }
"#);
    let found: Vec<&[String]> = report.cases.iter().map(|case| &*case.differences).collect();
    assert_eq!(found[0].len(), 6, "{found:#?}");
    assert_eq!(found[1], [r#"decision: expected "none", got "permit""#]);
}

#[test]
fn a_case_that_cannot_be_read_is_named_with_its_place() {
    for (text, place, said) in [
        ("- name: a\n  when: { tool: t }\n  then: { decison: permit }\n", "c.yaml:3:", "`decison`"),
        ("- name: a\n  when: { tool: t, efect: read }\n  then: { decision: none }\n", "c.yaml:2:", "`effect`"),
        ("- name: a\n  when: { tool: t }\n  then: { decision: allow }\n", "c.yaml:3:", "`permit`"),
        ("- name: a\n  given: { at: noon }\n  when: { tool: t }\n  then: { decision: none }\n", "c.yaml:1:", "`at`"),
        ("- name: [\n", "c.yaml:", ""),
    ] {
        let fault = cases::read(Source { file: "c.yaml", text }).unwrap_err().to_string();
        assert!(fault.starts_with(place) && fault.contains(said), "{fault}");
    }
}

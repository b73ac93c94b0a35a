//! The file that asks the Rego of a manifest what its host would, and does what the host would do.

use serde_json::json;

use super::Rego;
use crate::Options;
use crate::acs::{CALL, Point};
use crate::quote::escaped;

/// What lets calls pass that the Rego does not refuse.
pub(crate) fn permits(point: &Point, server: &str) -> String {
    if !point.names_tool {
        return format!("@id(\"acs\")\npermit (principal, action, resource in Server::\"{}\");\n", escaped(server));
    }
    let one = |(number, name): (usize, &String)| {
        let tool = escaped(&format!("{server}/{name}"));
        format!("@id(\"acs-{}\")\npermit (principal, action, resource == Tool::\"{tool}\");\n", number + 1)
    };
    point.catalogue.keys().enumerate().map(one).collect::<Vec<_>>().join("\n")
}

/// The file of the package that is read.
pub(crate) fn asking(point: &Point, rego: &Rego, options: &Options<'_>) -> String {
    let Point { kind, path, catalogue, .. } = point;
    let query = &rego.query;
    let plain: String = options.file.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let server = json!(options.server);
    let prefix = options.server.chars().count() + 1;
    let (catalogue, kind, path) = (json!(catalogue), json!(kind), json!(path));
    let (known, tool) = if point.names_tool {
        ("name in object.keys(catalogue)", "object.union(catalogue[name], {\"name\": name})")
    } else {
        ("name", "null")
    };
    format!(
        r#"# Imported from {plain}. Asks `{query}` at a call, as the host of the manifest does.
package countersign

catalogue := {catalogue}

concerns if input.server == {server}

name := substring(input.tool, {prefix}, -1) if concerns

verdict := said if {{
    {known}
    tool := {tool}
    call := {{"name": name, "args": input.arguments}}
    target := {{"kind": {kind}, "path": {path}, "value": input.arguments}}
    agent := {{"id": input.agent.id}}
    said := {query} with input as {{
        "intervention_point": "{CALL}",
        "policy_target": target,
        "snapshot": {{"tool_call": call, "agent": agent, "envelope": {{"agent": agent}}}},
        "annotations": {{}},
        "tool": tool,
    }}
}}

members := {{"decision", "reason", "message", "transform", "evidence", "result_labels"}}

reserved if startswith(verdict.reason, "runtime_error:")

valid if {{
    verdict.decision in {{"allow", "warn", "deny", "escalate", "transform"}}
    object.keys(verdict) - members == set()
    not reserved
}}

told := verdict.message if is_string(verdict.message)
else := verdict.reason if is_string(verdict.reason)
else := "refused by the imported policy"

deny contains told if {{ concerns; valid; verdict.decision == "deny" }}

deny contains "the imported policy would change the arguments, and nobody here does" if {{
    concerns
    valid
    verdict.decision == "transform"
}}

deny contains "runtime_error:tool_unknown" if {{ concerns; not {known} }}

deny contains "runtime_error:policy_output_invalid" if {{ concerns; {known}; not valid }}

escalate contains told if {{ concerns; valid; verdict.decision == "escalate" }}
"#
    )
}

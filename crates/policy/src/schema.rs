//! The Cedar schema that policies are checked against.

use std::str::FromStr as _;

use cedar_policy::{Schema, SchemaFragment};
use countersign_core::Effect;

use crate::tools::Tools;

/// The shipped schema, as Cedar schema text.
const SHIPPED: &str = include_str!("schema.cedarschema");

const CONTEXT_BEGINS: &str = "type Call = ";
const CONTEXT_ENDS: &str = ";\n\naction";
const NO_ARGUMENTS: &str = "arguments: Undeclared";

/// The actions of the declared tools, as Cedar schema text.
pub(crate) fn of_tools(tools: &Tools) -> String {
    // A hint of the caller or the behaviour of the session can raise the effect of a call. So an action is in
    // the group of its own effect and of every higher one, and a policy is checked for all it can meet.
    let all = [Effect::Read, Effect::Mutating, Effect::Destructive, Effect::Admin];
    tools.actions(with_arguments, &|tool| all.into_iter().filter(|effect| *effect >= tool.effect).collect())
}

/// The context of a declared tool: the shipped one but for its arguments.
fn with_arguments(arguments: &str) -> String {
    let context = SHIPPED.split_once(CONTEXT_BEGINS).and_then(|(_, rest)| rest.split_once(CONTEXT_ENDS));
    let context = context.map_or("", |(context, _)| context);
    context.replace(NO_ARGUMENTS, &format!("arguments: {arguments}"))
}

/// What a policy may speak of, as Cedar schema text: what is shipped, and the declared tools.
#[must_use]
pub fn text(tools: &Tools) -> String {
    let declared = of_tools(tools);
    if declared.is_empty() { SHIPPED.to_owned() } else { format!("{SHIPPED}\n{declared}") }
}

/// The same for calls that have `effect`: the action of each declared tool is in the group of `effect` and in
/// no other, as it is at a call. For proofs, which speak of one effect at a time.
#[must_use]
pub fn text_at(tools: &Tools, effect: Effect) -> String {
    format!("{SHIPPED}\n{}", tools.actions(with_arguments, &|_| vec![effect]))
}

/// The whole schema. The error is Cedar's.
pub(crate) fn with(of_tools: &str) -> Result<Schema, String> {
    let fragment = SchemaFragment::from_str(&format!("{SHIPPED}\n{of_tools}")).map_err(|why| why.to_string())?;
    Schema::from_schema_fragments([fragment]).map_err(|why| why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    #[test]
    fn the_shipped_schema_holds_and_a_declared_tool_differs_only_in_its_arguments() {
        let text = r#"{"tools":[{"name":"get_it","inputSchema":{"properties":{"n":{"type":"integer"},"o":{"type":"object",
            "properties":{"l":{"type":"array","items":{"type":["number","null"]}},"x":{"type":["string","integer"]}}}},"required":["n"]}}]}"#;
        let mut tools = Tools::default();
        tools.declare("s", Source { file: "tools/s.json", text }).unwrap();
        let actions = of_tools(&tools);
        assert!(actions.contains(r#"action "s/get_it" in ["read", "mutating", "destructive", "admin"]"#), "{actions}");
        assert!(actions.contains(r#"arguments: { "n": Long, "o"?: { "l"?: Set<decimal> } }"#), "{actions}");
        assert!(actions.contains("delegation_depth: Long"), "{actions}");
        with(&actions).unwrap();
        with("").unwrap();
    }
}

//! `countersign check`: may this agent use this tool, now? The exit code says.

use anyhow::{Result, bail};
use countersign_core::id::AgentId;
use serde_json::{Map, Value, json};

use crate::client::Client;
use crate::exit::Exit;
use crate::output::{Field, Output};

const FIELDS: &[Field] = &[
    ("decision", "/decision"),
    ("reason", "/reason"),
    ("code", "/code"),
    ("effect", "/effect"),
    ("check", "/check_id"),
    ("approval", "/approval_id"),
    ("must do", "/obligations"),
    ("guard", "/guard_tier"),
    ("next", "/next"),
];

/// Ask whether an agent may use a tool now
///
/// The answer is recorded, as if the agent had asked. Exit code 0 is allowed, 2 denied, 4 needs approval, and 3 that
/// there was no answer.
#[derive(Debug, clap::Args)]
pub struct Check {
    /// The agent
    #[arg(long, value_name = "ID", value_parser = AgentId::parse)]
    agent: AgentId,
    /// The tool
    #[arg(long, value_name = "NAME")]
    tool: String,
    /// The session: one of the server's, or any id that keeps calls together
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// What the agent wants to do, for whoever is asked to approve it
    #[arg(long, value_name = "TEXT")]
    summary: Option<String>,
    /// The arguments of the call, as JSON, for policies to read
    #[arg(long, value_name = "JSON", value_parser = json_value)]
    arguments: Option<Value>,
    /// How bad it is, where it is worse than its name says
    #[arg(long, value_name = "EFFECT", value_parser = ["read", "mutating", "destructive", "admin"])]
    effect: Option<String>,
}

/// What policies ask of whoever lets the call happen. That a human must approve, the decision says already.
fn obligations(answer: &Map<String, Value>) -> Value {
    let sets = answer.get("policies").and_then(Value::as_array).into_iter().flatten();
    let all = sets.filter_map(|set| set.get("obligations")?.as_array()).flatten().filter_map(Value::as_object);
    let each = all.flatten().filter(|(kind, _)| *kind != "require_approval");
    each.map(|(kind, value)| Value::String(format!("{kind} {value}"))).collect()
}

fn json_value(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|why| format!("not JSON, such as '{{\"amount\": 5}}': {why}"))
}

impl Check {
    pub fn run(self, client: &Client, output: Output) -> Result<Exit> {
        let mut ask = json!({
            "agent_id": self.agent.as_str(),
            "action_name": self.tool,
            "action_source": "api",
        });
        let text = |value: Option<String>| value.map(Value::String);
        let optional = [
            ("session_id", text(self.session)),
            ("action_input_summary", text(self.summary)),
            ("action_effect", text(self.effect)),
            ("action_input", self.arguments),
        ];
        for (name, value) in optional {
            if let (Some(value), Some(ask)) = (value, ask.as_object_mut()) {
                ask.insert(name.into(), value);
            }
        }
        let mut answer = client.post("/api/v1/agenttrust/check", &ask)?;
        let says = |name: &str| answer.get(name).and_then(Value::as_bool);
        let id = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
        let (word, next, exit) = match (says("allowed"), says("elevation_required")) {
            (Some(true), _) => ("allowed", None, Exit::Done),
            (Some(false), Some(true)) => {
                let next = format!("countersign approval approve {}", id("approval_id"));
                ("needs approval", Some(next), Exit::NeedsApproval)
            }
            (Some(false), _) => {
                ("denied", Some(format!("countersign decision explain {}", id("check_id"))), Exit::Denied)
            }
            (None, _) => bail!("the server's answer does not say whether it is allowed: it is no Countersign server"),
        };
        if let Some(answer) = answer.as_object_mut().filter(|_| !output.is_json()) {
            answer.insert("decision".into(), word.into());
            answer.extend(next.map(|next| ("next".into(), next.into())));
            let obligations = obligations(answer);
            answer.insert("obligations".into(), obligations);
        }
        output.one(&answer, FIELDS)?;
        Ok(exit)
    }
}

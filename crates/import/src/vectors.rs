//! Answers of the published packages, call by call: `vectors/import/README.md`.

use serde::Deserialize;
use serde_json::{Map, Value};

/// A file of answers.
#[derive(Deserialize)]
pub(crate) struct Vectors {
    pub calls: Vec<Call>,
    pub conditions: Vec<Condition>,
    pub documents: Vec<Written>,
}

/// A call that was put to the package.
#[derive(Deserialize)]
pub(crate) struct Call {
    pub tool: String,
    pub arguments: Map<String, Value>,
}

/// A condition, and for each call a character that says what came of it.
#[derive(Deserialize)]
pub(crate) struct Condition {
    pub condition: Value,
    pub matches: String,
}

/// A document, and for each call a character that says what was answered.
#[derive(Deserialize)]
pub(crate) struct Written {
    pub policy: Value,
    /// How rules that disagree are resolved, where documents do not say.
    #[serde(default)]
    pub strategy: String,
    pub answers: String,
}

pub(crate) fn read(text: &str) -> Vectors {
    serde_json::from_str(text).unwrap()
}

impl Call {
    pub(crate) fn asked(&self) -> crate::prove::Call<'_> {
        crate::prove::Call { agent: "agent_1", tool: &self.tool, arguments: &self.arguments }
    }
}

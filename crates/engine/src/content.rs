//! Looking at what calls say: what an operator may choose about it, and what comes of it.

use std::sync::Arc;

use countersign_content::{DigestKey, Findings, Inspector, InspectorError, Source, brought};
use countersign_core::capability::{Pattern, allows};
use countersign_core::taint::{Label, Taint};
use serde_json::Value;
use tokio::runtime::Handle;

use crate::spot::Heed;

/// How many bytes are looked at on the thread that asks: well below a millisecond's work.
const ASIDE: usize = 16 * 1024;

/// What an operator says of where content comes from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Tools that bring content from outside when they are called.
    pub untrusted: Vec<Pattern>,
    /// Tools whose results the operator answers for. What is not named is not trusted.
    pub trusted: Vec<Pattern>,
}

/// Looks at what calls say.
#[derive(Debug)]
pub struct ContentGuard {
    inspector: Inspector,
    pub(crate) heed: Heed,
    sources: Sources,
}

impl ContentGuard {
    /// A guard whose findings tell digests under `key`. Fails where the program was built wrong.
    pub fn new(key: [u8; 32], heed: Heed, sources: Sources) -> Result<Self, InspectorError> {
        Ok(Self { inspector: Inspector::new(DigestKey::new(key))?, heed, sources })
    }

    /// What is found in the arguments, as JSON text, and the summary of a call.
    pub(crate) async fn look(self: &Arc<Self>, input: Option<&str>, summary: &str) -> Looked {
        let Some(runtime) = busy(input.map_or(0, str::len) + summary.len()) else {
            return self.look_at_call(input, summary);
        };
        let (guard, input, summary) = (Arc::clone(self), input.map(str::to_owned), summary.to_owned());
        let looked = runtime.spawn_blocking(move || guard.look_at_call(input.as_deref(), &summary)).await;
        looked.unwrap_or_else(|_| Looked::nothing())
    }

    fn look_at_call(&self, input: Option<&str>, summary: &str) -> Looked {
        let findings = self.inspector.inspect(&input.map_or(Value::Null, read), summary);
        // The agent's own words: what they say counts, not where they come from.
        Looked { taint: brought(Source::Trusted, &findings), findings }
    }

    /// Whether calling a tool brings content from outside.
    pub(crate) fn is_untrusted(&self, tool: &str) -> bool {
        allows(&self.sources.untrusted, tool)
    }

    /// What is found in content, as JSON text, that a tool returned.
    pub(crate) async fn look_at(self: &Arc<Self>, tool: &str, content: &str) -> Looked {
        let Some(runtime) = busy(content.len()) else { return self.look_at_result(tool, content) };
        let (guard, tool, content) = (Arc::clone(self), tool.to_owned(), content.to_owned());
        let looked = runtime.spawn_blocking(move || guard.look_at_result(&tool, &content)).await;
        looked.unwrap_or_else(|_| Looked::nothing())
    }

    fn look_at_result(&self, tool: &str, content: &str) -> Looked {
        let mut findings = self.inspector.inspect(&read(content), "");
        for finding in &mut findings.list {
            finding.at = finding.at.replacen("/arguments", "/content", 1);
        }
        let is_trusted = allows(&self.sources.trusted, tool) && !self.is_untrusted(tool);
        let source = if is_trusted { Source::Trusted } else { Source::Untrusted };
        Looked { taint: brought(source, &findings), findings }
    }
}

/// Where to look at so many bytes: a thread that answers others meanwhile must not be
/// held up by them. `None` for where one is.
fn busy(bytes: usize) -> Option<Handle> {
    (bytes > ASIDE).then(Handle::try_current).and_then(Result::ok)
}

/// What was read before. If it cannot be read again, it is looked at as a text.
fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// What was found in what a call says, or in what a tool returned.
#[derive(Debug)]
pub(crate) struct Looked {
    pub(crate) findings: Findings,
    pub(crate) taint: Taint,
}

impl Looked {
    /// Nobody could look.
    fn nothing() -> Self {
        Self {
            findings: Findings::default(),
            taint: [Label::UntrustedContent, Label::Unexamined].into_iter().collect(),
        }
    }
}

/// What is held already when a call is decided.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Standing {
    /// By the chain that bears the call's labels.
    pub(crate) own: Taint,
    /// By those who lent what the call rests on.
    pub(crate) lent: Taint,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_could_look_at_counts_as_unexamined_and_from_outside() {
        let looked = Looked::nothing();
        assert!(looked.taint.has(Label::UntrustedContent) && looked.taint.has(Label::Unexamined));
        assert!(looked.findings.list.is_empty());
    }
}

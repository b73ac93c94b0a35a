//! The requests there can be, as formulas see them.
//!
//! Cedar's schema says which types the parts of a request have. A request of
//! ours is less free: the tool `a/b` is in the server `a`, a call has one effect,
//! an hour is at most 23. What is known of every request is written here as
//! Cedar conditions; claims are proved of requests for which all of them hold.
//! INVARIANT: each is true of every request that a server asks its policies, but
//! for arguments of other types than declared. None can fail: what fails is not there.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use cedar_policy::{EntityUid, Policy, PolicyId, PolicySet, RequestEnv, Schema};
use cedar_policy_symcc::err::Error;
use cedar_policy_symcc::{CompiledPolicy, CompiledPolicySet};
use countersign_core::Effect;
use countersign_policy::{Tools, schema_at};
use serde_json::Value;

/// The requests of one effect, for one declared tool or for all that are not declared.
pub(crate) struct Space<'a> {
    pub effect: Effect,
    pub tool: Option<&'a str>,
    env: RequestEnv,
    schema: Arc<Schema>,
    /// What is known of each of the requests: Cedar conditions.
    known: Vec<String>,
}

impl Space<'_> {
    /// `policies`, as formulas. With `known` they allow nothing for which not all holds that is known.
    pub(crate) fn compile(&self, policies: &[Policy], known: bool) -> Result<CompiledPolicySet, String> {
        let mut all = policies.to_vec();
        for (number, holds) in self.known.iter().filter(|_| known).enumerate() {
            let text = format!("forbid (principal, action, resource) unless {{ {holds} }};");
            all.push(parse(&format!("known {number}"), &text)?);
        }
        let all = PolicySet::from_policies(all).map_err(|why| why.to_string())?;
        CompiledPolicySet::compile(&all, &self.env, &self.schema).map_err(said)
    }

    /// `policy`, as formulas, which fails only where all holds that is known.
    pub(crate) fn failing(&self, policy: &Policy) -> Result<CompiledPolicy, String> {
        let known: String = self.known.iter().fold(String::new(), |text, holds| format!("{text} when {{ {holds} }}"));
        let known = json(&parse("known", &format!("permit (principal, action, resource){known};"))?)?;
        let mut both = json(policy)?;
        let conditions = |policy: &Value| policy.get("conditions").and_then(Value::as_array).cloned();
        let all: Vec<Value> = conditions(&known).into_iter().chain(conditions(&both)).flatten().collect();
        if let Some(conditions) = both.get_mut("conditions") {
            *conditions = Value::Array(all);
        }
        let both = Policy::from_json(Some(policy.id().clone()), both).map_err(|why| why.to_string())?;
        CompiledPolicy::compile(&both, &self.env, &self.schema).map_err(said)
    }

    /// What to call it in messages.
    pub(crate) fn called(&self) -> String {
        let effect = self.effect;
        self.tool.map_or_else(|| format!("tools with the effect {effect}"), |tool| format!("`{tool}` as {effect}"))
    }
}

/// The policy `text`, called `id`. The error is Cedar's.
pub(crate) fn parse(id: &str, text: &str) -> Result<Policy, String> {
    Policy::parse(Some(PolicyId::new(id)), text).map_err(|why| why.to_string())
}

/// `policy` as a permit, whatever it is.
pub(crate) fn permitting(policy: &Policy) -> Result<Policy, String> {
    let mut permit = json(policy)?;
    if let Some(effect) = permit.get_mut("effect") {
        *effect = "permit".into();
    }
    Policy::from_json(Some(policy.id().clone()), permit).map_err(|why| why.to_string())
}

/// Why there are no formulas, in one line.
fn said(why: Error) -> String {
    match why {
        Error::PolicyNotWellTyped { errs } => {
            errs.first().map_or_else(|| "a policy has a type error".to_owned(), ToString::to_string)
        }
        why => why.to_string(),
    }
}

fn json(policy: &Policy) -> Result<Value, String> {
    policy.to_json().map_err(|why| why.to_string())
}

/// What policies name.
#[derive(Debug, Default)]
pub(crate) struct Named {
    servers: BTreeSet<EntityUid>,
    tools: BTreeSet<EntityUid>,
    organisations: BTreeSet<EntityUid>,
    /// Whether the exact time may be read, and not the hour alone.
    pub reads_time: bool,
}

/// The most organisations of which it is said that nobody is in two.
const MANY: usize = 50;

impl Named {
    /// What `policies` name, each with its text.
    pub(crate) fn of<'a>(policies: impl IntoIterator<Item = (&'a Policy, &'a str)>) -> Self {
        let mut named = Self::default();
        for (policy, text) in policies {
            // Too often is harmless: more is known then, and it is true.
            named.reads_time |= text.contains(".at") || text.contains("[\"at\"]") || text.contains("context.time ==");
            for uid in policy.entity_literals() {
                match uid.type_name().to_string().as_str() {
                    "Server" => named.servers.insert(uid),
                    "Tool" => named.tools.insert(uid),
                    "Organisation" => named.organisations.insert(uid),
                    _ => false,
                };
            }
        }
        named
    }

    /// A name for an organisation that no policy names.
    pub(crate) fn other_organisation(&self) -> String {
        let is_named = |name: &str| self.organisations.iter().any(|uid| uid.id().unescaped() == name);
        let mut name = "acme".to_owned();
        while is_named(&name) {
            name.push('_');
        }
        name
    }

    /// Whether a policy names the organisation.
    pub(crate) fn has_organisation(&self, uid: &EntityUid) -> bool {
        self.organisations.contains(uid)
    }
}

/// All requests there can be, in parts that are asked about one by one. The error is Cedar's; it does not happen.
pub(crate) fn spaces<'a>(tools: &'a Tools, named: &Named) -> Result<Vec<Space<'a>>, String> {
    let mut all = Vec::new();
    for effect in [Effect::Read, Effect::Mutating, Effect::Destructive, Effect::Admin] {
        let (schema, _) = Schema::from_cedarschema_str(&schema_at(tools, effect)).map_err(|why| why.to_string())?;
        let schema = Arc::new(schema);
        for tool in std::iter::once(None).chain(tools.iter().map(|(name, _)| Some(name))) {
            let kind = |name: &str| name.parse().map_err(|why: cedar_policy::ParseErrors| why.to_string());
            let action = uid("Action", tool.unwrap_or(effect.as_str()))?;
            let env = RequestEnv::new(kind("Agent")?, action, kind("Tool")?);
            let known = known(tools, effect, tool, named);
            all.push(Space { effect, tool, env, schema: Arc::clone(&schema), known });
        }
    }
    Ok(all)
}

fn uid(kind: &str, id: &str) -> Result<EntityUid, String> {
    let kind = kind.parse().map_err(|why: cedar_policy::ParseErrors| why.to_string())?;
    Ok(EntityUid::from_type_name_and_id(kind, cedar_policy::EntityId::new(id)))
}

/// `text` as Cedar writes it, in quotes.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.escape_debug())
}

fn known(tools: &Tools, effect: Effect, tool: Option<&str>, named: &Named) -> Vec<String> {
    let mut known = vec![
        format!("context.effect == Effect::\"{effect}\""),
        "context.trust >= 0 && context.trust <= 1000".to_owned(),
        format!("context.delegation_depth >= 0 && context.delegation_depth <= {}", u32::MAX),
        "!(context.behaviour.probing && context.behaviour.bursting)".to_owned(),
        "context.time.hour >= 0 && context.time.hour <= 23".to_owned(),
        "context.time.minute >= 0 && context.time.minute <= 59".to_owned(),
        "context.time.weekday >= 1 && context.time.weekday <= 7".to_owned(),
    ];
    for count in ["reads", "writes", "denied"] {
        known.push(format!(
            "if context has session then context.session.{count} >= 0 && \
             context.session.{count} <= context.session.calls else true"
        ));
    }
    if named.reads_time {
        known.extend(
            [
                "context.time.at >= datetime(\"1970-01-01\") && context.time.at < datetime(\"9999-01-01\")",
                "context.time.at.toTime().toHours() == context.time.hour",
            ]
            .map(str::to_owned),
        );
    }
    match tool {
        Some(tool) => declared(tool, named, &mut known),
        None => undeclared(tools, named, &mut known),
    }
    for one in &named.organisations {
        known.push(format!("(principal in {one}) == (resource in {one})"));
    }
    let few: Vec<_> = named.organisations.iter().take(MANY).collect();
    for (place, one) in few.iter().enumerate() {
        known.extend(few.iter().skip(place + 1).map(|other| format!("!(principal in {one} && principal in {other})")));
    }
    known
}

/// A declared tool is one tool, in one server.
fn declared(tool: &str, named: &Named, known: &mut Vec<String>) {
    known.push(format!("resource == Tool::{0} && resource.name == {0}", quoted(tool)));
    let server = tool.split_once('/').map(|(server, _)| server);
    for one in &named.servers {
        let not = if Some(one.id().unescaped()) == server { "" } else { "!" };
        known.push(format!("{not}(resource in {one})"));
    }
}

/// A tool that is not declared is in the server that its name begins with, and named by it alone.
fn undeclared(tools: &Tools, named: &Named, known: &mut Vec<String>) {
    known.push("resource.name != \"\"".to_owned());
    for one in &named.servers {
        let server = one.id().unescaped();
        if server.contains('/') {
            known.push(format!("!(resource in {one})"));
            continue;
        }
        let mut pattern = String::new();
        for c in server.chars() {
            let _ = if c == '*' { write!(pattern, "\\*") } else { write!(pattern, "{}", c.escape_debug()) };
        }
        known.push(format!("(resource in {one}) == (resource.name like \"{pattern}/*\")"));
    }
    for one in &named.tools {
        known.push(format!("(resource == {one}) == (resource.name == {})", quoted(one.id().unescaped())));
    }
    known.extend(tools.iter().map(|(name, _)| format!("resource.name != {}", quoted(name))));
}

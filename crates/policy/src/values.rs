//! A request in Cedar's values.
//!
//! TRUST: arguments come from the agent. What Cedar cannot hold is carried as
//! its text, so that a policy that compares it fails, and refuses, rather than
//! not seeing it.

use cedar_policy::{Context, RestrictedExpression as Value};
use countersign_core::behaviour::Suspicion;
use countersign_core::session::Mode;
use serde_json::{Map, Number};

use crate::condition::{Inner, Reads};
use crate::request::{Clock, Request, SessionFacts};
use crate::tools::{Kind, Members, Tool};

/// The names of the types, made once: Cedar parses them otherwise at each request.
#[derive(Debug, Clone)]
pub(crate) struct Types {
    pub organisation: cedar_policy::EntityTypeName,
    pub server: cedar_policy::EntityTypeName,
    pub tool: cedar_policy::EntityTypeName,
    pub agent: cedar_policy::EntityTypeName,
    pub session: cedar_policy::EntityTypeName,
    pub action: cedar_policy::EntityTypeName,
    pub effect: cedar_policy::EntityTypeName,
    pub mode: cedar_policy::EntityTypeName,
}

impl Types {
    pub(crate) fn new() -> Result<Self, String> {
        let name = |text: &str| text.parse().map_err(|why: cedar_policy::ParseErrors| why.to_string());
        Ok(Self {
            organisation: name("Organisation")?,
            server: name("Server")?,
            tool: name("Tool")?,
            agent: name("Agent")?,
            session: name("Session")?,
            action: name("Action")?,
            effect: name("Effect")?,
            mode: name("Mode")?,
        })
    }
}

/// `Kind::"id"`.
pub(crate) fn uid(kind: &cedar_policy::EntityTypeName, id: &str) -> cedar_policy::EntityUid {
    cedar_policy::EntityUid::from_type_name_and_id(kind.clone(), cedar_policy::EntityId::new(id))
}

/// Of the context of `request` what is read. The error says what Cedar could not hold.
pub(crate) fn context(
    types: &Types,
    request: &Request<'_>,
    tool: Option<&Tool>,
    reads: &Reads,
) -> Result<Context, String> {
    let mut pairs = Vec::with_capacity(8);
    let mut add = |name: &str, value: &dyn Fn(&Inner) -> Result<Option<Value>, String>| {
        if let Some(inner) = reads.of(name)
            && let Some(value) = value(inner)?
        {
            pairs.push((name.to_owned(), value));
        }
        Ok::<_, String>(())
    };
    add("arguments", &|inner| {
        object(request.arguments, tool.map(|tool| &tool.arguments), |name| inner.has(name)).map(Some)
    })?;
    add("effect", &|_| Ok(Some(Value::new_entity_uid(uid(&types.effect, request.effect.as_str())))))?;
    add("session", &|inner| request.session.map(|facts| session(types, &facts, inner)).transpose())?;
    add("delegation_depth", &|_| Ok(Some(Value::new_long(i64::from(request.delegation_depth)))))?;
    add("trust", &|_| Ok(Some(Value::new_long(i64::from(request.trust)))))?;
    add("behaviour", &|inner| behaviour(request.suspicion, inner).map(Some))?;
    add("time", &|inner| time(request, inner).map(Some))?;
    add("taint", &|_| Ok(Some(Value::new_set(request.taint.iter().map(|label| Value::new_string(label.clone()))))))?;
    if pairs.is_empty() {
        return Ok(Context::empty());
    }
    Context::from_pairs(pairs).map_err(|why| why.to_string())
}

/// A record of those `members` that are read.
fn record(inner: &Inner, members: &[(&str, &dyn Fn() -> Value)]) -> Result<Value, String> {
    let read = members.iter().filter(|(name, _)| inner.has(name));
    Value::new_record(read.map(|(name, value)| ((*name).to_owned(), value()))).map_err(|why| why.to_string())
}

fn behaviour(suspicion: Option<Suspicion>, inner: &Inner) -> Result<Value, String> {
    let is = |this| Value::new_bool(suspicion == Some(this));
    record(inner, &[("probing", &|| is(Suspicion::DenialRate)), ("bursting", &|| is(Suspicion::WriteRatio))])
}

fn session(types: &Types, session: &SessionFacts<'_>, inner: &Inner) -> Result<Value, String> {
    let mode = match session.mode {
        Mode::ReadOnly => "read_only",
        Mode::Standard => "standard",
    };
    let count = |n: u64| Value::new_long(i64::try_from(n).unwrap_or(i64::MAX));
    record(
        inner,
        &[
            ("id", &|| Value::new_entity_uid(uid(&types.session, session.id))),
            ("mode", &|| Value::new_entity_uid(uid(&types.mode, mode))),
            ("calls", &|| count(session.tally.total)),
            ("reads", &|| count(session.tally.read)),
            ("writes", &|| count(session.tally.write)),
            ("denied", &|| count(session.tally.denied)),
        ],
    )
}

fn time(request: &Request<'_>, inner: &Inner) -> Result<Value, String> {
    let Clock { hour, minute, weekday } = request.clock();
    record(
        inner,
        &[
            ("at", &|| Value::new_datetime(request.now.to_string())),
            ("hour", &|| Value::new_long(hour)),
            ("minute", &|| Value::new_long(minute)),
            ("weekday", &|| Value::new_long(weekday)),
        ],
    )
}

/// `null` is the same as not being there.
fn object(
    members: &Map<String, serde_json::Value>,
    declared: Option<&Members>,
    read: impl Fn(&str) -> bool,
) -> Result<Value, String> {
    let mut pairs = Vec::new();
    for (name, value) in members.iter().filter(|(name, _)| read(name)) {
        let kind = declared.and_then(|members| members.get(name)).map(|(kind, _)| kind);
        if let Some(value) = of_json(value, kind)? {
            pairs.push((name.clone(), value));
        }
    }
    Value::new_record(pairs).map_err(|why| why.to_string())
}

fn of_json(value: &serde_json::Value, kind: Option<&Kind>) -> Result<Option<Value>, String> {
    Ok(Some(match (value, kind) {
        (serde_json::Value::Null, _) => return Ok(None),
        (serde_json::Value::Bool(truth), _) => Value::new_bool(*truth),
        (serde_json::Value::String(text), _) => Value::new_string(text.clone()),
        (serde_json::Value::Number(n), kind) => number(n, matches!(kind, Some(Kind::Decimal))),
        (serde_json::Value::Array(items), kind) => {
            let of = if let Some(Kind::List(of)) = kind { Some(&**of) } else { None };
            let items: Vec<_> =
                items.iter().filter_map(|item| of_json(item, of).transpose()).collect::<Result<_, _>>()?;
            Value::new_set(items)
        }
        (serde_json::Value::Object(members), kind) => {
            object(members, if let Some(Kind::Object(members)) = kind { Some(members) } else { None }, |_| true)?
        }
    }))
}

fn number(n: &Number, decimal: bool) -> Value {
    let text = n.to_string();
    match n.as_i64() {
        Some(whole) if !decimal => Value::new_long(whole),
        Some(_) if fits_decimal(&text, "0") => Value::new_decimal(format!("{text}.0")),
        None if text.split_once('.').is_some_and(|(whole, rest)| fits_decimal(whole, rest)) => Value::new_decimal(text),
        _ => Value::new_string(text),
    }
}

/// Whether Cedar's decimal holds it: an `i64` of ten-thousandths.
fn fits_decimal(whole: &str, rest: &str) -> bool {
    let digits = rest.bytes().all(|b| b.is_ascii_digit());
    digits && (1..=4).contains(&rest.len()) && format!("{whole}{rest:0<4}").parse::<i64>().is_ok()
}

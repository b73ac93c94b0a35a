//! A request in Cedar's values.
//!
//! TRUST: arguments come from the agent. What Cedar cannot hold is carried as
//! its text, so that a policy that compares it fails, and refuses, rather than
//! not seeing it.

use cedar_policy::{Context, RestrictedExpression as Value};
use countersign_core::behaviour::Suspicion;
use countersign_core::session::Mode;
use serde_json::{Map, Number};

use crate::request::Request;
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

/// The context of `request`. The error says what Cedar could not hold.
pub(crate) fn context(types: &Types, request: &Request<'_>, tool: Option<&Tool>) -> Result<Context, String> {
    let members = [
        ("arguments", object(request.arguments, tool.map(|tool| &tool.arguments))?),
        ("effect", Value::new_entity_uid(uid(&types.effect, request.effect.as_str()))),
        ("delegation_depth", Value::new_long(i64::from(request.delegation_depth))),
        ("trust", Value::new_long(i64::from(request.trust))),
        ("behaviour", behaviour(request.suspicion)?),
        ("time", time(request)?),
        ("taint", Value::new_set(request.taint.iter().map(|label| Value::new_string(label.clone())))),
    ];
    let session = session(types, request)?.map(|session| ("session", session));
    let pairs = members.into_iter().chain(session).map(|(name, value)| (name.to_owned(), value));
    Context::from_pairs(pairs).map_err(|why| why.to_string())
}

fn record<const N: usize>(members: [(&str, Value); N]) -> Result<Value, String> {
    Value::new_record(members.map(|(name, value)| (name.to_owned(), value))).map_err(|why| why.to_string())
}

fn behaviour(suspicion: Option<Suspicion>) -> Result<Value, String> {
    record([
        ("probing", Value::new_bool(suspicion == Some(Suspicion::DenialRate))),
        ("bursting", Value::new_bool(suspicion == Some(Suspicion::WriteRatio))),
    ])
}

fn session(types: &Types, request: &Request<'_>) -> Result<Option<Value>, String> {
    let Some(session) = request.session else { return Ok(None) };
    let mode = match session.mode {
        Mode::ReadOnly => "read_only",
        Mode::Standard => "standard",
    };
    let count = |n: u64| Value::new_long(i64::try_from(n).unwrap_or(i64::MAX));
    record([
        ("id", Value::new_entity_uid(uid(&types.session, session.id))),
        ("mode", Value::new_entity_uid(uid(&types.mode, mode))),
        ("calls", count(session.tally.total)),
        ("reads", count(session.tally.read)),
        ("writes", count(session.tally.write)),
        ("denied", count(session.tally.denied)),
    ])
    .map(Some)
}

fn time(request: &Request<'_>) -> Result<Value, String> {
    const MINUTE: i64 = 60_000;
    const DAY: i64 = 24 * 60 * MINUTE;
    let at = request.now.as_millis();
    let minutes = at.rem_euclid(DAY) / MINUTE;
    // 1 January 1970 was a Thursday, the fourth day of the week.
    let weekday = (at.div_euclid(DAY) + 3).rem_euclid(7) + 1;
    record([
        ("at", Value::new_datetime(request.now.to_string())),
        ("hour", Value::new_long(minutes / 60)),
        ("minute", Value::new_long(minutes % 60)),
        ("weekday", Value::new_long(weekday)),
    ])
}

/// `null` is the same as not being there.
fn object(members: &Map<String, serde_json::Value>, declared: Option<&Members>) -> Result<Value, String> {
    let mut pairs = Vec::with_capacity(members.len());
    for (name, value) in members {
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
            object(members, if let Some(Kind::Object(members)) = kind { Some(members) } else { None })?
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

//! The record of what was decided.

use std::sync::Arc;

use axum::extract::State;
use countersign_core::Timestamp;
use countersign_engine::{Filter, Found};
use countersign_evidence::entry::Entry;
use countersign_evidence::event;
use countersign_wire::raw::Json;
use countersign_wire::rest::decision::{Decision, Decisions};
use countersign_wire::rest::word;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Answer, blocking, ok};
use crate::identity::Who;
use crate::refuse::Refusal;
use crate::surface::Surface;
use crate::uri::{Path, Query};

/// Which decisions to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DecisionQuery {
    /// Only this agent's.
    agent: Option<String>,
    /// Only this session's.
    session: Option<String>,
    /// Only this tool's.
    tool: Option<String>,
    /// Only `allow`, `deny` or `elevate`.
    verdict: Option<String>,
    /// Where the page before ended: its `next`.
    before: Option<u64>,
    /// How many at most: 50 where it is left out, 500 at most.
    limit: Option<usize>,
}

/// Decisions, latest first. A page may hold fewer than `limit` and still have
/// a `next`: one call reads a bounded stretch of the record.
#[utoipa::path(get, path = "/api/v1/decisions", tag = "decisions", params(DecisionQuery),
    responses((status = 200, body = Decisions)))]
pub(crate) async fn list(
    State(surface): State<Surface>,
    Who(caller): Who,
    Query(query): Query<DecisionQuery>,
) -> Answer {
    let limit = query.limit.unwrap_or(50).clamp(1, 500);
    let DecisionQuery { agent, session, tool, verdict, before, .. } = query;
    let filter = Filter { agent, session, tool, verdict, before, limit };
    let engine = Arc::clone(&surface.engine);
    let page = blocking(move || engine.list_decisions(&caller, &filter)).await?;
    let decisions = page.decisions.iter().map(shown).collect::<Result<_, _>>()?;
    ok(&Decisions { decisions, next: page.next.map(|position| position.to_string()) })
}

/// One decision.
#[utoipa::path(get, path = "/api/v1/decisions/{check_id}", tag = "decisions", params(("check_id" = String, Path)),
    responses((status = 200, body = Decision), (status = 404, description = "no such decision")))]
pub(crate) async fn get(State(surface): State<Surface>, Who(caller): Who, Path(id): Path<String>) -> Answer {
    let engine = Arc::clone(&surface.engine);
    let found = blocking(move || engine.decision(&caller, &id)).await?;
    ok(&shown(&found)?)
}

/// A decision as its entry tells it.
fn shown(found: &Found) -> Result<Decision, Refusal> {
    let unreadable = || {
        let message = "the ledger holds an entry that cannot be read; run `countersign evidence verify`";
        Refusal::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, "entry_unreadable", message)
    };
    let entry = Entry::read(&found.entry).map_err(|_| unreadable())?;
    let event: event::Decision<'_> = serde_json::from_str(entry.event.get()).map_err(|_| unreadable())?;
    let text = |text: &str| Some(text.to_owned());
    Ok(Decision {
        check_id: event.id.to_owned(),
        position: found.position,
        time: Timestamp::parse(entry.time).map_err(|_| unreadable())?.into(),
        agent_id: event.agent.to_owned(),
        session_id: event.session.as_deref().and_then(text),
        tool: event.action.tool.to_string(),
        verdict: match event.verdict {
            "allow" => word::Verdict::Allow,
            "deny" => word::Verdict::Deny,
            _ => word::Verdict::Elevate,
        },
        code: event.code.and_then(text),
        effect: event.effect.judged.into(),
        guard_tier: match event.guard {
            "fast" => word::GuardTier::Fast,
            "spot" => word::GuardTier::Spot,
            _ => word::GuardTier::Deep,
        },
        gate: event.gate.and_then(text),
        reason: event.code.and_then(countersign_core::decide::text_of).and_then(text),
        raised: event.effect.raised.and_then(text),
        word: event.effect.word.and_then(text),
        approval_id: event.approval.and_then(text),
        key_id: text(event.by),
        entry: Json::from_text(String::from_utf8_lossy(&found.entry).into_owned()).ok_or_else(unreadable)?,
    })
}

//! The check: may this agent do this, now?

use axum::extract::State;
use axum::http::StatusCode;
use countersign_core::Digest;
use countersign_core::decide::Verdict;
use countersign_core::denial::Denial;
use countersign_engine::{Ask, Caller, Durability, Judged, Outcome, Owner, Rulings};
use countersign_wire::rest::check::{CheckAnswer, CheckReply, CheckRequest, Confidence, LegacyCheckRequest};
use countersign_wire::rest::policy::PolicyReply;
use countersign_wire::rest::word;

use super::{Answer, ok};
use crate::body::Body;
use crate::identity::Who;
use crate::refuse::Refusal;
use crate::surface::Surface;

/// Decides whether an agent may act, records the decision, and answers.
#[utoipa::path(post, path = "/api/v1/agenttrust/check", tag = "check", request_body = CheckRequest,
    responses((status = 200, description = "allowed, denied or waiting for an approval", body = CheckReply),
        (status = 403, description = "the caller or the session is another agent's"),
        (status = 503, description = "nothing can be recorded, so nothing is decided")))]
pub(crate) async fn check(State(surface): State<Surface>, Who(caller): Who, Body(asked): Body<CheckRequest>) -> Answer {
    answer(&surface, &caller, &asked).await
}

/// The same, in the shape that older integrations send.
#[utoipa::path(post, path = "/api/v1/actions/check", tag = "check", request_body = LegacyCheckRequest,
    responses((status = 200, body = CheckReply)))]
pub(crate) async fn check_legacy(
    State(surface): State<Surface>,
    Who(caller): Who,
    Body(asked): Body<LegacyCheckRequest>,
) -> Answer {
    answer(&surface, &caller, &asked.into()).await
}

async fn answer(surface: &Surface, caller: &Caller, asked: &CheckRequest) -> Answer {
    let input = asked.action_input.as_ref().map(countersign_wire::raw::Json::as_str);
    let content = countersign_evidence::arguments(&asked.action_input_summary, input)
        .map_err(|why| Refusal::invalid(format!("`action_input` has no canonical form (RFC 8785): {why}")))?;
    let ask = Ask {
        agent: &asked.agent_id,
        session: asked.session_id.as_deref(),
        tool: &asked.action_name,
        source: &asked.action_source,
        hint: asked.action_effect,
        summary: &asked.action_input_summary,
        arguments: Digest::of(&content),
        input,
        content: surface.engine.captures().then_some(&content),
    };
    let answer = surface.engine.check(caller, ask).await?;
    surface.metrics.answered(&answer);
    let verdict = answer.decision.verdict;
    if let Verdict::Deny(denial @ (Denial::IdentityMismatch | Denial::SessionForeign)) = verdict {
        return Err(Refusal::new(StatusCode::FORBIDDEN, denial.code(), denial.to_string()));
    }
    let said = answer.policies.as_ref();
    let why = said.and_then(Rulings::reason).filter(|_| answer.decision.gate == Some("policy"));
    let told;
    let reason = match verdict {
        Verdict::Allow if answer.review.is_some() => "a reviewer allowed exactly this action",
        Verdict::Allow if answer.decision.used_approval => "a human approved exactly this action",
        Verdict::Allow if answer.unreachable.is_some() => {
            "capability match, without the spot guard, which gave no answer"
        }
        Verdict::Allow => "capability match",
        Verdict::Elevate(hold) => match why {
            Some(why) => {
                told = format!("{}: {why}", hold.text());
                &told
            }
            None => hold.text(),
        },
        Verdict::Deny(denial) => {
            let whole = denial.to_string();
            // What the policy's author wrote comes before whether asking again can help.
            told = match (why, whole.strip_prefix(denial.text())) {
                (Some(why), Some(hope)) => format!("{}: {why}{hope}", denial.text()),
                _ => whole,
            };
            &told
        }
    };
    let opinion = answer.review.as_ref().and_then(|review| review.said.as_ref());
    let sure = opinion.map_or(Confidence::CERTAIN, |said| Confidence::new(f64::from(said.confidence) / 100.0));
    let (one, both);
    let mut each = said.into_iter().flat_map(Rulings::each).map(policies);
    let policies = match (each.next(), each.next()) {
        (Some(first), Some(second)) => {
            both = [first, second];
            &both[..]
        }
        (Some(first), None) => {
            one = [first];
            &one[..]
        }
        (None, _) => &[],
    };
    let help = verdict.code().map(|code| format!("docs/denials/{code}.md"));
    ok(&CheckAnswer {
        decision: &answer.decision,
        check_id: &answer.id,
        confidence: sure,
        latency_ms: u64::try_from(answer.took.as_millis()).unwrap_or(u64::MAX),
        reason,
        approval_id: answer.approval.as_ref(),
        durability: match answer.durability {
            Durability::Sync => word::Durability::Sync,
            Durability::Grouped => word::Durability::Grouped,
        },
        policies,
        unreachable: answer.unreachable,
        help: help.as_deref(),
    })
}

fn policies(said: &Judged) -> PolicyReply {
    PolicyReply {
        by: said.by().map(str::to_owned).collect(),
        outcome: match said.outcome() {
            Outcome::Permit => word::PolicyOutcome::Permit,
            Outcome::Forbid => word::PolicyOutcome::Forbid,
            Outcome::Failed => word::PolicyOutcome::Error,
            Outcome::Hold => word::PolicyOutcome::Hold,
            Outcome::Unmatched => word::PolicyOutcome::None,
        },
        code: said.code().map(str::to_owned),
        set: said.set.to_string(),
        source: match said.owner {
            Owner::Operator => word::PolicySource::Operator,
            Owner::Organisation { .. } => word::PolicySource::Organisation,
        },
        version: said.owner.version(),
        obligations: said.obligations().filter_map(|one| serde_json::to_value(one).ok()).collect(),
    }
}

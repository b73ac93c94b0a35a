//! Agents.

use axum::extract::State;
use countersign_core::id::OrgId;
use countersign_engine::{Caller, NewAgent, Rights};
use countersign_wire::rest::Done;
use countersign_wire::rest::agent::{
    Agent, AgentCreate, AgentCreated, AgentQuery, AgentRevoke, AgentRights, Agents, BudgetChange, Spent, UsageReport,
};

use super::{Answer, created, done, ok};
use crate::body::Body;
use crate::identity::Who;
use crate::refuse::Refusal;
use crate::surface::Surface;
use crate::uri::{Path, Query};

/// Refuses another organisation than the caller's.
fn same_org(caller: &Caller, org: Option<&OrgId>) -> Result<(), Refusal> {
    match org {
        Some(org) if *org != caller.org => {
            Err(Refusal::forbidden("org_mismatch", "`org_id` is not the organisation of the key"))
        }
        _ => Ok(()),
    }
}

/// Registers an agent.
#[utoipa::path(post, path = "/api/v1/agents", tag = "agents", request_body = AgentCreate,
    responses((status = 201, body = AgentCreated), (status = 409, description = "the name is taken")))]
pub(crate) async fn register(State(surface): State<Surface>, Who(caller): Who, Body(new): Body<AgentCreate>) -> Answer {
    same_org(&caller, new.org_id.as_ref())?;
    let new = NewAgent {
        name: new.name,
        framework: new.framework,
        public_key: new.public_key,
        capabilities: new.capabilities,
        blocked: new.blocked,
        budget: new.budget.into(),
        metadata: new.metadata.as_str().to_owned(),
    };
    created(&AgentCreated::from(&surface.engine.register_agent(&caller, new).await?))
}

/// Every agent, revoked ones too.
#[utoipa::path(get, path = "/api/v1/agents", tag = "agents", params(AgentQuery),
    responses((status = 200, body = Agents)))]
pub(crate) async fn list(State(surface): State<Surface>, Who(caller): Who, Query(query): Query<AgentQuery>) -> Answer {
    same_org(&caller, query.org_id.as_ref())?;
    let agents = surface.engine.list_agents(&caller)?;
    ok(&Agents { agents: agents.iter().map(|stored| Agent::from(&stored.value)).collect() })
}

/// One agent.
#[utoipa::path(get, path = "/api/v1/agents/{id}", tag = "agents", params(("id" = String, Path)),
    responses((status = 200, body = Agent), (status = 404, description = "no such agent")))]
pub(crate) async fn get(State(surface): State<Surface>, Who(caller): Who, Path(id): Path<String>) -> Answer {
    ok(&Agent::from(&surface.engine.agent(&caller, &id)?.value))
}

/// Revokes an agent for ever, and everything that hangs below it.
#[utoipa::path(post, path = "/api/v1/agents/{id}/revoke", tag = "agents", params(("id" = String, Path)),
    request_body = AgentRevoke, responses((status = 200, body = Done)))]
pub(crate) async fn revoke(
    State(surface): State<Surface>,
    Who(caller): Who,
    Path(id): Path<String>,
    Body(order): Body<AgentRevoke>,
) -> Answer {
    surface.engine.revoke_agent(&caller, &id, &order.reason).await?;
    done()
}

/// Suspends an agent until it is resumed.
#[utoipa::path(post, path = "/api/v1/agents/{id}/suspend", tag = "agents", params(("id" = String, Path)),
    request_body = AgentRevoke, responses((status = 200, body = Agent)))]
pub(crate) async fn suspend(
    State(surface): State<Surface>,
    Who(caller): Who,
    Path(id): Path<String>,
    Body(order): Body<AgentRevoke>,
) -> Answer {
    ok(&Agent::from(&surface.engine.suspend_agent(&caller, &id, &order.reason).await?))
}

/// Lets a suspended agent act again.
#[utoipa::path(post, path = "/api/v1/agents/{id}/resume", tag = "agents", params(("id" = String, Path)),
    responses((status = 200, body = Agent)))]
pub(crate) async fn resume(State(surface): State<Surface>, Who(caller): Who, Path(id): Path<String>) -> Answer {
    ok(&Agent::from(&surface.engine.resume_agent(&caller, &id).await?))
}

/// Changes what an agent may and may not do. What is left out stays.
#[utoipa::path(put, path = "/api/v1/agents/{id}/capabilities", tag = "agents", params(("id" = String, Path)),
    request_body = AgentRights, responses((status = 200, body = Agent)))]
pub(crate) async fn change_rights(
    State(surface): State<Surface>,
    Who(caller): Who,
    Path(id): Path<String>,
    Body(rights): Body<AgentRights>,
) -> Answer {
    let AgentRights { capabilities, blocked, budget, trust } = rights;
    let BudgetChange { calls_per_day, tokens_per_day } = budget;
    let rights = Rights { capabilities, blocked, calls_per_day, tokens_per_day, trust };
    ok(&Agent::from(&surface.engine.change_rights(&caller, &id, rights).await?))
}

/// What an agent may spend today, and what it has spent.
#[utoipa::path(get, path = "/api/v1/agents/{id}/budget", tag = "agents", params(("id" = String, Path)),
    responses((status = 200, body = Spent), (status = 404, description = "no such agent")))]
pub(crate) async fn budget(State(surface): State<Surface>, Who(caller): Who, Path(id): Path<String>) -> Answer {
    ok(&spelled(&id, surface.engine.spent(&caller, &id)?))
}

/// Reports how many tokens an agent's models used, so that they count.
#[utoipa::path(post, path = "/api/v1/agents/{id}/usage", tag = "agents", params(("id" = String, Path)),
    request_body = UsageReport,
    responses((status = 200, body = Spent), (status = 404, description = "no such agent")))]
pub(crate) async fn report_usage(
    State(surface): State<Surface>,
    Who(caller): Who,
    Path(id): Path<String>,
    Body(report): Body<UsageReport>,
) -> Answer {
    let session = report.session_id.as_deref();
    ok(&spelled(&id, surface.engine.report_tokens(&caller, &id, session, report.tokens).await?))
}

fn spelled(id: &str, spent: countersign_engine::Spent) -> Spent {
    let countersign_engine::Spent { budget, account } = spent;
    Spent {
        agent_id: id.to_owned(),
        calls_per_day: budget.calls_per_day,
        calls: account.calls,
        tokens_per_day: budget.tokens_per_day,
        tokens: account.tokens,
        resets_at: account.ends_at().into(),
    }
}

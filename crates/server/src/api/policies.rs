//! Policies: what is in force, and what the organisation publishes for itself.

mod shown;

use std::sync::Arc;

use axum::extract::{Request, State};
use countersign_engine::{Caller, Checked, Difference, Error, Fallback, NewVersion, Texts, Workpiece};
use countersign_wire::rest::policy::{
    PoliciesInForce, PolicyDiff, PolicyPublish, PolicyRollback, PolicyTrial, PolicyVersion, PolicyVersions,
};
use countersign_wire::rest::word::PolicyDefault;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Answer, blocking, created, ok, system};
use crate::body::{self, Body};
use crate::identity::Who;
use crate::refuse::Refusal;
use crate::surface::Surface;
use crate::uri::{Path, Query};

/// The most bytes a request to publish may have: the texts of a set, as JSON spells them.
const LIMIT: usize = 20 << 20;

/// Puts policies in force for the caller's organisation, beside the operator's, as its next version. What
/// either refuses is refused. Everything that is wrong is answered, and nothing is published.
#[utoipa::path(post, path = "/api/v1/policies", tag = "policies", request_body = PolicyPublish, responses(
    (status = 200, description = "what publishing would come to (`dry_run`)", body = PolicyTrial),
    (status = 201, description = "published, and in force", body = PolicyVersion),
    (status = 400, description = "the policies do not check, or a case does not hold",
        body = countersign_wire::rest::policy::PolicyRefusal),
    (status = 409, description = "another version than `if_version` is the last"),
    (status = 429, description = "policies of the organisation are being checked or compared")))]
pub(crate) async fn publish(State(surface): State<Surface>, Who(caller): Who, request: Request) -> Answer {
    // Before the body is read: it may be large.
    let workpiece = surface.engine.take_up_policies(&caller)?;
    let asked: PolicyPublish = body::read(request, LIMIT).await?;
    let about = NewVersion { note: asked.note.clone(), if_version: asked.if_version, rolled_back_from: None };
    let is_dry = asked.dry_run;
    let checked = in_turn(workpiece, move || {
        let texts = shown::texts(&asked)?;
        Ok(Checked::read(&texts, fallback(asked.default)))
    });
    match checked.await? {
        checked if is_dry => ok(&shown::trial(checked.as_ref())),
        Err(faults) => Ok(shown::refused(&faults)),
        Ok(checked) => published(&surface, &caller, Some(checked), about).await,
    }
}

async fn published(surface: &Surface, caller: &Caller, checked: Option<Checked>, about: NewVersion) -> Answer {
    let warnings = checked.iter().flat_map(Checked::warnings).map(shown::fault).collect();
    let version = surface.engine.publish_policies(caller, checked, about).await?;
    created(&PolicyVersion { warnings, ..shown::version(&version) })
}

/// What is in force for the caller's organisation.
#[utoipa::path(get, path = "/api/v1/policies", tag = "policies", responses((status = 200, body = PoliciesInForce)))]
pub(crate) async fn in_force(State(surface): State<Surface>, Who(caller): Who) -> Answer {
    let own = surface.engine.own_policies(&caller)?;
    ok(&PoliciesInForce {
        operator: system::policies(&surface.engine),
        published: own.version.map(|stored| shown::version(&stored.value)),
        failure: own.failure,
    })
}

/// Why policies are taken away, and on top of what.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Withdrawal {
    /// Why. About 500 characters.
    note: Option<String>,
    /// The number of the last version you know of. Where another is the last, nothing changes.
    if_version: Option<u64>,
}

/// Takes the policies of the caller's organisation away, as its next version. The operator's stay.
#[utoipa::path(delete, path = "/api/v1/policies", tag = "policies", params(Withdrawal), responses(
    (status = 201, description = "taken away, which is a version too", body = PolicyVersion),
    (status = 409, description = "another version than `if_version` is the last")))]
pub(crate) async fn withdraw(
    State(surface): State<Surface>,
    Who(caller): Who,
    Query(about): Query<Withdrawal>,
) -> Answer {
    let note = about.note.unwrap_or_default();
    let about = NewVersion { note, if_version: about.if_version, rolled_back_from: None };
    published(&surface, &caller, None, about).await
}

/// Every version of the organisation's own policies, without their texts.
#[utoipa::path(get, path = "/api/v1/policies/versions", tag = "policies",
    responses((status = 200, body = PolicyVersions)))]
pub(crate) async fn versions(State(surface): State<Surface>, Who(caller): Who) -> Answer {
    let versions = surface.engine.policy_versions(&caller)?;
    ok(&PolicyVersions { versions: versions.iter().map(|stored| shown::version(&stored.value)).collect() })
}

/// One version, with its texts where they are kept: those of the last 100 versions, 64 MiB at most.
#[utoipa::path(get, path = "/api/v1/policies/versions/{number}", tag = "policies", params(("number" = u64, Path)),
    responses((status = 200, body = PolicyVersion), (status = 404, description = "no such version")))]
pub(crate) async fn version(State(surface): State<Surface>, Who(caller): Who, Path(number): Path<String>) -> Answer {
    let (version, texts) = found(&surface, &caller, &number).await?;
    ok(&PolicyVersion { texts: texts.map(shown::files), ..shown::version(&version) })
}

/// What to compare with.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Against {
    /// The other version: the one before where it is left out. 0 is no policies.
    against: Option<u64>,
}

/// What a version changed.
#[utoipa::path(get, path = "/api/v1/policies/versions/{number}/diff", tag = "policies",
    params(("number" = u64, Path), Against), responses((status = 200, body = PolicyDiff),
        (status = 404, description = "no such version"),
        (status = 409, description = "the texts of one are no longer kept, or no longer load"),
        (status = 429, description = "policies of the organisation are being checked or compared")))]
pub(crate) async fn diff(
    State(surface): State<Surface>,
    Who(caller): Who,
    Path(number): Path<String>,
    Query(query): Query<Against>,
) -> Answer {
    let workpiece = surface.engine.take_up_policies(&caller)?;
    let after = compared(&surface, &caller, &number).await?;
    let against = query.against.unwrap_or(after.number.saturating_sub(1));
    let before = match against {
        0 => Compared { number: 0, texts: Texts::default(), fallback: None },
        number => compared(&surface, &caller, &number.to_string()).await?,
    };
    let (number, fallbacks) = (after.number, (before.fallback, after.fallback));
    let difference = in_turn(workpiece, move || {
        Difference::between(&before.texts, &after.texts).map_err(|faults| {
            let first = faults.first().map_or_else(String::new, ToString::to_string);
            Error::Conflict(format!("one of the versions no longer loads, so they cannot be compared: {first}"))
        })
    });
    ok(&shown::difference(difference.await?, (against, number), fallbacks))
}

/// Puts what an earlier version had in force again, as the next version.
#[utoipa::path(post, path = "/api/v1/policies/versions/{number}/rollback", tag = "policies",
    params(("number" = u64, Path)), request_body = PolicyRollback, responses(
        (status = 201, description = "published, and in force", body = PolicyVersion),
        (status = 400, description = "the policies no longer check",
            body = countersign_wire::rest::policy::PolicyRefusal),
        (status = 404, description = "no such version"),
        (status = 409, description = "its texts are no longer kept, or another version than `if_version` is the last"),
        (status = 429, description = "policies of the organisation are being checked or compared")))]
pub(crate) async fn rollback(
    State(surface): State<Surface>,
    Who(caller): Who,
    Path(number): Path<String>,
    Body(asked): Body<PolicyRollback>,
) -> Answer {
    let workpiece = surface.engine.take_up_policies(&caller)?;
    let Compared { number, texts, fallback } = compared(&surface, &caller, &number).await?;
    let about = NewVersion { note: asked.note, if_version: asked.if_version, rolled_back_from: Some(number) };
    let Some(fallback) = fallback else { return published(&surface, &caller, None, about).await };
    match in_turn(workpiece, move || Ok(Checked::read(&texts, fallback))).await? {
        Err(faults) => Ok(shown::refused(&faults)),
        Ok(checked) => published(&surface, &caller, Some(checked), about).await,
    }
}

/// Does what takes a core while nobody else does, and gives `workpiece` back.
async fn in_turn<T: Send + 'static>(
    workpiece: Workpiece,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Refusal> {
    let turn = workpiece.turn().await;
    blocking(move || {
        // Held to the end, even if whoever asked is gone by then.
        let _turn = turn;
        work()
    })
    .await
}

/// A version whose texts are there: none, and no default, where it took the policies away.
struct Compared {
    number: u64,
    texts: Texts,
    fallback: Option<Fallback>,
}

async fn compared(surface: &Surface, caller: &Caller, number: &str) -> Result<Compared, Refusal> {
    let (version, texts) = found(surface, caller, number).await?;
    let number = version.number;
    match (version.set, texts) {
        (None, _) => Ok(Compared { number, texts: Texts::default(), fallback: None }),
        (Some(set), Some(texts)) => Ok(Compared { number, texts, fallback: Some(set.fallback) }),
        (Some(_), None) => {
            let text = format!("the texts of version {number} are no longer kept, only their digest is");
            Err(Error::Conflict(text).into())
        }
    }
}

async fn found(
    surface: &Surface,
    caller: &Caller,
    number: &str,
) -> Result<(countersign_engine::PolicyVersion, Option<Texts>), Refusal> {
    let version = surface.engine.policy_version(caller, number)?.value.clone();
    let engine = Arc::clone(&surface.engine);
    blocking(move || engine.policy_texts(&version).map(|texts| (version, texts))).await
}

fn fallback(default: PolicyDefault) -> Fallback {
    match default {
        PolicyDefault::Deny => Fallback::Deny,
        PolicyDefault::Allow => Fallback::Allow,
    }
}

//! Content that agents took in.

use axum::extract::State;
use countersign_engine::Reported;
use countersign_wire::rest::content::{ContentFinding, ContentReply, ContentReport};

use super::{Answer, ok};
use crate::body::Body;
use crate::identity::Who;
use crate::surface::Surface;
use crate::uri::Path;

/// Reports what a tool returned to a session, so that it counts. Labels come of it,
/// for good; the content itself is not kept.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/content", tag = "sessions", params(("id" = String, Path)),
    request_body = ContentReport,
    responses((status = 200, body = ContentReply), (status = 404, description = "no such session"),
        (status = 409, description = "the session is closed, or content checks are off")))]
pub(crate) async fn report(
    State(surface): State<Surface>,
    Who(caller): Who,
    Path(id): Path<String>,
    Body(report): Body<ContentReport>,
) -> Answer {
    let reported = Reported { tool: &report.source, content: report.content.as_str() };
    let taken = surface.engine.take_in(&caller, &id, reported).await?;
    let findings = taken.findings.list.into_iter().map(|finding| ContentFinding {
        family: finding.family.as_str().to_owned(),
        severity: finding.severity.as_str().to_owned(),
        at: finding.at,
        digest: finding.digest.to_string(),
    });
    ok(&ContentReply {
        labels: names(taken.held),
        added: names(taken.added),
        complete: taken.findings.complete,
        findings: findings.collect(),
    })
}

fn names(taint: countersign_core::taint::Taint) -> Vec<String> {
    taint.labels().map(|label| label.as_str().to_owned()).collect()
}

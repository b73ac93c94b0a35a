//! What agents report after they acted.

use axum::extract::State;
use countersign_engine::Report;
use countersign_wire::rest::telemetry::{TelemetryAccepted, TelemetryReport};

use super::{Answer, ok};
use crate::body::Body;
use crate::identity::Who;
use crate::surface::Surface;

/// Records what an agent reports.
#[utoipa::path(post, path = "/api/v1/telemetry/report", tag = "telemetry", request_body = TelemetryReport,
    responses((status = 200, body = TelemetryAccepted)))]
pub(crate) async fn report(
    State(surface): State<Surface>,
    Who(caller): Who,
    Body(sent): Body<TelemetryReport>,
) -> Answer {
    let reports = sent.events.into_iter().map(|event| Report {
        event_type: event.event_type,
        tool: event.tool_name,
        duration_ms: event.duration_ms,
        success: event.success,
        error_type: event.error_type,
    });
    let session = sent.session_id.as_deref();
    let recorded = surface.engine.report(&caller, &sent.agent_id, session, reports.collect()).await?;
    ok(&TelemetryAccepted { accepted: true, events_processed: recorded as u64 })
}

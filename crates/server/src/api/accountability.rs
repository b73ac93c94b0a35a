//! Accountability: a session as it is now, and everything that was recorded.

use std::sync::Arc;

use axum::extract::State;
use countersign_core::Timestamp;
use countersign_engine::{Engine, Found, Log, Proofs, Replayed, SessionView, Stretch};
use countersign_evidence::log::merkle::leaf_hash;
use countersign_evidence::log::proof::verify_inclusion;
use countersign_wire::raw::Json;
use countersign_wire::rest::accountability::{Entries, ProvenEntry, ReplayFault, SessionAccount, SessionVerification};
use serde::Deserialize;
use utoipa::IntoParams;

use super::log::unreadable;
use super::sessions::shown;
use super::{Answer, blocking, ok};
use crate::identity::Who;
use crate::refuse::Refusal;
use crate::surface::Surface;
use crate::uri::{Path, Query};

/// How many entries one answer holds at most.
const MOST: usize = 1_000;

/// A session as it is now: its integrity, its chain, and whether its record is made.
#[utoipa::path(get, path = "/api/v1/accountability/sessions/{id}", tag = "accountability",
    params(("id" = String, Path)), responses((status = 200, body = SessionAccount),
        (status = 404, description = "no such session")))]
pub(crate) async fn session(State(surface): State<Surface>, Who(caller): Who, Path(id): Path<String>) -> Answer {
    let view = surface.engine.session(&caller, &id)?;
    let published = surface.log.as_ref().and_then(|log| log.published());
    ok(&SessionAccount {
        integrity: integrity(&view).to_owned(),
        traced: surface.engine.is_traced(&caller, &id)?,
        session: shown(&view),
        checkpoint: published.map(|published| published.note.to_string()),
    })
}

/// Replays a session from its first entry: every link of its chain, its counts,
/// and that each published entry is in the tree.
#[utoipa::path(get, path = "/api/v1/accountability/sessions/{id}/verify", tag = "accountability",
    params(("id" = String, Path)), responses((status = 200, body = SessionVerification),
        (status = 404, description = "no such session")))]
pub(crate) async fn verify(State(surface): State<Surface>, Who(caller): Who, Path(id): Path<String>) -> Answer {
    let engine = Arc::clone(&surface.engine);
    let replayed = blocking(move || engine.replay_session(&caller, &id)).await?;
    ok(&examined(replayed, surface.log.clone()).await?)
}

async fn examined(replayed: Replayed, log: Option<Arc<Log>>) -> Result<SessionVerification, Refusal> {
    let Replayed { view, entries, chain, fault } = replayed;
    let (entries, proofs) = proven(entries, log).await?;
    let mut fault = fault.map(|(index, message)| ReplayFault { index, message });
    let (mut included, mut pending) = (0, 0);
    let head = proofs.published.as_ref().map(|published| published.head);
    for (found, proof) in entries.iter().zip(&proofs.proofs) {
        let (Some(head), Some(proof)) = (&head, proof) else {
            pending += 1;
            continue;
        };
        match verify_inclusion(&leaf_hash(&found.entry), found.position, head, proof) {
            Ok(()) => included += 1,
            Err(why) => {
                fault.get_or_insert(ReplayFault { index: found.position, message: why.to_string() });
            }
        }
    }
    let integrity = integrity(&view);
    Ok(SessionVerification {
        session_id: view.session.id.to_string(),
        verified: fault.is_none() && integrity == INTACT,
        integrity: integrity.to_owned(),
        entries: chain.length,
        head: chain.head.to_string(),
        expected_head: view.chain.head.to_string(),
        total_calls: chain.tally.total,
        included,
        pending,
        fault,
        checkpoint: proofs.published.map(|published| published.note.to_string()),
    })
}

const INTACT: &str = "intact";

fn integrity(view: &SessionView) -> &'static str {
    if view.status == "altered" { "altered" } else { INTACT }
}

/// Which entries to replay.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EntriesQuery {
    /// Only those of this session.
    session: Option<String>,
    /// Only from this moment on, RFC 3339.
    since: Option<String>,
    /// Only before this moment, RFC 3339.
    until: Option<String>,
    /// Only from this index on: `next` of the page before.
    from: Option<u64>,
    /// How many at most: 100 where it is left out, 1,000 at most.
    limit: Option<usize>,
}

/// What was recorded, in order, each entry with the proof that it is in the log:
/// a whole session, a stretch of time, or everything.
#[utoipa::path(get, path = "/api/v1/accountability/entries", tag = "accountability", params(EntriesQuery),
    responses((status = 200, body = Entries), (status = 404, description = "no such session")))]
pub(crate) async fn entries(
    State(surface): State<Surface>,
    Who(caller): Who,
    Query(query): Query<EntriesQuery>,
) -> Answer {
    let stretch = Stretch {
        since: query.since.as_deref().map(|text| moment("since", text)).transpose()?,
        until: query.until.as_deref().map(|text| moment("until", text)).transpose()?,
        session: query.session,
        from: query.from,
        limit: query.limit.unwrap_or(100).clamp(1, MOST),
    };
    let engine: Arc<Engine> = Arc::clone(&surface.engine);
    let replay = blocking(move || engine.replay(&caller, &stretch)).await?;
    let (found, proofs) = proven(replay.entries, surface.log.clone()).await?;
    let head = proofs.published.map(|published| published.note.to_string());
    let entries = found.into_iter().zip(proofs.proofs).map(|(found, proof)| {
        let text = String::from_utf8_lossy(&found.entry).into_owned();
        let unreadable = || Refusal::invalid("the ledger holds an entry that is not JSON");
        let proof = proof.map(|hashes| hashes.iter().map(countersign_evidence::log::hash_text).collect());
        Ok(ProvenEntry { entry: Json::from_text(text).ok_or_else(unreadable)?, index: found.position, proof })
    });
    let entries = entries.collect::<Result<_, Refusal>>()?;
    ok(&Entries { checkpoint: head, entries, next: replay.next })
}

fn moment(name: &str, text: &str) -> Result<Timestamp, Refusal> {
    Timestamp::parse(text)
        .map_err(|_| Refusal::invalid(format!("`{name}` is no moment such as `2026-11-21T08:00:00Z` (RFC 3339)")))
}

/// The entries with their proofs, where the server publishes a log.
async fn proven(entries: Vec<Found>, log: Option<Arc<Log>>) -> Result<(Vec<Found>, Proofs), Refusal> {
    let Some(log) = log else {
        let proofs = vec![None; entries.len()];
        return Ok((entries, Proofs { published: None, proofs }));
    };
    let positions: Vec<u64> = entries.iter().map(|found| found.position).collect();
    let proofs = blocking(move || Ok(log.prove(&positions))).await?.map_err(|why| unreadable(&why))?;
    Ok((entries, proofs))
}

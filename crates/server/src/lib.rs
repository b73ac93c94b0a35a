//! The imperative shell: it listens, finds out who asks, calls the engine and
//! translates the answer. Rules live in the core, state in the store, and
//! every refusal becomes a status code in `refuse`.

mod api;
mod body;
mod identity;
mod listen;
mod metrics;
mod observe;
mod refuse;
mod surface;
mod uri;

use std::io;
use std::time::Duration;

use axum::Router;
use tokio::sync::watch;

pub use listen::Listener;
pub use surface::Surface;

/// The whole HTTP surface, ready to be served or called directly.
pub fn router(surface: Surface) -> Router {
    let (routes, _) = api::routes().split_for_parts();
    let watched = axum::middleware::from_fn_with_state(surface.clone(), observe::observe);
    routes.fallback(api::unknown).method_not_allowed_fallback(api::wrong_method).layer(watched).with_state(surface)
}

/// Serves until `stop` turns true and connections are drained. Each of
/// `workers` threads runs its own single-threaded runtime.
pub fn serve(surface: Surface, listeners: &[Listener], workers: usize, stop: &watch::Receiver<bool>) -> io::Result<()> {
    let sweeping = surface.clone();
    listen::run(&router(surface), listeners, workers, stop, sweep(sweeping, stop.clone()))
}

/// Serves any routes as [`serve`] serves ours.
pub fn serve_routes(
    routes: &Router,
    listeners: &[Listener],
    workers: usize,
    stop: &watch::Receiver<bool>,
) -> io::Result<()> {
    listen::run(routes, listeners, workers, stop, std::future::ready(()))
}

/// Clears away what has long ended, every minute.
async fn sweep(surface: Surface, mut stop: watch::Receiver<bool>) {
    while tokio::time::timeout(SWEEP_EVERY, stop.wait_for(|stopped| *stopped)).await.is_err() {
        match surface.engine.sweep().await {
            Ok(0) => {}
            Ok(swept) => tracing::info!(swept, "cleared away {swept} documents that ended more than a day ago"),
            Err(why) => tracing::warn!(%why, "what has ended could not be cleared away; trying again in a minute"),
        }
    }
}

/// How often what has ended is cleared away.
const SWEEP_EVERY: Duration = Duration::from_mins(1);

/// The OpenAPI document of every route, as JSON. `urls` are where the server is
/// reached.
#[must_use]
pub fn openapi_json(urls: &[String]) -> String {
    let (_, mut document) = api::routes().split_for_parts();
    if !urls.is_empty() {
        document.servers = Some(urls.iter().map(utoipa::openapi::Server::new).collect());
    }
    document.to_pretty_json().unwrap_or_default()
}

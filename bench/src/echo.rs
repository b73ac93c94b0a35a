//! The floor: a bare axum server that answers JSON with the same JSON.

use std::io::Write as _;

use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

/// The fields of a check, so that the floor parses and prints the same text.
#[derive(Serialize, Deserialize)]
struct Check {
    agent_id: String,
    session_id: String,
    action_name: String,
    action_source: String,
    action_input_summary: String,
}

async fn echo(Json(check): Json<Check>) -> Json<Check> {
    Json(check)
}

/// Serves on a free port with axum's own server on two threads, and prints
/// the address.
pub(crate) fn serve() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", serde_json::json!({ "url": format!("http://{}", listener.local_addr()?) }));
        std::io::stdout().flush()?;
        axum::serve(listener, Router::new().route("/", post(echo))).await?;
        Ok(())
    })
}

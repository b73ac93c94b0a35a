//! What `countersign dev` says once it is ready.

use std::path::Path;

use anyhow::Result;

use crate::demo::Keys;
use crate::listen::Bound;

/// For programs: one line of JSON.
pub fn line(bound: &Bound, keys: &Keys) -> Result<String> {
    #[derive(serde::Serialize)]
    struct Line<'a> {
        url: &'a str,
        #[serde(flatten)]
        keys: &'a Keys,
    }
    let url = bound.urls.first().map_or("", String::as_str);
    Ok(format!("{}\n", serde_json::to_string(&Line { url, keys })?))
}

/// For people: the keys, and commands to try.
pub fn text(bound: &Bound, keys: &Keys, data: &Path) -> String {
    let Keys { admin_key, agent_key, agent_id } = keys;
    let ask = |tool| ask(bound, keys, tool);
    format!(
        "
  Countersign is ready, for development on this machine.

    URL        {}
    Admin key  {admin_key}
    Agent key  {agent_key}
    Agent      {agent_id}
    Data       {}

  To try in another terminal. This is allowed:

{}

  This is denied, because nobody gave the agent this capability:

{}

  This needs approval first:

{}

  This approves it, with the approval id that was just printed. Then ask again:

{}

  Ctrl-C stops it.

",
        bound.urls.join(", "),
        data.display(),
        ask("web_search"),
        ask("send_email"),
        ask("delete_file"),
        approve(bound, keys),
    )
}

/// The command that asks whether the demo agent may use `tool`. The client
/// commands speak TCP: where there is only a Unix socket, curl asks.
fn ask(bound: &Bound, Keys { agent_key, agent_id, .. }: &Keys, tool: &str) -> String {
    match client(bound, agent_key) {
        Ok(client) => format!("{client} check --agent {agent_id} --tool {tool}"),
        Err(curl) => {
            let body = format!(r#"{{"agent_id":"{agent_id}","action_name":"{tool}","action_source":"api"}}"#);
            format!("{curl}/api/v1/agenttrust/check -d '{body}'")
        }
    }
}

fn approve(bound: &Bound, Keys { admin_key, .. }: &Keys) -> String {
    match client(bound, admin_key) {
        Ok(client) => format!("{client} approval approve APPROVAL_ID"),
        Err(curl) => format!(r#"{curl}/mcp/approvals/APPROVAL_ID/approve -d '{{"decided_by":"me"}}'"#),
    }
}

/// How this program is called as a client with `key`, or curl where it cannot be.
fn client(bound: &Bound, key: &str) -> Result<String, String> {
    if let Some(url) = bound.urls.iter().find(|url| url.starts_with("http")) {
        return Ok(format!("COUNTERSIGN_URL={url} COUNTERSIGN_API_KEY={key} {}", program()));
    }
    let path = bound.urls.first().and_then(|url| url.strip_prefix("unix:")).unwrap_or_default();
    Err(format!("curl -sS --unix-socket {} -H 'X-API-Key: {key}' http://localhost", quoted(path)))
}

/// This program, as it was called.
pub fn program() -> String {
    quoted(&std::env::args().next().unwrap_or_else(|| "countersign".into()))
}

/// `text` as a shell reads it back.
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text.into() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

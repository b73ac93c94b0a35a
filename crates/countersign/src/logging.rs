//! Logs: lines for a terminal, JSON for everything else. To standard error, so
//! that standard output holds results alone.

use std::io::IsTerminal as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_subscriber::filter::LevelFilter;

/// How to write logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere
    #[default]
    Auto,
    /// Text
    Text,
    /// JSON, an event to a line
    Json,
}

/// What to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Only what someone must act on.
    Error,
    /// What someone should know, too.
    Warn,
    /// What happens, too.
    #[default]
    Info,
    /// Why it happens, too.
    Debug,
    /// Everything.
    Trace,
}

/// Writes logs from now on.
pub fn start(format: LogFormat, level: LogLevel) {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let on_terminal = std::io::stderr().is_terminal();
    let logs = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(level)
        .with_ansi(on_terminal)
        // Where logs cannot be written, neither can the complaint: it would
        // end the thread that made it.
        .log_internal_errors(false);
    match format {
        LogFormat::Text => logs.init(),
        LogFormat::Auto if on_terminal => logs.init(),
        LogFormat::Auto | LogFormat::Json => logs.json().flatten_event(true).init(),
    }
}

//! The `countersign` command: reads settings, wires the concrete types
//! together and runs one command. It holds no rule about who may do what.

mod archive;
mod banner;
mod bundle;
mod cli;
mod client;
mod commands;
mod config;
mod content;
mod data_dir;
mod deep;
mod demo;
mod exit;
mod explain;
mod export;
mod finding;
mod listen;
mod log_key;
mod logging;
mod look;
mod mirror;
mod nearest;
mod node;
mod output;
mod policies;
mod records;
mod reload;
mod tarball;
mod tier;
mod tlog;
mod vault;
mod verify;
mod witness;

/// Entries are made on one thread and dropped on another, which the system's
/// allocator pays for with a lock.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::run()
}

//! What was answered is never lost: not when the server is killed, not when
//! the disk is full, and not when the power goes while it writes.

#![cfg(test)]

mod disk;
mod full;
mod kills;
mod load;
mod luck;
mod record;
mod server;
mod torn;

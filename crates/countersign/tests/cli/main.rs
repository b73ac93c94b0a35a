//! The command line as a user meets it: real processes, real files, and ports
//! that the system chose.

#![cfg(test)]

mod check;
mod config;
mod deep;
mod dev;
mod doctor;
mod evidence;
mod evidence_bundle;
mod evidence_log;
mod evidence_record;
mod harness;
mod log;
mod log_world;
mod nouns;
mod policies;
mod policy;
mod policy_import;
mod policy_prove;
mod serve;
mod tiers;
mod traces;
mod truncate;
mod usage;
mod witness;

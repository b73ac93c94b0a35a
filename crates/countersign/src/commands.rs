//! The commands: one file for each noun.

pub mod about;
pub mod agent;
pub mod approval;
pub mod check;
pub mod config;
pub mod decision;
pub mod dev;
pub mod doctor;
pub mod evidence;
pub mod key;
pub mod log;
pub mod org;
pub mod policy;
pub mod serve;
pub mod session;
pub mod stop;
pub mod token;
pub mod trace;
pub mod witness;

//! The pipeline: facts, decision, record, permit.
//!
//! [`Engine`] gathers what a decision needs, asks the pure core, has the
//! decision recorded and only then answers. The server and every in-process
//! binding run this same code, so verdicts are the same. It knows no sockets,
//! and it takes the time and luck from the [`Clock`] and [`Entropy`] it is
//! given.

mod accountability;
mod accounts;
mod agents;
mod approvals;
mod ask;
mod baselines;
mod budgets;
mod caller;
mod case;
mod changes;
mod check;
mod clock;
mod collection;
mod content;
mod decisions;
mod deep;
mod delegations;
mod engine;
mod error;
mod guarding;
mod judged;
mod judging;
mod keys;
mod lent;
mod log;
mod log_key;
mod past;
mod payloads;
mod policies;
mod published;
mod publishing;
mod queue;
mod recorder;
mod recording;
mod records;
mod registry;
mod resource;
mod reviewing;
mod servers;
mod sessions;
mod sight;
mod signing;
mod spot;
mod spotter;
mod spotting;
mod sweep;
mod tainting;
mod telemetry;
mod tier;
mod tokens;
mod trace;
mod vault;
mod versions;
mod workshop;

pub use accountability::{Replay, Replayed, Stretch};
pub use agents::NewAgent;
pub use agents::Rights;
pub use ask::{Answer, Ask};
pub use baselines::Baselines;
pub use budgets::Spent;
pub use caller::{ApiKey, Caller, Proof};
pub use clock::{Clock, Entropy, SystemClock, SystemEntropy};
pub use collection::Stored;
pub use content::{ContentGuard, Sources};
pub use countersign_core::conclude::Reviewed;
pub use countersign_policy::{Difference, Fallback, Fault, Files, Outcome, PolicySet, Source, Texts, Tools};
pub use decisions::{Filter, Found, Page};
pub use deep::{Brief, DeepGuard, Opinion, Reviewing, Said};
pub use delegations::NewDelegation;
pub use engine::{Durability, Engine, Health, Parts, Settings};
pub use error::Error;
pub use judged::{Judged, Owner, Rulings};
pub use keys::{Minted, NewKey};
pub use log::{
    Cosign, Log, LogError, LogHealth, Proofs, Published, Publishing, Reply, Unreached, Witness, WitnessHealth,
};
pub use log_key::RecordedKey;
pub use past::{PastCall, replay_calls};
pub use policies::InForce;
pub use publishing::{Checked, NewVersion, OwnPolicies};
pub use recorder::{Permit, Receipt, RecordError, Recorder};
pub use recording::Recording;
pub use records::{
    Delivery, Destination, DestinationChange, NewDestination, NewProvider, OrgSettings, Organisation, Provider,
    SettingsChange,
};
pub use resource::RESOURCES;
pub use servers::{NewServer, Server, Tool};
pub use sessions::SessionView;
pub use sight::{Known, Looking, NoAnswer, Observed, Sight, SpotGuard};
pub use signing::{Sink, Tracing};
pub use spot::{Heed, Spot, Spotted};
pub use tainting::{Reported, TakenIn};
pub use telemetry::Report;
pub use tier::TierHealth;
pub use tokens::{Introspection, IssuedToken, NewToken};
pub use trace::{Closing, Traced};
pub use vault::Vault;
pub use versions::{PolicyVersion, PublishedSet};
pub use workshop::{Turn, Workpiece};

//! The deep reviewer: somebody is asked about one action before it happens.
//!
//! A [`Brief`] says what the action is. A [`Reviewer`] (a model, a service of
//! your own, a person) answers with a [`Review`] or fails with a named
//! [`ReviewError`]. [`conclude`] turns either into what follows from it, and is
//! the only source of a yes: whatever is not a well-formed allow, of this very
//! action, with enough confidence, is not one.
//!
//! The action is data and never instruction. What a reviewer answers is hostile
//! until it was read strictly. Every call has a deadline, a place in a bounded
//! queue, a size and a price. Time and luck come from the [`World`] that is
//! passed in; secrets are never printed.
//!
//! ```
//! # use std::{path::Path, sync::Arc};
//! # use countersign_review::{Brief, Cleared, Conclusion, ReviewConfig, Reviewer, World, conclude, open};
//! # fn variable(_: &str) -> Option<String> { None }
//! fn prepare(config: &ReviewConfig, world: Arc<dyn World>) -> Result<Box<dyn Reviewer>, Box<dyn std::error::Error>> {
//!     let secret = config.reviewer.secret().map(|source| source.read(Path::new("/etc"), variable)).transpose()?;
//!     Ok(open(config, secret.as_ref(), world)?)
//! }
//!
//! async fn may_happen(reviewer: &dyn Reviewer, brief: &Brief, config: &ReviewConfig) -> Option<Cleared> {
//!     match conclude(brief.action_digest, reviewer.review(brief).await, config.minimum_confidence) {
//!         Conclusion::Allow(cleared) => Some(cleared),
//!         Conclusion::Escalate(_) | Conclusion::Deny(_) => None,
//!     }
//! }
//! ```

mod answer;
mod ask;
mod backend;
mod brief;
mod budget;
mod cache;
mod config;
mod desk;
mod error;
mod exchange;
mod framing;
mod review;
mod secret;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use countersign_core::Timestamp;

pub use answer::Verdict;
pub use ask::Ask;
pub use brief::{Arguments, Brief, Risk};
pub use config::{Cache, ConfigError, Prices, ReviewConfig, ReviewerConfig, TokenLimit};
pub use desk::open;
pub use error::ReviewError;
pub use review::{By, Cleared, Conclusion, Grounds, Review, Usage, conclude};
pub use secret::{Secret, SecretError, SecretSource};

/// A review that is under way.
pub type Reviewing<'a> = Pin<Box<dyn Future<Output = Result<Review, ReviewError>> + Send + 'a>>;

/// Somebody who can be asked about an action.
///
/// A reviewer answers within its own deadline and never panics over what it was
/// told. It may be asked by many at once. What it answers grants nothing before
/// [`conclude`] has seen it.
pub trait Reviewer: Send + Sync {
    /// Asks about one action.
    fn review<'a>(&'a self, brief: &'a Brief) -> Reviewing<'a>;
}

/// Time and luck.
pub trait World: Send + Sync {
    /// Wall time, for signatures.
    fn now(&self) -> Timestamp;

    /// Time since an arbitrary origin that never jumps, for windows and deadlines.
    fn monotonic(&self) -> Duration;

    /// 128 unpredictable bits.
    fn luck(&self) -> u128;
}

//! Which tiers of the Guardian an action meets, and what happens when one of
//! them cannot be reached.
//!
//! The table is the published one. No tier is ever left out in silence: an
//! action either meets all of its tiers, or is denied, or, where it is
//! mutating, goes on with the fast tier alone and the answer says so. A tier
//! that fails again and again counts as unreachable for a while ([`Circuit`]).

use std::time::Duration;

use crate::breaker::Breaker;
use crate::decide::Guard;
use crate::effect::Effect;

/// How long an admitted trial has before another one may be made.
pub const TRIAL: Duration = Duration::from_secs(30);

/// The tiers an action with this effect meets, in order.
#[must_use]
pub const fn tiers(effect: Effect) -> &'static [Guard] {
    match effect {
        Effect::Read => &[Guard::Fast],
        Effect::Mutating => &[Guard::Fast, Guard::Spot],
        Effect::Destructive | Effect::Admin => &[Guard::Fast, Guard::Spot, Guard::Deep],
    }
}

/// Which tiers can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// The rules. Without them nothing is allowed.
    pub fast: bool,
    /// Limits, circuits, behaviour and risk.
    pub spot: bool,
    /// The reviewer.
    pub deep: bool,
}

impl Reach {
    /// Every tier can be reached.
    pub const ALL: Self = Self { fast: true, spot: true, deep: true };

    const fn includes(self, tier: Guard) -> bool {
        match tier {
            Guard::Fast => self.fast,
            Guard::Spot => self.spot,
            Guard::Deep => self.deep,
        }
    }
}

/// Where an action goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// To these tiers; each may refuse it.
    Ask(&'static [Guard]),
    /// To the fast tier alone, since `missing` cannot be reached. Belongs into
    /// the record.
    FallBack {
        /// The tier that was left out.
        missing: Guard,
    },
    /// Nowhere: denied, since `missing` cannot be reached.
    Deny {
        /// The first tier that is missing.
        missing: Guard,
    },
}

impl Route {
    /// The word used in entries.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ask(_) => "ask",
            Self::FallBack { .. } => "fall_back",
            Self::Deny { .. } => "deny",
        }
    }

    /// The tiers to ask; none where the action is denied.
    #[must_use]
    pub const fn tiers(self) -> &'static [Guard] {
        match self {
            Self::Ask(tiers) => tiers,
            Self::FallBack { .. } => &[Guard::Fast],
            Self::Deny { .. } => &[],
        }
    }

    /// The tier that is missing, if one is.
    #[must_use]
    pub const fn missing(self) -> Option<Guard> {
        match self {
            Self::Ask(_) => None,
            Self::FallBack { missing } | Self::Deny { missing } => Some(missing),
        }
    }
}

/// Where an action with this effect goes.
///
/// A tier that does not answer after it was asked is one that cannot be
/// reached: ask again without it in `reach`.
#[must_use]
pub fn route(effect: Effect, reach: Reach) -> Route {
    let wanted = tiers(effect);
    match (effect, wanted.iter().copied().find(|tier| !reach.includes(*tier))) {
        (_, None) => Route::Ask(wanted),
        (Effect::Mutating, Some(missing @ Guard::Spot)) => Route::FallBack { missing },
        (_, Some(missing)) => Route::Deny { missing },
    }
}

/// The circuit of one tier: a [`Breaker`] that lets one call through at a time
/// once it has cooled down. Times count from an arbitrary monotonic origin.
///
/// What a tier answers is a success, a denial as well. No answer, a late one
/// and one that cannot be read are failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Circuit {
    breaker: Breaker,
    /// Until when the trial under way keeps others out.
    trial_until: Option<Duration>,
}

/// What a circuit does with calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// They pass.
    Closed,
    /// They are kept out.
    Open,
    /// One passes at a time, as a trial.
    HalfOpen,
}

impl State {
    /// The word used in metrics and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

impl Circuit {
    /// What the circuit does at `now`.
    #[must_use]
    pub fn state(self, now: Duration) -> State {
        match self.breaker {
            Breaker::Closed { .. } => State::Closed,
            Breaker::Open { .. } if self.breaker.wait(now).is_some() => State::Open,
            Breaker::Open { .. } => State::HalfOpen,
        }
    }

    /// Asks to call the tier at `now`: the circuit afterwards, and whether the
    /// call may be made. Whoever may must report with [`step`](Self::step); a
    /// trial that nobody reports on makes room for the next after [`TRIAL`].
    #[must_use]
    pub fn admit(self, now: Duration) -> (Self, bool) {
        match self.state(now) {
            State::Closed => (self, true),
            State::Open => (self, false),
            State::HalfOpen if self.trial_until.is_some_and(|until| now < until) => (self, false),
            State::HalfOpen => (Self { trial_until: Some(now.saturating_add(TRIAL)), ..self }, true),
        }
    }

    /// The circuit after a call succeeded or failed.
    #[must_use]
    pub fn step(self, succeeded: bool, now: Duration) -> Self {
        Self { breaker: self.breaker.step(succeeded, now), trial_until: None }
    }
}

//! One thing to record, and what must still be true when it is.

use countersign_core::id::ChainId;
use countersign_core::taint::Taint;
use countersign_evidence::entry::Draft;
use countersign_store::Write;

use crate::accounts::Spending;

pub(crate) type Apply = Box<dyn FnOnce() + Send>;

/// One thing to record.
pub struct Recording {
    pub(crate) draft: Draft,
    pub(crate) writes: Vec<Write>,
    pub(crate) apply: Option<Apply>,
    pub(crate) epoch: Option<u64>,
    pub(crate) revokes: bool,
    pub(crate) under: Option<Under>,
    pub(crate) spending: Option<Spending>,
}

/// The taint that something was decided under.
pub(crate) struct Under {
    pub(crate) taint: Taint,
    /// The chains, beside its own, whose taint counts for it.
    pub(crate) elsewhere: Vec<ChainId>,
}

impl Under {
    /// Whether a chain that is tainted with `now` was heard.
    pub(crate) const fn covers(&self, now: Taint) -> bool {
        now.beyond(self.taint).is_none()
    }
}

impl Recording {
    /// Records `draft`.
    #[must_use]
    pub const fn new(draft: Draft) -> Self {
        Self { draft, writes: Vec::new(), apply: None, epoch: None, revokes: false, under: None, spending: None }
    }

    /// Turns the recording away if the revocation epoch is no longer `epoch`.
    #[must_use]
    pub const fn decided_in(mut self, epoch: u64) -> Self {
        self.epoch = Some(epoch);
        self
    }

    /// Turns the recording away if its chain, or one of those `elsewhere`, has a label
    /// by then that is not in `taint`.
    #[must_use]
    pub fn decided_under(mut self, taint: Taint, elsewhere: Vec<ChainId>) -> Self {
        self.under = Some(Under { taint, elsewhere });
        self
    }

    /// Costs `spending`. Turns the recording away if that is a call which one of those who
    /// pay may not make any more.
    #[must_use]
    pub(crate) fn paid_by(mut self, spending: Option<Spending>) -> Self {
        self.spending = spending;
        self
    }

    /// Moves the revocation epoch on.
    #[must_use]
    pub const fn revoking(mut self) -> Self {
        self.revokes = true;
        self
    }

    /// Makes `writes` durable with the entry, and then runs `apply` before any
    /// later recording is made visible.
    #[must_use]
    pub fn with(mut self, writes: Vec<Write>, apply: impl FnOnce() + Send + 'static) -> Self {
        self.writes = writes;
        self.apply = Some(Box::new(apply));
        self
    }

    /// Whether something that is decided meanwhile may have to be decided again.
    pub(crate) const fn takes_away(&self) -> bool {
        self.revokes || !self.draft.taint().is_none()
    }
}

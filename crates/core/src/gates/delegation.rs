//! Delegation: a borrowed right is only as good as every link of its chain.

use crate::delegation::verify;
use crate::facts::{Action, Facts};
use crate::step::Step;

pub(crate) fn gate(_: &Action<'_>, facts: &Facts<'_>) -> Step {
    match verify(facts.delegation, facts.root_capabilities, facts.now) {
        Ok(()) => Step::Pass,
        Err(denial) => Step::Refuse(denial),
    }
}

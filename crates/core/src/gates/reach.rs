//! Reach: what must meet the Spot guard is refused while that cannot be reached.
//! What may go on without it does so with the fast tier alone.

use crate::denial::Denial;
use crate::facts::{Action, Facts};
use crate::router::{Reach, Route, route};
use crate::step::Step;

pub(crate) fn gate(action: &Action<'_>, facts: &Facts<'_>) -> Step {
    // The rules are what runs here, and Deep is asked last, if it has to be: what is missing is Spot.
    let reach = Reach { fast: true, deep: true, ..facts.reach };
    match route(action.class.effect, reach) {
        Route::Deny { .. } => Step::Refuse(Denial::SpotUnavailable),
        Route::Ask(_) | Route::FallBack { .. } => Step::Pass,
    }
}

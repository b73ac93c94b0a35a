//! Session: the owner, the integrity, the life and the ceiling of a session,
//! and what a read-only session holds back.

use crate::capability::allows;
use crate::denial::Denial;
use crate::effect::Effect;
use crate::facts::{Action, Facts, SessionFacts};
use crate::session::{Mode, Session};
use crate::step::{Hold, Step};

pub(crate) fn gate(action: &Action<'_>, facts: &Facts<'_>) -> Step {
    match facts.session {
        SessionFacts::None | SessionFacts::Tracked => Step::Pass,
        SessionFacts::Unknown => Step::Refuse(Denial::SessionUnknown),
        SessionFacts::Altered => Step::Refuse(Denial::SessionAltered),
        SessionFacts::Ours { session, parent_lives } => ours(action, facts, session, parent_lives),
    }
}

fn ours(action: &Action<'_>, facts: &Facts<'_>, session: &Session, parent_lives: bool) -> Step {
    // Another tenant must not learn that the id exists.
    if session.org != facts.agent.org {
        return Step::Refuse(Denial::SessionUnknown);
    }
    if session.agent != facts.agent.id {
        return Step::Refuse(Denial::SessionForeign);
    }
    if session.closed_at.is_some() {
        return Step::Refuse(Denial::SessionClosed);
    }
    if facts.now >= session.expires_at {
        return Step::Refuse(Denial::SessionExpired);
    }
    if !parent_lives {
        return Step::Refuse(Denial::SessionOrphaned);
    }
    if !allows(&session.ceiling, action.tool) {
        return Step::Refuse(Denial::OutsideCeiling);
    }
    let writes = matches!(action.class.effect, Effect::Mutating | Effect::Destructive);
    if session.mode == Mode::ReadOnly && writes {
        let approved = facts.approval.is_some_and(|a| a.grants(action.class.effect, facts.now));
        return if approved { Step::Approved } else { Step::Hold(Hold::ReadOnly) };
    }
    Step::Pass
}

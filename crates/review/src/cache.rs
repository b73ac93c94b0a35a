//! Reviews of a short while ago, for the same action of the same agent.
//!
//! An allow answers again only while nothing speaks more against the action
//! than when it was given: no higher risk, no new finding, no longer chain of
//! delegations. A question to a person is never kept.

use std::collections::HashMap;
use std::time::Duration;

use countersign_core::Digest;
use countersign_core::id::{AgentId, OrgId};

use crate::answer::Verdict;
use crate::brief::Brief;
use crate::review::Review;

/// What a review is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    organisation: OrgId,
    agent: AgentId,
    action: Digest,
    policy: Digest,
}

/// How suspect an action was when it was reviewed.
#[derive(Debug, Clone)]
struct Scrutiny {
    risk: u32,
    delegation_depth: u32,
    findings: Vec<String>,
    advice: Vec<String>,
}

impl Scrutiny {
    /// Whether `brief` is no more suspect.
    fn covers(&self, brief: &Brief) -> bool {
        brief.risk.score <= self.risk
            && brief.delegation_depth <= self.delegation_depth
            && brief.findings.iter().all(|finding| self.findings.contains(finding))
            && brief.advice == self.advice
    }
}

/// What has to be kept of a brief until its review is there.
#[derive(Debug)]
pub(crate) struct Place(Key, Scrutiny);

impl Place {
    pub(crate) fn of(brief: &Brief) -> Self {
        let Brief { delegation_depth, findings, advice, .. } = brief.clone();
        Self(Key::of(brief), Scrutiny { risk: brief.risk.score, delegation_depth, findings, advice })
    }
}

impl Key {
    fn of(brief: &Brief) -> Self {
        Self {
            organisation: brief.organisation.clone(),
            agent: brief.agent.clone(),
            action: brief.action_digest,
            policy: brief.policy_digest,
        }
    }
}

#[derive(Debug)]
struct Kept {
    review: Review,
    scrutiny: Scrutiny,
    until: Duration,
}

/// The reviews that are kept. Bounded.
#[derive(Debug)]
pub(crate) struct Reviews {
    lifetime: Duration,
    capacity: usize,
    kept: HashMap<Key, Kept>,
}

impl Reviews {
    pub(crate) fn new(lifetime: Duration, capacity: usize) -> Self {
        Self { lifetime, capacity, kept: HashMap::new() }
    }

    /// The review that answers `brief` too.
    pub(crate) fn find(&self, brief: &Brief, now: Duration) -> Option<Review> {
        let kept = self.kept.get(&Key::of(brief)).filter(|kept| now < kept.until)?;
        let holds = kept.review.verdict() == Verdict::Deny || kept.scrutiny.covers(brief);
        holds.then(|| kept.review.clone().told_again())
    }

    /// Keeps an allow or a deny.
    pub(crate) fn keep(&mut self, place: Place, review: &Review, now: Duration) {
        if review.verdict() == Verdict::Escalate {
            return;
        }
        let Place(key, scrutiny) = place;
        if self.kept.len() >= self.capacity && !self.kept.contains_key(&key) {
            self.make_room(now);
        }
        self.kept.insert(key, Kept { review: review.clone(), scrutiny, until: now + self.lifetime });
    }

    /// Drops what ended; if nothing did, what ends first.
    fn make_room(&mut self, now: Duration) {
        self.kept.retain(|_, kept| now < kept.until);
        if self.kept.len() >= self.capacity {
            let first = self.kept.iter().min_by_key(|(_, kept)| kept.until).map(|(key, _)| key.clone());
            first.map(|key| self.kept.remove(&key));
        }
    }
}

#[cfg(test)]
mod tests {
    use countersign_core::Effect;
    use countersign_core::chain::Tally;

    use super::*;
    use crate::ask::Ask;
    use crate::brief::{Arguments, Risk};
    use crate::review::By;

    fn brief(action: &str) -> Brief {
        Brief {
            organisation: OrgId::parse("org_1").unwrap(),
            agent: AgentId::parse("agent_1").unwrap(),
            tool: "db/drop".into(),
            resource: None,
            effect: Effect::Destructive,
            arguments: Arguments::Digest(Digest::ZERO),
            action_digest: Digest::of(action.as_bytes()),
            policy_digest: Digest::ZERO,
            session: Tally::default(),
            delegation_depth: 1,
            risk: Risk { score: 40, reasons: Vec::new() },
            findings: vec!["novel".into()],
            advice: Vec::new(),
        }
    }

    fn review(brief: &Brief, verdict: &str) -> Review {
        let ask = Ask::new(brief.action_digest, 1);
        let nonce = ask.nonce();
        let answer = format!(r#"{{"verdict":"{verdict}","reasoning":"r","confidence":90,"nonce":"{nonce}"}}"#);
        Review::read(&answer, &ask, By { reviewer: "test".into(), model: None }).unwrap()
    }

    fn keeping(brief: &Brief, verdict: &str) -> Reviews {
        let mut reviews = Reviews::new(Duration::from_secs(30), 2);
        reviews.keep(Place::of(brief), &review(brief, verdict), Duration::ZERO);
        reviews
    }

    #[test]
    fn an_allow_answers_the_same_again_for_a_while() {
        let reviews = keeping(&brief("a"), "allow");
        let found = reviews.find(&brief("a"), Duration::from_secs(29)).unwrap();
        assert!(found.is_cached() && found.verdict() == Verdict::Allow);
        assert!(reviews.find(&brief("a"), Duration::from_secs(30)).is_none());
    }

    #[test]
    fn nobody_else_and_nothing_else_is_answered_by_it() {
        let reviews = keeping(&brief("a"), "allow");
        let changes: [fn(&mut Brief); 4] = [
            |brief| brief.organisation = OrgId::parse("org_2").unwrap(),
            |brief| brief.agent = AgentId::parse("agent_2").unwrap(),
            |brief| brief.action_digest = Digest::of(b"b"),
            |brief| brief.policy_digest = Digest::of(b"b"),
        ];
        for change in changes {
            let mut other = brief("a");
            change(&mut other);
            assert!(reviews.find(&other, Duration::ZERO).is_none(), "{other:?}");
        }
    }

    #[test]
    fn an_allow_does_not_outlast_a_new_suspicion_and_a_deny_does() {
        let changes: [fn(&mut Brief); 4] = [
            |brief| brief.risk.score = 41,
            |brief| brief.findings.push("egress_after_read".into()),
            |brief| brief.delegation_depth = 2,
            |brief| brief.advice.push("notify".into()),
        ];
        for change in changes {
            let mut worse = brief("a");
            change(&mut worse);
            assert!(keeping(&brief("a"), "allow").find(&worse, Duration::ZERO).is_none(), "{worse:?}");
            assert!(keeping(&brief("a"), "deny").find(&worse, Duration::ZERO).is_some(), "{worse:?}");
        }
    }

    #[test]
    fn a_question_to_a_person_is_not_kept_and_the_oldest_goes_first() {
        assert!(keeping(&brief("a"), "escalate").find(&brief("a"), Duration::ZERO).is_none());
        let mut reviews = keeping(&brief("a"), "allow");
        for (at, action) in [(1, "b"), (2, "c")] {
            reviews.keep(Place::of(&brief(action)), &review(&brief(action), "allow"), Duration::from_secs(at));
        }
        let now = Duration::from_secs(3);
        assert!(reviews.find(&brief("a"), now).is_none());
        assert!(reviews.find(&brief("b"), now).is_some() && reviews.find(&brief("c"), now).is_some());
        assert_eq!(reviews.kept.len(), 2);
    }
}

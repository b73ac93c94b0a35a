//! Budgets: how many calls an agent may make in a day, and how many tokens its models
//! may use. A day is one of UTC.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

const DAY: i64 = 24 * 60 * 60 * 1000;
/// More is not counted: integers beyond this are not the same in every JSON reader.
const MOST: u64 = 1 << 53;

/// What an agent may spend in a day. What is absent is without limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// How many calls may be allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls_per_day: Option<u64>,
    /// How many tokens may be used, as they are reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_day: Option<u64>,
}

/// What was spent on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Account {
    /// The day: how many whole days since 1970-01-01.
    pub day: i64,
    /// How many calls were allowed.
    pub calls: u64,
    /// How many tokens were reported.
    pub tokens: u64,
}

/// What is used up, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdrawn {
    /// The calls.
    Calls(Duration),
    /// The tokens.
    Tokens(Duration),
}

impl Budget {
    /// Whether nothing is limited.
    #[must_use]
    pub const fn is_unlimited(&self) -> bool {
        self.calls_per_day.is_none() && self.tokens_per_day.is_none()
    }

    /// Why an agent whose account is `account` may make no call at `now`; `None` if it may.
    #[must_use]
    pub fn overdrawn(&self, account: Account, now: Timestamp) -> Option<Overdrawn> {
        let account = account.at(now);
        let is_spent = |most: Option<u64>, spent: u64| most.is_some_and(|most| spent >= most);
        if is_spent(self.calls_per_day, account.calls) {
            Some(Overdrawn::Calls(account.until_next(now)))
        } else if is_spent(self.tokens_per_day, account.tokens) {
            Some(Overdrawn::Tokens(account.until_next(now)))
        } else {
            None
        }
    }
}

impl Account {
    /// The account as it stands at `now`: a new day begins with nothing spent. A clock that
    /// is set back gives nothing back.
    #[must_use]
    pub const fn at(self, now: Timestamp) -> Self {
        let today = now.as_millis().div_euclid(DAY);
        if today > self.day { Self { day: today, calls: 0, tokens: 0 } } else { self }
    }

    /// The account after `calls` and `tokens` more.
    #[must_use]
    pub fn spend(self, calls: u64, tokens: u64) -> Self {
        let add = |sum: u64, more: u64| sum.saturating_add(more).min(MOST);
        Self { calls: add(self.calls, calls), tokens: add(self.tokens, tokens), ..self }
    }

    /// When the day after the account's begins.
    #[must_use]
    pub const fn ends_at(self) -> Timestamp {
        Timestamp::from_millis(self.day.saturating_add(1).saturating_mul(DAY))
    }

    fn until_next(self, now: Timestamp) -> Duration {
        let millis = self.ends_at().as_millis().saturating_sub(now.as_millis());
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_clock_that_is_set_back_gives_nothing_back() {
        let (noon, yesterday) = (Timestamp::from_millis(DAY * 5 + DAY / 2), Timestamp::from_millis(DAY * 4));
        let spent = Account::default().at(noon).spend(3, 0);
        assert_eq!(spent.at(yesterday), spent);
        let budget = Budget { calls_per_day: Some(3), tokens_per_day: None };
        assert_eq!(budget.overdrawn(spent, yesterday), Some(Overdrawn::Calls(Duration::from_hours(48))));
    }

    proptest! {
        #[test]
        fn no_day_sees_more_calls_than_the_budget_says(
            most in 0u64..20, steps in prop::collection::vec(0i64..DAY / 4, 1..200)
        ) {
            let budget = Budget { calls_per_day: Some(most), tokens_per_day: None };
            let (mut account, mut now, mut calls) = (Account::default(), 0, std::collections::BTreeMap::new());
            for step in steps {
                now += step;
                let at = Timestamp::from_millis(now);
                if budget.overdrawn(account, at).is_none() {
                    account = account.at(at).spend(1, 0);
                    *calls.entry(now / DAY).or_insert(0) += 1;
                }
            }
            prop_assert!(calls.values().all(|made| *made <= most));
        }
    }
}

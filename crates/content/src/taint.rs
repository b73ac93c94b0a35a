//! Taint: what a session has touched. It only ever grows, and it only ever takes
//! rights away: that, and not the patterns, keeps content from steering an agent.
//!
//! Whoever knows the patterns writes around them. But that a text came from
//! outside is known from the tool that brought it, whatever it says; from then on
//! less is allowed without a person.

use countersign_core::Effect;
use serde::{Deserialize, Serialize};

use crate::finding::{Findings, Kind, Severity};

/// What was touched. Policies see the names in `context.taint`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// Content that somebody else could have written: a web page, a mail, a ticket.
    UntrustedContent,
    /// Words that are meant for a model.
    InjectionSuspected,
    /// Something that is hidden from a reader.
    HiddenContent,
    /// A secret.
    SecretSeen,
    /// Personal data: more than an address or telephone number.
    PersonalDataSeen,
    /// Content that was not looked at throughout.
    Unexamined,
}

impl Label {
    /// Every label.
    pub const ALL: &'static [Self] = &[
        Self::UntrustedContent,
        Self::InjectionSuspected,
        Self::HiddenContent,
        Self::SecretSeen,
        Self::PersonalDataSeen,
        Self::Unexamined,
    ];

    /// Its name in policies and entries.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UntrustedContent => "untrusted_content",
            Self::InjectionSuspected => "injection_suspected",
            Self::HiddenContent => "hidden_content",
            Self::SecretSeen => "secret_seen",
            Self::PersonalDataSeen => "personal_data_seen",
            Self::Unexamined => "unexamined",
        }
    }

    /// Reads its name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|label| label.as_str() == name)
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of labels. There is no way to take one out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Label>", into = "Vec<Label>")]
pub struct Taint(u8);

impl From<Vec<Label>> for Taint {
    fn from(labels: Vec<Label>) -> Self {
        labels.into_iter().collect()
    }
}

impl From<Taint> for Vec<Label> {
    fn from(taint: Taint) -> Self {
        taint.labels().collect()
    }
}

impl FromIterator<Label> for Taint {
    fn from_iter<I: IntoIterator<Item = Label>>(labels: I) -> Self {
        Self(labels.into_iter().fold(0, |bits, label| bits | label.bit()))
    }
}

/// Where content came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The operator answers for it: a configuration, an own database that nobody else fills.
    Trusted,
    /// Anybody may have written it. Whatever is not known to be trusted.
    Untrusted,
}

impl Taint {
    /// Nothing was touched.
    pub const NONE: Self = Self(0);

    /// What content from a source brings with it.
    ///
    /// Words meant for a model count whatever the source; they are data only where
    /// nobody reads them as orders, and that is not known here. Findings of low
    /// severity bring no label: honest texts have them too.
    #[must_use]
    pub fn of(source: Source, findings: &Findings) -> Self {
        let origin = (source == Source::Untrusted).then_some(Label::UntrustedContent);
        let whole = (!findings.complete).then_some(Label::Unexamined);
        let seen = findings.list.iter().filter(|finding| finding.severity > Severity::Low).map(|finding| match finding
            .family
            .kind()
        {
            Kind::Injection => Label::InjectionSuspected,
            Kind::Hidden => Label::HiddenContent,
            Kind::Secret => Label::SecretSeen,
            Kind::Personal => Label::PersonalDataSeen,
            Kind::Limit => Label::Unexamined,
        });
        seen.chain(origin).chain(whole).collect()
    }

    /// Both together: what a session has touched, after it touched more.
    #[must_use]
    pub const fn join(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether it has a label.
    #[must_use]
    pub const fn has(self, label: Label) -> bool {
        self.0 & label.bit() != 0
    }

    /// Its labels, in their order.
    pub fn labels(self) -> impl Iterator<Item = Label> {
        Label::ALL.iter().copied().filter(move |label| self.has(*label))
    }

    /// The effect that an action has to be judged by, never a lower one.
    ///
    /// Who read what somebody else wrote, or a secret, or something that could not be
    /// looked at, changes nothing without a person: what is mutating is held like
    /// what is destructive. Reading stays reading; a tool that carries data out is
    /// not one that reads.
    #[must_use]
    pub const fn raise(self, effect: Effect) -> Effect {
        let wary = self.has(Label::UntrustedContent)
            || self.has(Label::InjectionSuspected)
            || self.has(Label::HiddenContent)
            || self.has(Label::SecretSeen)
            || self.has(Label::Unexamined);
        match effect {
            Effect::Mutating if wary => Effect::Destructive,
            other => other,
        }
    }

    /// Whether an action is out of the question, even with a person's approval: what
    /// somebody else wrote and what looks like an instruction is not a reason to
    /// destroy anything or to change who may do what.
    #[must_use]
    pub const fn forbids(self, effect: Effect) -> bool {
        let steered = self.has(Label::InjectionSuspected) || self.has(Label::HiddenContent);
        match effect {
            Effect::Destructive | Effect::Admin => self.has(Label::UntrustedContent) && steered,
            Effect::Read | Effect::Mutating => false,
        }
    }

    /// Whether an action fits under a ceiling after all that was touched. The effect
    /// is the action's own, before [`Taint::raise`].
    #[must_use]
    pub fn fits(self, effect: Effect, ceiling: Effect) -> bool {
        !self.forbids(effect) && self.raise(effect) <= ceiling
    }
}

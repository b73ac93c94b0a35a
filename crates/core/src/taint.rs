//! Taint: what a session has touched. It only ever grows, and it only ever takes
//! rights away: that, and not the patterns, keeps content from steering an agent.
//!
//! Whoever knows the patterns writes around them. But that a text came from
//! outside is known from the tool that brought it, whatever it says; from then on
//! less is allowed without a person.

use serde::{Deserialize, Serialize};

use crate::effect::Effect;

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

impl Taint {
    /// Nothing was touched.
    pub const NONE: Self = Self(0);

    /// Both together: what a session has touched, after it touched more.
    #[must_use]
    pub const fn join(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What it has that `other` has not.
    #[must_use]
    pub const fn beyond(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether it has no label.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// The set as a number of as many bits as there are labels, to be stored.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Reads [`Self::bits`]. A bit that no label has is a label of a later version,
    /// whose content this one did not look at.
    #[must_use]
    pub fn from_bits(bits: u8) -> Self {
        let known: Self = Label::ALL.iter().copied().collect();
        let unknown = if bits & !known.0 == 0 { Self::NONE } else { Self::from_iter([Label::Unexamined]) };
        Self(bits & known.0).join(unknown)
    }

    /// The set that has the labels with these names. A name that is not known is
    /// a label of a later version, whose content this one did not look at.
    pub fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        names.into_iter().map(|name| Label::parse(name).unwrap_or(Label::Unexamined)).collect()
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

    /// The first label for which an action with this effect is judged by a higher one.
    ///
    /// Who read what somebody else wrote, or a secret, or something that could not be
    /// looked at, changes nothing without a person: what is mutating is held like
    /// what is destructive. Reading stays reading; a tool that carries data out is
    /// not one that reads.
    #[must_use]
    pub fn reason_to_raise(self, effect: Effect) -> Option<Label> {
        let wary = || self.labels().find(|label| *label != Label::PersonalDataSeen);
        (effect == Effect::Mutating).then(wary).flatten()
    }

    /// The effect that an action has to be judged by, never a lower one.
    #[must_use]
    pub fn raise(self, effect: Effect) -> Effect {
        if self.reason_to_raise(effect).is_some() { effect.raised() } else { effect }
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

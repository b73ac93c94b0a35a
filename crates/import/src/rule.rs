//! What both kinds of document say, in one form: rules in the order in which they decide.

use regex::Regex;

/// What a rule, or a document, answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The call may go on.
    Allow,
    /// A human is asked first.
    Approve,
    /// The call is refused.
    Deny,
}

impl Verdict {
    /// The word used in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Approve => "ask a human",
            Self::Deny => "refuse",
        }
    }
}

/// A document.
#[derive(Debug)]
pub(crate) struct Document {
    pub name: String,
    /// In the order in which they decide: the first that matches does.
    pub rules: Vec<Rule>,
    /// Where no rule matches.
    pub default: Verdict,
    /// Whom it speaks of; everybody where it does not say.
    pub agents: Option<Vec<String>>,
}

/// A rule.
#[derive(Debug)]
pub(crate) struct Rule {
    pub name: String,
    pub line: usize,
    /// Which rule of the source it is, counted from 0.
    pub number: usize,
    pub when: Expr,
    pub verdict: Verdict,
    pub reason: String,
}

/// A condition.
#[derive(Debug, Clone)]
pub(crate) enum Expr {
    Const(bool),
    All(Vec<Expr>),
    Any(Vec<Expr>),
    /// About the name of the tool, without its server. A call always has one.
    Tool {
        test: Test,
        negate: bool,
    },
    Argument(Argument),
}

/// A condition on an argument.
#[derive(Debug, Clone)]
pub(crate) struct Argument {
    /// The argument, then the members in it.
    pub path: Vec<String>,
    pub test: Test,
    pub negate: bool,
    /// What it says of a call without the argument.
    pub missing: bool,
}

/// What is asked of a value, before its type is known.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    Given,
    Equal(Literal),
    OneOf(Vec<Literal>),
    Order(Order, Decimal),
    /// Neither false nor 0 nor empty.
    Truthy,
    /// Text within a text, or an item of a list.
    Contains(String),
    Matches(Regex),
}

/// A constant of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Literal {
    Text(String),
    Number(Decimal),
    Truth(bool),
}

/// `>`, `>=`, `<` or `<=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Above,
    AtLeast,
    Below,
    AtMost,
}

impl Order {
    pub(crate) fn holds(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            Self::Above => ordering.is_gt(),
            Self::AtLeast => ordering.is_ge(),
            Self::Below => ordering.is_lt(),
            Self::AtMost => ordering.is_le(),
        }
    }
}

/// A number in ten-thousandths: what Cedar's `decimal` holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Decimal(pub i64);

/// Ten-thousandths in one.
pub(crate) const ONE: i64 = 10_000;
/// The largest number that is carried. Far beyond it the source's binary fractions
/// no longer tell neighbours apart.
const LARGEST: i64 = 100_000_000_000 * ONE;

impl Decimal {
    /// `text` as digits with at most four after a point. `None`: it cannot be carried exactly.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let (whole, rest) = digits.split_once('.').unwrap_or((digits, ""));
        let rest = rest.trim_end_matches('0');
        let plain = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || rest.len() > 4 || !plain(whole) || !plain(rest) {
            return None;
        }
        let parts: i64 = format!("{whole}{rest:0<4}").parse().ok()?;
        (parts <= LARGEST).then_some(Self(sign * parts))
    }

    /// As Cedar and JSON write it, with a point.
    pub(crate) fn written(self) -> String {
        let (sign, parts) = if self.0 < 0 { ("-", self.0.unsigned_abs()) } else { ("", self.0.unsigned_abs()) };
        let text = format!("{sign}{}.{:04}", parts / ONE.unsigned_abs(), parts % ONE.unsigned_abs());
        let short = text.trim_end_matches('0');
        if short.ends_with('.') { format!("{short}0") } else { short.to_owned() }
    }
}

impl Expr {
    /// Both, either, in the order written.
    pub(crate) fn arguments(&self) -> Vec<&Argument> {
        match self {
            Self::Const(_) | Self::Tool { .. } => Vec::new(),
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::arguments).collect(),
            Self::Argument(argument) => vec![argument],
        }
    }

    /// The names of tools it compares with.
    pub(crate) fn tools(&self) -> Vec<&str> {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::tools).collect(),
            Self::Tool { test: Test::Equal(Literal::Text(name)), .. } => vec![name],
            Self::Tool { test: Test::OneOf(names), .. } => names
                .iter()
                .filter_map(|name| if let Literal::Text(name) = name { Some(&**name) } else { None })
                .collect(),
            Self::Const(_) | Self::Argument(_) | Self::Tool { .. } => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_is_carried_exactly_or_not_at_all() {
        for (text, written) in
            [("5", "5.0"), ("-0.5", "-0.5"), ("12.3400", "12.34"), ("0.0001", "0.0001"), ("10", "10.0")]
        {
            assert_eq!(Decimal::parse(text).unwrap().written(), written);
        }
        for text in ["", ".", "1e3", "0.00001", "1,000", "999999999999999", "٣"] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }
}

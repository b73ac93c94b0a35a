//! A rule for one tool: its name is known, its arguments have types, and what is
//! left can be written in Cedar.

use crate::glob::{self, Glob};
use crate::rule::{Argument, Decimal, Expr, Literal, ONE, Order, Test};
use crate::tools::{Kind, World};

/// Whom a rule is lowered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject<'a> {
    /// The tool with this name.
    Known(&'a str),
    /// Every other tool of the server.
    Other,
}

/// What must hold, in what Cedar can say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cond {
    Const(bool),
    All(Vec<Cond>),
    Any(Vec<Cond>),
    Not(Box<Cond>),
    Leaf(Leaf),
    /// The name of the tool fits one of these.
    Name(Vec<Glob>),
}

/// A condition on an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leaf {
    pub path: Vec<String>,
    pub check: Check,
    pub negate: bool,
    /// What it says of a call without the argument.
    pub missing: bool,
}

/// What is asked of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Check {
    /// It is there, and of its type.
    Given(Kind),
    Equal(Constant),
    OneOf(Vec<Constant>),
    Order(Order, Constant),
    True,
    Empty,
    Holds(String),
    Like(Vec<Glob>),
}

/// A constant with its type in Cedar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Constant {
    Text(String),
    Whole(i64),
    Decimal(Decimal),
}

/// Why a rule cannot be written for a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unwritten {
    /// It reads arguments of tools that nobody named.
    OtherTools,
    Because(String),
}

impl Cond {
    pub(crate) fn all(parts: Vec<Self>) -> Self {
        let mut kept: Vec<Self> = Vec::new();
        for part in parts {
            match part {
                Self::Const(true) => {}
                Self::Const(false) => return Self::Const(false),
                Self::All(inner) => kept.extend(inner),
                part if kept.contains(&part) => {}
                part => kept.push(part),
            }
        }
        match kept.len() {
            0 => Self::Const(true),
            1 => kept.pop().unwrap_or(Self::Const(true)),
            _ => Self::All(kept),
        }
    }

    fn any(parts: Vec<Self>) -> Self {
        let mut kept: Vec<Self> = Vec::new();
        for part in parts {
            match part {
                Self::Const(false) => {}
                Self::Const(true) => return Self::Const(true),
                Self::Any(inner) => kept.extend(inner),
                part if kept.contains(&part) => {}
                part => kept.push(part),
            }
        }
        match kept.len() {
            0 => Self::Const(false),
            1 => kept.pop().unwrap_or(Self::Const(false)),
            _ => Self::Any(kept),
        }
    }

    pub(crate) fn not(self) -> Self {
        match self {
            Self::Const(truth) => Self::Const(!truth),
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    /// Every condition on an argument in it.
    pub(crate) fn leaves(&self) -> Vec<&Leaf> {
        match self {
            Self::Const(_) | Self::Name(_) => Vec::new(),
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::leaves).collect(),
            Self::Not(inner) => inner.leaves(),
            Self::Leaf(leaf) => vec![leaf],
        }
    }

    /// Every pattern of names in it.
    pub(crate) fn names(&self) -> Vec<&Glob> {
        match self {
            Self::Const(_) | Self::Leaf(_) => Vec::new(),
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::names).collect(),
            Self::Not(inner) => inner.names(),
            Self::Name(globs) => globs.iter().collect(),
        }
    }
}

/// `expr` for `subject`.
pub(crate) fn lower(world: &World, subject: Subject<'_>, expr: &Expr) -> Result<Cond, Unwritten> {
    match expr {
        Expr::Const(truth) => Ok(Cond::Const(*truth)),
        Expr::Tool { test, negate } => name(subject, test).map(|cond| if *negate { cond.not() } else { cond }),
        Expr::Argument(argument) => self::argument(world, subject, argument),
        // What decides alone decides, also beside what cannot be written.
        Expr::All(parts) => several(world, subject, parts, false).map(Cond::all),
        Expr::Any(parts) => several(world, subject, parts, true).map(Cond::any),
    }
}

fn several(world: &World, subject: Subject<'_>, parts: &[Expr], decides: bool) -> Result<Vec<Cond>, Unwritten> {
    let lowered: Vec<_> = parts.iter().map(|part| lower(world, subject, part)).collect();
    if lowered.contains(&Ok(Cond::Const(decides))) {
        return Ok(vec![Cond::Const(decides)]);
    }
    lowered.into_iter().collect()
}

fn because<T>(why: impl Into<String>) -> Result<T, Unwritten> {
    Err(Unwritten::Because(why.into()))
}

fn name(subject: Subject<'_>, test: &Test) -> Result<Cond, Unwritten> {
    let equals = |literal: &Literal, name: &str| *literal == Literal::Text(name.to_owned());
    let holds = match (test, subject) {
        (Test::Given | Test::Truthy, _) => true,
        (Test::Order(..), _) => return because("the name of a tool is compared with a number"),
        (Test::Equal(literal), Subject::Known(name)) => equals(literal, name),
        (Test::OneOf(items), Subject::Known(name)) => items.iter().any(|item| equals(item, name)),
        (Test::Contains(part), Subject::Known(name)) => name.contains(part),
        (Test::Matches(regex), Subject::Known(name)) => regex.is_match(name),
        (Test::Equal(_) | Test::OneOf(_), Subject::Other) => false,
        (Test::Contains(part), Subject::Other) => return Ok(Cond::Name(vec![Glob::containing(part)])),
        (Test::Matches(regex), Subject::Other) => {
            return glob::of_regex(regex.as_str(), true).map(Cond::Name).map_or_else(
                || because(format!("`like` cannot say the regular expression `{regex}` for tools that nobody named: name them with `--tools`")),
                Ok,
            );
        }
    };
    Ok(Cond::Const(holds))
}

fn argument(world: &World, subject: Subject<'_>, argument: &Argument) -> Result<Cond, Unwritten> {
    let Subject::Known(tool) = subject else { return Err(Unwritten::OtherTools) };
    let Argument { path, test, negate, missing } = argument;
    let shown = path.join(".");
    let kind = match world.kind(tool, path) {
        Ok(Some(kind)) => kind,
        Ok(None) => return Ok(Cond::Const(*missing)),
        Err(why) => return because(why),
    };
    let always = |holds: bool| {
        // The answer is the same for every value, but not for none.
        let leaf = |negate| Leaf { path: path.clone(), check: Check::Given(kind.clone()), negate, missing: negate };
        let present = holds != *negate;
        Ok(if present == *missing { Cond::Const(present) } else { Cond::Leaf(leaf(!present)) })
    };
    let (check, flipped) = match ask(&kind, test) {
        Asked::Always(holds) => return always(holds),
        Asked::Check(check) => (check, false),
        Asked::Not(check) => (check, true),
        Asked::Unwritten(why) => return because(format!("`{shown}` {why}")),
    };
    Ok(Cond::Leaf(Leaf { path: path.clone(), check, negate: *negate != flipped, missing: *missing }))
}

/// A test of a value of a known type.
enum Asked {
    /// The same for all of its values.
    Always(bool),
    Check(Check),
    Not(Check),
    Unwritten(String),
}

fn ask(kind: &Kind, test: &Test) -> Asked {
    use Asked::{Always, Check as Is, Not, Unwritten};
    match (kind, test) {
        (Kind::Object(_), _) => Unwritten(format!("is an object, and is asked {}", asked(test))),
        (Kind::Other, _) => Unwritten("has no type that Cedar has".to_owned()),
        (kind, Test::Given) => Is(Check::Given(kind.clone())),
        (Kind::Text, Test::Truthy) => Not(Check::Equal(Constant::Text(String::new()))),
        (Kind::Text, Test::Contains(part)) => Is(Check::Like(vec![Glob::containing(part)])),
        (Kind::Text, Test::Matches(regex)) => match glob::of_regex(regex.as_str(), false) {
            Some(globs) => Is(Check::Like(globs)),
            None => Unwritten(format!("is matched with `{regex}`, which `like` cannot say")),
        },
        (Kind::Whole, Test::Truthy) => Not(Check::Equal(Constant::Whole(0))),
        (Kind::Decimal, Test::Truthy) => Not(Check::Equal(Constant::Decimal(Decimal(0)))),
        (Kind::Truth, Test::Truthy) => Is(Check::True),
        (Kind::Texts, Test::Truthy) => Not(Check::Empty),
        (Kind::Texts, Test::Contains(part)) => Is(Check::Holds(part.clone())),
        (Kind::Whole, Test::Order(order, number)) => Is(whole(*order, *number)),
        (Kind::Decimal, Test::Order(order, number)) => Is(Check::Order(*order, Constant::Decimal(*number))),
        (Kind::Truth, Test::Equal(literal)) => match truth(literal) {
            Some(true) => Is(Check::True),
            Some(false) => Not(Check::True),
            None => other_type(kind),
        },
        (Kind::Text | Kind::Whole | Kind::Decimal, Test::Equal(literal)) => {
            constant(kind, literal).map_or_else(|| other_type(kind), |constant| Is(Check::Equal(constant)))
        }
        (_, Test::OneOf(items)) if items.is_empty() => Always(false),
        (Kind::Text | Kind::Whole | Kind::Decimal, Test::OneOf(items)) => {
            // What is left out fails against the rest, and that refuses.
            let items: Vec<_> = items.iter().filter_map(|item| constant(kind, item)).collect();
            if items.is_empty() { other_type(kind) } else { Is(Check::OneOf(items)) }
        }
        (kind, test) => Unwritten(format!("is {}, and is asked {}", named(kind), asked(test))),
    }
}

/// A comparison that no value of the declared type meets would pass over values of other types.
fn other_type(kind: &Kind) -> Asked {
    Asked::Unwritten(format!("is {}, and is compared with something else", named(kind)))
}

/// What `literal` is among values of `kind`; `None` where it equals none of them.
fn constant(kind: &Kind, literal: &Literal) -> Option<Constant> {
    let number = match literal {
        Literal::Text(text) => return (*kind == Kind::Text).then(|| Constant::Text(text.clone())),
        Literal::Number(number) => *number,
        // In Python `True == 1`.
        Literal::Truth(truth) => Decimal(i64::from(*truth) * ONE),
    };
    match kind {
        Kind::Decimal => Some(Constant::Decimal(number)),
        Kind::Whole if number.0 % ONE == 0 => Some(Constant::Whole(number.0 / ONE)),
        _ => None,
    }
}

fn truth(literal: &Literal) -> Option<bool> {
    match literal {
        Literal::Truth(truth) => Some(*truth),
        Literal::Number(Decimal(0)) => Some(false),
        Literal::Number(Decimal(ONE)) => Some(true),
        _ => None,
    }
}

/// A comparison of whole numbers with one that may have a fraction.
fn whole(order: Order, number: Decimal) -> Check {
    let below = number.0.div_euclid(ONE);
    let exact = number.0.rem_euclid(ONE) == 0;
    let at = match order {
        Order::Above | Order::AtMost => below,
        Order::AtLeast | Order::Below => below + i64::from(!exact),
    };
    Check::Order(order, Constant::Whole(at))
}

fn named(kind: &Kind) -> &'static str {
    match kind {
        Kind::Text => "a text",
        Kind::Whole | Kind::Decimal => "a number",
        Kind::Truth => "true or false",
        Kind::Texts => "a list of texts",
        Kind::Object(_) => "an object",
        Kind::Other => "of no type that Cedar has",
    }
}

fn asked(test: &Test) -> &'static str {
    match test {
        Test::Given => "whether it is there",
        Test::Equal(_) => "whether it equals a constant",
        Test::OneOf(_) => "whether it is one of several",
        Test::Order(..) => "whether it is larger or smaller than a number",
        Test::Truthy => "whether it is true",
        Test::Contains(_) => "whether it contains a text",
        Test::Matches(_) => "whether it matches a regular expression",
    }
}

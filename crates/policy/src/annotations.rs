//! The annotations of a policy: what may be written before `permit` or `forbid`.

use crate::fault::{Fault, did_you_mean};
use crate::obligation::{self, Obligation};
use crate::policy::Kind;
use crate::source::{Source, Statement};

/// Every annotation there is.
const KNOWN: [&str; 6] = ["id", "code", "reason", "deny", "advice", "shadow"];

/// The longest text an annotation may have, in bytes.
const MAX_TEXT: usize = 4096;

/// What a policy's annotations say.
#[derive(Debug, Default)]
pub(crate) struct Annotations {
    /// What the policy is called.
    pub id: String,
    /// The denial code it gives.
    pub code: Option<String>,
    /// What it tells who is refused.
    pub reason: Option<String>,
    /// What must be done when it decides.
    pub advice: Vec<Obligation>,
    /// Whether it is only watched.
    pub shadow: bool,
}

/// Reads the annotations of `policy`, or says everything that is wrong with them.
pub(crate) fn read(
    source: Source<'_>,
    statement: &Statement<'_>,
    policy: &cedar_policy::Policy,
) -> Result<Annotations, Vec<Fault>> {
    let kind = if policy.effect() == cedar_policy::Effect::Permit { Kind::Permit } else { Kind::Forbid };
    let mut read = Annotations::default();
    let mut faults = Vec::new();
    let mut written: Vec<(&str, &str)> = policy.annotations().collect();
    written.sort_by_key(|(name, _)| place(source, statement, name));
    let mut fault = |name: &str, (message, help): (String, Option<String>)| {
        let at = place(source, statement, name);
        faults.push(Fault::error(source.file, source.text, at, message).with_help(help));
    };
    if policy.annotation("id").is_none() {
        let help = "begin it with `@id(\"a-name\")`: cases, reports and the record name it".to_owned();
        fault("", ("a policy without `@id`".to_owned(), Some(help)));
    }
    for (name, text) in written {
        if let Err(why) = one(&mut read, kind, name, text) {
            fault(name, why);
        }
    }
    if faults.is_empty() { Ok(read) } else { Err(faults) }
}

/// The byte where `@name` stands; the beginning of the statement without one.
fn place(source: Source<'_>, statement: &Statement<'_>, name: &str) -> usize {
    let names = |at: &&usize| {
        let after = source.text.get(**at + 1..).unwrap_or_default().trim_start();
        after.strip_prefix(name).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    let found = if name.is_empty() { None } else { statement.marks.iter().find(names) };
    found.copied().unwrap_or(statement.begin)
}

fn one(read: &mut Annotations, kind: Kind, name: &str, text: &str) -> Result<(), (String, Option<String>)> {
    if text.len() > MAX_TEXT {
        return Err((format!("`@{name}` is longer than {MAX_TEXT} bytes"), None));
    }
    match name {
        "id" => read.id = id(text)?,
        "code" | "reason" | "deny" if kind == Kind::Permit => return Err(only_forbids(name)),
        "code" => read.code = Some(code(text)?),
        "reason" | "deny" if read.reason.is_some() => {
            return Err(("`@reason` and `@deny` say the same thing: keep one".to_owned(), None));
        }
        "reason" | "deny" if text.trim().is_empty() => return Err((format!("`@{name}` has no text"), None)),
        "reason" | "deny" => read.reason = Some(text.to_owned()),
        "advice" => read.advice = advice(kind, text)?,
        "shadow" if text.is_empty() => read.shadow = true,
        "shadow" => {
            let help = "write `@shadow`, and take it away when the policy shall decide".to_owned();
            return Err(("`@shadow` takes no value".to_owned(), Some(help)));
        }
        _ => {
            let help =
                did_you_mean(&format!("@{name}"), &KNOWN.map(|known| format!("@{known}")).each_ref().map(|k| &**k));
            return Err((format!("`@{name}` is not an annotation"), help));
        }
    }
    Ok(())
}

fn only_forbids(name: &str) -> (String, Option<String>) {
    (format!("`@{name}` on a permit would never be told to anybody"), Some("write it on a forbid".to_owned()))
}

fn id(text: &str) -> Result<String, (String, Option<String>)> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    if (1..=128).contains(&text.len()) && text.bytes().all(allowed) {
        return Ok(text.to_owned());
    }
    let shown: String = text.chars().take(32).collect();
    Err((format!("`{shown}` is not an id: expected 1 to 128 characters of `A-Z a-z 0-9 _ . -`"), None))
}

fn code(text: &str) -> Result<String, (String, Option<String>)> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if (1..=64).contains(&text.len()) && text.bytes().all(allowed) && text.starts_with(|c: char| c.is_ascii_lowercase())
    {
        return Ok(text.to_owned());
    }
    let shown: String = text.chars().take(32).collect();
    let help = "expected up to 64 of `a-z 0-9 _`, a letter first, such as `over_budget`".to_owned();
    Err((format!("`{shown}` is not a denial code"), Some(help)))
}

/// A refused call is not made, so all that can be done about it is to tell somebody.
fn advice(kind: Kind, text: &str) -> Result<Vec<Obligation>, (String, Option<String>)> {
    let advice = obligation::parse(text)?;
    let told = |one: &Obligation| matches!(one, Obligation::Notify(_));
    if kind == Kind::Forbid && !advice.iter().all(told) {
        let help = "to hold a call for a human, permit it with `require_approval`".to_owned();
        return Err(("a forbid can only advise `notify`".to_owned(), Some(help)));
    }
    Ok(advice)
}

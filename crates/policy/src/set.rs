//! A set of policies that was checked as a whole.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::Path;

use cedar_policy::{ActionConstraint, PolicyId, ValidationMode, Validator};
use countersign_core::{Digest, Effect};

use crate::annotations;
use crate::fault::{Fault, Severity};
use crate::index::Index;
use crate::policy::{Condition, Head, Kind, Policy};
use crate::schema;
use crate::source::{Source, Statement, statements};
use crate::tools::Tools;
use crate::warnings;

/// The most policies a set may have.
pub const MAX_POLICIES: usize = 20_000;
/// The most bytes all texts of a set may have together.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;
/// The most bytes one policy may have.
pub const MAX_POLICY_BYTES: usize = 32 * 1024;
/// The deepest a policy may be nested in brackets; prefixes count as one each.
const MAX_DEPTH: usize = 64;

/// Policies that were read and checked together. Holds no parsed Cedar: each
/// [`Worker`](crate::Worker) parses its own.
#[derive(Debug)]
pub struct PolicySet {
    policies: Vec<Policy>,
    tools: Tools,
    warnings: Vec<Fault>,
    digest: Digest,
    reads_undeclared: bool,
    pub(crate) index: Index,
    #[cfg(feature = "rego")]
    pub(crate) rego: crate::rego::Files,
}

/// A policy while the set is being made.
struct Draft<'a> {
    policy: Policy,
    parsed: cedar_policy::Policy,
    source: Source<'a>,
    begin: usize,
}

impl PolicySet {
    /// Reads and checks `sources`; the error is everything that is wrong with
    /// them, in the order of the sources.
    pub fn load(sources: &[Source<'_>], tools: Tools) -> Result<Self, Vec<Fault>> {
        let actions = schema::of_tools(&tools);
        let schema = schema::with(&actions).map_err(|why| vec![Fault::error("tools", "", 0, why)])?;
        within_limits(sources)?;
        let mut faults = Vec::new();
        let mut drafts = Vec::new();
        let (others, cedar): (Vec<Source<'_>>, Vec<_>) = sources.iter().copied().partition(is_rego);
        for source in &cedar {
            for statement in statements(source.text) {
                match draft(*source, &statement) {
                    Ok(draft) => drafts.push(draft),
                    Err(found) => faults.extend(found),
                }
            }
        }
        let rego = of_rego(&others).map_err(|found| faults.extend(found)).ok();
        if drafts.len() > MAX_POLICIES {
            let message = format!("{} policies: a set has at most {MAX_POLICIES}", drafts.len());
            return Err(vec![Fault::error("the policies", "", 0, message)]);
        }
        faults.extend(duplicates(&drafts));
        let (errors, warnings) = if faults.is_empty() { validate(&drafts, schema, &tools) } else { Default::default() };
        faults.extend(errors);
        let (true, Some(rego)) = (faults.is_empty(), rego) else { return Err(faults) };
        let mut policies: Vec<Policy> = drafts.into_iter().map(|draft| draft.policy).chain(rego.policies).collect();
        // By id: what is found first, reported first and digested first.
        policies.sort_by(|a, b| a.id.cmp(&b.id));
        let index = Index::new(policies.iter().map(|policy| &policy.head));
        let digest = digest(&policies, &rego.others, &actions);
        let reads_undeclared = policies.iter().any(Policy::is_rego);
        Ok(Self {
            policies,
            tools,
            warnings,
            digest,
            reads_undeclared,
            index,
            #[cfg(feature = "rego")]
            rego: rego.files,
        })
    }

    /// The policies, by id.
    #[must_use]
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// The declared tools.
    #[must_use]
    pub const fn tools(&self) -> &Tools {
        &self.tools
    }

    /// What is allowed in a set, but hardly meant.
    #[must_use]
    pub fn warnings(&self) -> &[Fault] {
        &self.warnings
    }

    /// The digest over everything that can change an answer: SHA-256 of
    /// `countersign-policies/1\n`, then for each policy by its id
    /// `ID LENGTH\nTEXT\n`, then for each Rego file that has no policies of its own
    /// `rego FILE LENGTH\nTEXT\n`, then `tools LENGTH\nTEXT`, where a text is as
    /// written, from the first token of the policy to its `;` and of Rego the
    /// whole file, the text of the tools is the Cedar schema of their actions,
    /// and a length counts bytes.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Whether a policy may read the arguments of tools that nobody declared. Cedar's
    /// cannot: they would have no types.
    #[must_use]
    pub const fn reads_undeclared(&self) -> bool {
        self.reads_undeclared
    }
}

/// The Rego of a set, read.
#[derive(Default)]
struct Rego {
    policies: Vec<Policy>,
    /// The files that only others read: name and text.
    others: Vec<(String, String)>,
    #[cfg(feature = "rego")]
    files: crate::rego::Files,
}

fn is_rego(source: &Source<'_>) -> bool {
    Path::new(source.file).extension() == Some("rego".as_ref())
}

#[cfg(feature = "rego")]
fn of_rego(sources: &[Source<'_>]) -> Result<Rego, Vec<Fault>> {
    let (files, policies) = crate::rego::load(sources)?;
    let mut others: Vec<_> = files.others().map(|file| (file.name.clone(), file.text.clone())).collect();
    others.sort();
    Ok(Rego { policies, others, files })
}

#[cfg(not(feature = "rego"))]
fn of_rego(sources: &[Source<'_>]) -> Result<Rego, Vec<Fault>> {
    let message = "this build does not read Rego: it is the cargo feature `rego`";
    let faults: Vec<Fault> = sources.iter().map(|source| Fault::error(source.file, source.text, 0, message)).collect();
    if faults.is_empty() { Ok(Rego::default()) } else { Err(faults) }
}

fn digest(policies: &[Policy], others: &[(String, String)], actions: &str) -> Digest {
    let mut form = "countersign-policies/1\n".to_owned();
    for Policy { id, text, .. } in policies {
        let _ = write!(form, "{id} {}\n{text}\n", text.len());
    }
    for (file, text) in others {
        let _ = write!(form, "rego {file} {}\n{text}\n", text.len());
    }
    let _ = write!(form, "tools {}\n{actions}", actions.len());
    Digest::of(form.as_bytes())
}

fn within_limits(sources: &[Source<'_>]) -> Result<(), Vec<Fault>> {
    let bytes: usize = sources.iter().map(|source| source.text.len()).sum();
    if bytes <= MAX_BYTES {
        return Ok(());
    }
    let message = format!("{bytes} bytes of policies: a set has at most {MAX_BYTES}");
    Err(vec![Fault::error("the policies", "", 0, message)])
}

/// The policies of `source` before anything reads them: the line of each, from 1, and its text.
///
/// The error is one that is too long, or too deep for a parser.
pub fn split<'a>(source: Source<'a>) -> Result<Vec<(usize, &'a str)>, Fault> {
    let one = |statement: Statement<'a>| {
        bounded(source, &statement)?;
        Ok((crate::fault::position(source.text, statement.begin).0, statement.text))
    };
    statements(source.text).into_iter().map(one).collect()
}

/// TRUST: a parser is not asked what could end the process.
fn bounded(source: Source<'_>, statement: &Statement<'_>) -> Result<(), Fault> {
    let fault = |message: String| Err(Fault::error(source.file, source.text, statement.begin, message));
    match (statement.text.len(), statement.depth) {
        (bytes, _) if bytes > MAX_POLICY_BYTES => {
            fault(format!("a policy of {bytes} bytes: at most {MAX_POLICY_BYTES}"))
        }
        (_, depth) if depth > MAX_DEPTH => fault(format!("a policy nested {depth} deep: at most {MAX_DEPTH}")),
        _ => Ok(()),
    }
}

fn draft<'a>(source: Source<'a>, statement: &Statement<'a>) -> Result<Draft<'a>, Vec<Fault>> {
    let fault = |message: String| vec![Fault::error(source.file, source.text, statement.begin, message)];
    bounded(source, statement).map_err(|fault| vec![fault])?;
    let parsed = cedar_policy::Policy::parse(Some(PolicyId::new("policy")), statement.text).map_err(|why| {
        why.iter().map(|one| Fault::of_cedar(source.file, source.text, statement.begin, one)).collect::<Vec<_>>()
    })?;
    let annotated = annotations::read(source, statement, &parsed)?;
    if let ActionConstraint::Eq(action) = parsed.action_constraint()
        && Effect::parse(action.id().unescaped()).is_some()
    {
        let help = format!("write `action in {action}`: a declared tool's action is in the group, but is not it");
        return Err(fault(format!("`action == {action}` would miss declared tools"))
            .into_iter()
            .map(|fault| fault.with_help(Some(help.clone())))
            .collect());
    }
    let Some(head) = Head::of(&parsed) else {
        return Err(fault("no request matches this head: a principal is an `Agent`, a resource a `Tool`".to_owned()));
    };
    let (line, _) = crate::fault::position(source.text, statement.begin);
    let policy = Policy {
        id: annotated.id,
        kind: if parsed.effect() == cedar_policy::Effect::Permit { Kind::Permit } else { Kind::Forbid },
        shadow: annotated.shadow,
        code: annotated.code,
        reason: annotated.reason,
        advice: annotated.advice,
        file: source.file.to_owned(),
        line,
        text: statement.text.to_owned(),
        head,
        condition: Condition::of(&parsed, statement.text),
        #[cfg(feature = "rego")]
        rego: None,
    };
    Ok(Draft { policy, parsed, source, begin: statement.begin })
}

fn duplicates(drafts: &[Draft<'_>]) -> Vec<Fault> {
    let mut first: BTreeMap<&str, &Draft<'_>> = BTreeMap::new();
    let mut faults = Vec::new();
    for draft in drafts {
        if let Some(other) = first.get(draft.policy.id.as_str()) {
            let Policy { id, file, line, .. } = &other.policy;
            let message = format!("a second policy with `@id(\"{id}\")`");
            let help = Some(format!("the first is at {file}:{line}"));
            faults.push(Fault::error(draft.source.file, draft.source.text, draft.begin, message).with_help(help));
        } else {
            first.insert(&draft.policy.id, draft);
        }
    }
    faults
}

/// What Cedar's validator finds: errors, then warnings.
fn validate(drafts: &[Draft<'_>], schema: cedar_policy::Schema, tools: &Tools) -> (Vec<Fault>, Vec<Fault>) {
    let by_id: HashMap<&str, &Draft<'_>> = drafts.iter().map(|draft| (draft.policy.id.as_str(), draft)).collect();
    let named = drafts.iter().map(|draft| draft.parsed.new_id(PolicyId::new(&draft.policy.id)));
    let set = match cedar_policy::PolicySet::from_policies(named) {
        Ok(set) => set,
        Err(why) => return (vec![Fault::error("the policies", "", 0, why.to_string())], Vec::new()),
    };
    let found = Validator::new(schema).validate(&set, ValidationMode::Strict);
    let fault = |id: &PolicyId, why: &dyn miette::Diagnostic| match by_id.get(id.to_string().as_str()) {
        Some(draft) => Fault::of_cedar(draft.source.file, draft.source.text, draft.begin, why),
        None => Fault::error("the policies", "", 0, why.to_string()),
    };
    let mut errors: Vec<Fault> = found.validation_errors().map(|why| fault(why.policy_id(), why)).collect();
    for error in errors.iter_mut().filter(|error| error.help.is_none()) {
        error.help = tools.why_not_found(&error.message);
    }
    let mut warnings: Vec<Fault> = found
        .validation_warnings()
        .map(|why| Fault { severity: Severity::Warning, ..fault(why.policy_id(), why) })
        .collect();
    let warning = |draft: &Draft<'_>, at: usize, message: String, help: Option<String>| {
        let fault = Fault::error(draft.source.file, draft.source.text, draft.begin + at, message).with_help(help);
        Fault { severity: Severity::Warning, ..fault }
    };
    for draft in drafts {
        let wide = warnings::too_wide(&draft.policy);
        warnings.extend(wide.map(|(message, help)| warning(draft, 0, message, Some(help))));
        let odd = warnings::never_equal(&draft.parsed, &draft.policy.text);
        warnings.extend(odd.into_iter().map(|(at, message)| warning(draft, at, message, None)));
        let unknown = warnings::unknown_arguments(&draft.policy, &draft.parsed, tools);
        let unknown = unknown.into_iter().chain(warnings::unknown_labels(&draft.policy, &draft.parsed));
        warnings.extend(unknown.map(|(message, help)| warning(draft, 0, message, help)));
    }
    for faults in [&mut errors, &mut warnings] {
        faults.sort_by(|a, b| (&a.file, a.line, a.column, &a.message).cmp(&(&b.file, b.line, b.column, &b.message)));
        // One for each action that a policy may meet: the same thing, said often.
        faults.dedup();
    }
    (errors, warnings)
}

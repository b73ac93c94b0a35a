//! `countersign policy prove`.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use countersign_engine::Fallback;
use countersign_policy::Source;
use countersign_prove::{Claim, NoSolver, Proof, Solver, Subject, Verdict, built_in, prove};
use serde_json::{Value, json};

use crate::config::PolicyDefault;
use crate::exit::Exit;
use crate::nearest::nearest;
use crate::output::{Output, complain, json, print, visible};
use crate::policies::{Faults, Folder};

const CVC5: &str = "install cvc5 1.3.1 (https://github.com/cvc5/cvc5/releases), and put it on the path or name it with \
                    --solver or CVC5";

/// Prove what no request can get past the policies of a folder, or show a request that does
///
/// Every request there can be is asked about, by a solver (cvc5, another program). Without --invariant what is built
/// in is proved, what is in the folder's `invariants/*.cedar`, and what --invariants and --implies say.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 all hold, 2 some do not hold or are undecided, 3 something cannot be read, \
                        6 there is no solver")]
pub struct Prove {
    /// The folder
    #[arg(value_name = "DIR", default_value = "policies")]
    dir: PathBuf,
    /// Prove this one alone; can be said several times
    #[arg(long, value_name = "NAME")]
    invariant: Vec<String>,
    /// More of them: what a forbid in this file speaks of is never allowed, what a permit speaks of always is
    #[arg(long, value_name = "FILE")]
    invariants: Option<PathBuf>,
    /// Prove too that what is allowed, the policies of this folder allow: `no-wider`
    #[arg(long, value_name = "DIR")]
    implies: Option<PathBuf>,
    /// What holds where no policy speaks of a call
    #[arg(long, value_name = "WORD", default_value = "deny")]
    default: PolicyDefault,
    /// The solver
    #[arg(long, value_name = "PATH", env = "CVC5", default_value = "cvc5")]
    solver: PathBuf,
    /// How long the solver may think about one question
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
}

impl Prove {
    pub fn run(self, output: Output) -> Result<Exit> {
        let folder = Folder::read(&self.dir)?;
        let set = Arc::new(folder.load()?);
        let claims = self.claims(&folder, &set)?;
        let fallback = match self.default {
            PolicyDefault::Deny => Fallback::Deny,
            PolicyDefault::Allow => Fallback::Allow,
        };
        let solver = Solver { program: self.solver, timeout: Duration::from_secs(self.timeout) };
        let proofs = match prove(&Subject { set, fallback }, &claims, &solver) {
            Ok(proofs) => proofs,
            Err(why @ NoSolver { .. }) => {
                complain("error", format_args!("{why}; {CVC5}"));
                return Ok(Exit::NoSolver);
            }
        };
        let held = proofs.iter().filter(|proof| matches!(proof.verdict, Verdict::Holds(_))).count();
        if output.is_json() {
            json(&json!({ "held": held, "proofs": proofs.iter().map(whole).collect::<Vec<_>>() }))?;
        } else {
            for proof in &proofs {
                print(&in_words(proof))?;
            }
            print(&format!("{held} of {} hold\n", proofs.len()))?;
        }
        Ok(if held == proofs.len() { Exit::Done } else { Exit::Denied })
    }

    /// What shall be proved.
    fn claims(&self, folder: &Folder, set: &countersign_policy::PolicySet) -> Result<Vec<Claim>> {
        let mut claims = built_in(set.tools()).map_err(Faults)?;
        claims.extend(folder.invariants(set.tools())?);
        if let Some(path) = &self.invariants {
            let file = path.display().to_string();
            let text = fs::read_to_string(path).with_context(|| format!("cannot read `{file}`"))?;
            claims.extend(Claim::read(Source { file: &file, text: &text }, set.tools()).map_err(Faults)?);
        }
        if let Some(dir) = &self.implies {
            let other = Arc::new(Folder::read(dir)?.load()?);
            claims.push(Claim::no_wider_than(other, &dir.display().to_string()));
        }
        let mut names: Vec<String> = claims.iter().map(|claim| claim.name.clone()).collect();
        names.sort();
        if let Some([twice, _]) = names.array_windows().find(|[a, b]| a == b) {
            bail!("two invariants are called `{twice}`: give one another `@id`");
        }
        for wanted in &self.invariant {
            if !names.contains(wanted) {
                let meant =
                    nearest(wanted, &names).map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
                bail!("there is no invariant `{wanted}`: expected one of {}{meant}", names.join(", "));
            }
        }
        claims.retain(|claim| self.invariant.is_empty() || self.invariant.contains(&claim.name));
        Ok(claims)
    }
}

fn whole(Proof { name, says, verdict }: &Proof) -> Value {
    let (word, shown) = match verdict {
        Verdict::Holds(shown) => ("holds", shown.as_ref()),
        Verdict::Fails { shown, .. } => ("fails", shown.as_ref()),
        Verdict::Undecided(_) => ("undecided", None),
    };
    let mut proof = json!({ "name": name, "says": says, "verdict": word });
    let mut add = |member: &str, value: Value| proof.as_object_mut().map(|all| all.insert(member.to_owned(), value));
    if let Some(shown) = shown {
        add("request", shown.request.clone());
        add("answer", json!({ "decision": shown.answer.decision, "by": shown.answer.by }));
    }
    match verdict {
        Verdict::Fails { policies, .. } if !policies.is_empty() => drop(add("policies", json!(policies))),
        Verdict::Undecided(why) => drop(add("why", json!(why))),
        _ => {}
    }
    proof
}

fn in_words(Proof { name, says, verdict }: &Proof) -> String {
    let (word, lines) = match verdict {
        Verdict::Holds(_) => ("holds", Vec::new()),
        Verdict::Fails { shown: Some(shown), .. } => {
            // A case: `policy explain` and `policy test` read it, and it was asked before it is shown.
            let case = |member: &str| {
                let value = shown.request.get(member);
                value.map(|value| format!("  {member}: {value}"))
            };
            let then = json!({ "decision": shown.answer.decision, "by": shown.answer.by });
            let mut lines = vec![format!("- name: {name} is broken by this")];
            lines.extend(case("given"));
            lines.extend(case("when"));
            lines.push(format!("  then: {then}"));
            ("FAILS", lines)
        }
        Verdict::Fails { policies, .. } if policies.is_empty() => ("FAILS", Vec::new()),
        Verdict::Fails { policies, .. } => ("FAILS", vec![format!("  not these: {}", policies.join(", "))]),
        Verdict::Undecided(why) => ("UNDECIDED", why.iter().map(|why| format!("  {why}")).collect()),
    };
    let mut text = format!("{word:<9}  {name}: {}\n", visible(says));
    for line in lines {
        text.push_str(&visible(&line));
        text.push('\n');
    }
    text
}

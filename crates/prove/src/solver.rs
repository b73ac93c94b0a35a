//! The solver: another program, asked one question after the other.

use std::path::PathBuf;
use std::time::Duration;

use cedar_policy_symcc::err::{Error, SolverError};
use cedar_policy_symcc::solver::{Decision, LocalSolver, Solver as _};
use cedar_policy_symcc::{CedarSymCompiler, CompiledPolicy, CompiledPolicySet, Env};
use tokio::process::Command;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

/// How long the solver may take to notice that its time is over, and to start.
const GRACE: Duration = Duration::from_secs(10);

/// Which solver is asked, and for how long.
#[derive(Debug, Clone)]
pub struct Solver {
    /// The program: cvc5, by path or by its name where the system finds programs.
    pub program: PathBuf,
    /// The longest it may think about one question.
    pub timeout: Duration,
}

/// There is no solver, or it does not answer as one.
#[derive(Debug, thiserror::Error)]
#[error("`{}` is not a solver that can be asked: {why}", program.display())]
pub struct NoSolver {
    /// What was tried.
    pub program: PathBuf,
    /// Why it is none.
    pub why: String,
}

/// A question: is there a request…
pub(crate) enum Query<'a> {
    /// …that the first allow, and the second do not?
    Between(&'a CompiledPolicySet, &'a CompiledPolicySet),
    /// …that these allow?
    Allowed(&'a CompiledPolicySet),
    /// …on which this one fails?
    Fails(&'a CompiledPolicy),
}

/// What the solver says.
pub(crate) enum Said {
    /// There is none.
    None,
    /// This one.
    Found(Box<Env>),
    /// It cannot tell, and why.
    Unknown(String),
}

/// A solver that runs.
pub(crate) struct Asker {
    solver: Solver,
    runtime: Runtime,
    running: Option<CedarSymCompiler<LocalSolver>>,
}

impl Asker {
    /// Starts `solver`, and asks it something simple.
    pub(crate) fn new(solver: &Solver) -> Result<Self, NoSolver> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|why| NoSolver { program: solver.program.clone(), why: why.to_string() })?;
        let mut asker = Self { solver: solver.clone(), runtime, running: None };
        let mut running = asker.start()?;
        let first = asker.runtime.block_on(async { timeout(GRACE, running.solver_mut().check_sat()).await });
        let why = match first {
            Ok(Ok(Decision::Sat)) => {
                asker.running = Some(running);
                return Ok(asker);
            }
            Ok(Ok(other)) => format!("it answers `{other:?}` where nothing was claimed"),
            Ok(Err(why)) => why.to_string(),
            Err(_) => "it does not answer".to_owned(),
        };
        Err(asker.none(why))
    }

    fn none(&self, why: String) -> NoSolver {
        NoSolver { program: self.solver.program.clone(), why }
    }

    fn start(&self) -> Result<CedarSymCompiler<LocalSolver>, NoSolver> {
        let _inside = self.runtime.enter();
        let limit = format!("--tlimit-per={}", self.solver.timeout.as_millis());
        let mut command = Command::new(&self.solver.program);
        command.args(["--lang", "smt"]).arg(limit).kill_on_drop(true);
        let why = |why: SolverError| match why {
            SolverError::Io(why) => self.none(why.to_string()),
            why => self.none(why.to_string()),
        };
        let solver = LocalSolver::from_command(&mut command).map_err(why)?;
        CedarSymCompiler::new(solver).map_err(|why| self.none(why.to_string()))
    }

    /// Asks `query`. The error is that the solver ended and cannot be started again.
    pub(crate) fn ask(&mut self, query: &Query<'_>) -> Result<Said, NoSolver> {
        let mut running = match self.running.take() {
            Some(running) => running,
            None => self.start()?,
        };
        let limit = self.solver.timeout + GRACE;
        let answer = async {
            match query {
                Query::Between(wide, narrow) => running.check_implies_with_counterexample_opt(wide, narrow).await,
                Query::Allowed(set) => running.check_always_denies_with_counterexample_opt(set).await,
                Query::Fails(policy) => running.check_never_errors_with_counterexample_opt(policy).await,
            }
        };
        let said = self.runtime.block_on(async { timeout(limit, answer).await });
        let (said, reusable) = match said {
            Ok(Ok(None)) => (Said::None, true),
            Ok(Ok(Some(found))) => (Said::Found(Box::new(found)), true),
            Ok(Err(Error::SolverUnknown)) => {
                (Said::Unknown(format!("the solver gave up after at most {:?}", self.solver.timeout)), true)
            }
            Ok(Err(why @ (Error::SolverError(_) | Error::EncodeError(_)))) => (Said::Unknown(why.to_string()), false),
            Ok(Err(why)) => (Said::Unknown(why.to_string()), true),
            Err(_) => (Said::Unknown("the solver did not answer in time".to_owned()), false),
        };
        // What ended in the middle of a question would take the next one for its rest.
        self.running = reusable.then_some(running);
        Ok(said)
    }
}

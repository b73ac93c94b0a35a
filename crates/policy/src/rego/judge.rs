//! Asking Rego: one interpreter for each file, and a bound on its work.
//!
//! The bound counts steps, so that a decision does not depend on how fast or busy a
//! machine is: a rule that takes too long takes too long everywhere, and in every replay.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::sync::Once;
use std::time::Duration;

use regorus::utils::limits::{ExecutionTimerConfig, TimeSource, set_time_source};
use regorus::{Engine, Value};

use super::syntax::Module;
use super::{File, Files, MAX_MESSAGE, MAX_STEPS, input};
use crate::fault::Fault;
use crate::policy::RegoRule;
use crate::request::Request;

/// How much the interpreter does between two looks at the count.
const STRIDE: u32 = 64;

thread_local! {
    /// How often this thread's interpreters looked.
    static LOOKS: Cell<u64> = const { Cell::new(0) };
}

/// What the interpreter takes for a clock: each look at it is a nanosecond later.
struct Steps;

impl TimeSource for Steps {
    fn now(&self) -> Option<Duration> {
        LOOKS.set(LOOKS.get().wrapping_add(1));
        Some(Duration::from_nanos(LOOKS.get()))
    }
}

/// One thread's interpreters.
pub(crate) struct Judge {
    /// By the place of their file; `None` for one that does not decide.
    engines: Vec<Option<Engine>>,
}

/// Something a rule has to say of a call: nothing, or its messages, or why that is not known.
pub(crate) type Said = Result<Option<String>, String>;

impl Judge {
    /// Interpreters for `files`. The error is what the interpreter says of a text that it
    /// read before; it does not happen.
    pub(crate) fn new(files: &Files) -> Result<Self, String> {
        let engines = files.0.iter().map(|file| file.decides.then(|| engine(file, files)).transpose());
        Ok(Self { engines: engines.collect::<Result<_, _>>()? })
    }

    /// Puts `request` to all of them, for [`Judge::says`].
    pub(crate) fn ask(&mut self, request: &Request<'_>) {
        if self.engines.iter().any(Option::is_some) {
            let document = Value::from(input::document(request));
            self.engines.iter_mut().flatten().for_each(|engine| engine.set_input(document.clone()));
        }
    }

    /// What `rule` says of what was asked last.
    pub(crate) fn says(&mut self, rule: &RegoRule) -> Said {
        let engine = self.engines.get_mut(rule.file).and_then(Option::as_mut);
        let engine = engine.ok_or("its file does not decide")?;
        let value = engine.eval_rule(path(rule.name)).map_err(|why| reason(&why.to_string()))?;
        messages(&value)
    }
}

fn path(rule: &str) -> String {
    format!("data.countersign.{rule}")
}

/// An interpreter for `file`, with all others that do not decide.
fn engine(file: &File, files: &Files) -> Result<Engine, String> {
    let mut engine = bounded();
    for File { name, text, is_v0, .. } in files.others().chain([file]) {
        engine.set_rego_v0(*is_v0);
        engine.add_policy(name.clone(), text.clone()).map_err(|why| why.to_string())?;
    }
    Ok(engine)
}

/// An interpreter that counts, and in which a function that fails is an error and not silence.
pub(crate) fn bounded() -> Engine {
    static COUNTED: Once = Once::new();
    COUNTED.call_once(|| {
        // Fails only where one was set before, which is only done here.
        let _ = set_time_source(&Steps);
    });
    let mut engine = Engine::new();
    engine.set_strict_builtin_errors(true);
    let check_interval = NonZeroU32::new(STRIDE).unwrap_or(NonZeroU32::MIN);
    let limit = Duration::from_nanos(MAX_STEPS / u64::from(STRIDE));
    engine.set_execution_timer_config(ExecutionTimerConfig { limit, check_interval });
    engine
}

/// What the interpreter says of the files once they are together.
pub(crate) fn compile(files: &Files, modules: &[Module<'_>]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (file, module) in files.0.iter().zip(modules).filter(|(file, _)| file.decides) {
        let compiled = engine(file, files).and_then(|mut engine| {
            let mut rules = super::RULES.iter().filter(|(name, _)| module.rules.iter().any(|rule| rule.name == *name));
            rules
                .try_for_each(|(name, _)| engine.compile_with_entrypoint(&path(name).into()).map(drop))
                .map_err(|why| why.to_string())
        });
        faults.extend(compiled.err().map(|why| fault(&why, module, modules)));
    }
    faults.dedup();
    faults
}

/// What the interpreter says: `--> FILE:LINE:COLUMN`, the line, and `error: ` what is wrong.
fn fault(said: &str, module: &Module<'_>, modules: &[Module<'_>]) -> Fault {
    let place = said.lines().find_map(|line| line.trim().strip_prefix("--> "));
    let mut parts = place.unwrap_or_default().rsplitn(3, ':');
    let (column, line, file) = (parts.next(), parts.next(), parts.next());
    let about = modules.iter().find(|module| Some(module.source.file) == file).unwrap_or(module);
    let number = |text: Option<&str>| text.and_then(|text| text.parse().ok());
    let mut fault = Fault::error(about.source.file, about.source.text, 0, reason(said));
    if let (Some(line), Some(column)) = (number(line), number(column)) {
        (fault.line, fault.column) = (line, column);
    }
    fault
}

/// What is wrong, of all that the interpreter says.
pub(crate) fn reason(said: &str) -> String {
    let why = said.split_once("error: ").map_or(said, |(_, why)| why).trim();
    if why.starts_with("execution exceeded time limit") {
        return format!("it takes more than {MAX_STEPS} steps");
    }
    why.lines().collect::<Vec<_>>().join(" ")
}

/// A fault at the place that the interpreter names of `module` alone.
pub(crate) fn fault_of(said: &str, file: &str, text: &str) -> Fault {
    let module = Module::empty(file, text);
    fault(said, &module, &[])
}

/// The texts of a set, one after another; `None` of an empty one.
fn messages(value: &Value) -> Said {
    let Value::Set(_) = value else {
        return if *value == Value::Undefined { Ok(None) } else { Err("its value is not a set of texts".to_owned()) };
    };
    let set = value.as_set().map_err(|why| why.to_string())?;
    let text = |item: &Value| item.as_string().map(ToString::to_string);
    let texts: Vec<String> = set
        .iter_sorted()
        .map(text)
        .collect::<Result<_, _>>()
        .map_err(|_| "one of its messages is not a text".to_owned())?;
    if texts.is_empty() {
        return Ok(None);
    }
    let mut told = texts.join("; ");
    told.truncate(told.floor_char_boundary(MAX_MESSAGE));
    Ok(Some(if told.trim().is_empty() { "refused by a policy that gives no reason".to_owned() } else { told }))
}

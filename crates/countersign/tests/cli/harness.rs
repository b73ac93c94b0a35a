//! Starting the program and reading what it says.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

/// The program, in an environment that names no server and no key.
pub fn countersign() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    for name in ["COUNTERSIGN_URL", "COUNTERSIGN_API_KEY", "COUNTERSIGN_BOOTSTRAP_ADMIN_KEY", "TRACE_PRIVATE_KEY_PEM"] {
        command.env_remove(name);
    }
    command
}

/// A run that is over.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|why| panic!("{why}: {self:?}"))
    }

    /// Fails unless the run ended with `code`.
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }

    /// Fails unless the run ended with exit code 3 and an error that says all of `parts`.
    pub fn refused(self, parts: &[&str]) -> Self {
        let ran = self.exits(3);
        assert!(ran.err.contains("error: "), "{ran:?}");
        for part in parts {
            assert!(ran.err.contains(part), "`{part}` is not said: {}", ran.err);
        }
        ran
    }
}

/// Runs `command` to its end.
pub fn ran(command: &mut Command) -> Ran {
    let done = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: done.status.code(), out: text(done.stdout), err: text(done.stderr) }
}

/// Runs the program with `args` to its end.
pub fn run<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Ran {
    ran(countersign().args(args))
}

/// A `countersign dev` that is ready.
pub struct Dev {
    child: Child,
    ready: Value,
    rest: Lines<BufReader<ChildStdout>>,
}

impl Dev {
    /// Starts one on `folder` and a free port.
    pub fn start(folder: &Path) -> Self {
        Self::listening(folder, &["127.0.0.1:0"])
    }

    pub fn listening(folder: &Path, addresses: &[&str]) -> Self {
        Self::started(&mut countersign(), folder, addresses)
    }

    /// Starts one in the environment of `command`.
    pub fn started(command: &mut Command, folder: &Path, addresses: &[&str]) -> Self {
        let listen: Vec<&str> = addresses.iter().flat_map(|address| ["--listen", *address]).collect();
        Self::started_with(command, folder, &listen)
    }

    /// Starts one with more arguments.
    pub fn started_with(command: &mut Command, folder: &Path, more: &[&str]) -> Self {
        command.args(["dev", "--json", "--data"]).arg(folder).args(more);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut rest = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = rest.next().expect("it did not start").unwrap();
        Self { child, ready: serde_json::from_str(&ready).unwrap(), rest }
    }

    pub fn ready(&self) -> &Value {
        &self.ready
    }

    pub fn says(&self, name: &str) -> &str {
        self.ready[name].as_str().unwrap()
    }

    /// Runs a client command with `key`.
    pub fn run_as(&self, key: &str, args: &[&str]) -> Ran {
        let mut command = countersign();
        command.env("COUNTERSIGN_URL", self.says("url")).env("COUNTERSIGN_API_KEY", self.says(key));
        ran(command.args(args))
    }

    /// Runs a client command as the administrator.
    pub fn admin(&self, args: &[&str]) -> Ran {
        self.run_as("admin_key", args)
    }

    /// Asks whether the demo agent may use `tool`.
    pub fn check(&self, tool: &str) -> Ran {
        self.run_as("agent_key", &["-o", "json", "check", "--agent", self.says("agent_id"), "--tool", tool])
    }

    /// Stops it with `signal`, and returns its exit code and what else it printed.
    pub fn stop(mut self, signal: &str) -> (Option<i32>, Vec<String>) {
        send(signal, self.child.id());
        let rest = self.rest.by_ref().map(Result::unwrap).collect();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // After a clean stop there is nothing left to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process.
pub fn send(signal: &str, process: u32) {
    assert!(Command::new("kill").args([signal, &process.to_string()]).status().unwrap().success());
}

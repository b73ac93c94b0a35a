//! A disk that is small enough to fill.
//!
//! A real one where the machine allows it: the test runs itself again in a
//! mount namespace of its own, on a `tmpfs` that is gone when it ends. Elsewhere
//! the server meets a limit on the size of its files, which fails a write like
//! a full disk does, though with another error.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use tempfile::TempDir;

/// Names the small disk to the test that runs again on it.
const FOLDER: &str = "COUNTERSIGN_TEST_DISK";
/// `limit` chooses the limit on file sizes where a disk could be had.
const CHOICE: &str = "COUNTERSIGN_TEST_FULL";
/// What a full disk leaves to a file under a limit, so that no write grows one.
const NOTHING: u64 = 4_096;

/// A folder on a disk that can be filled and freed.
pub struct Disk {
    folder: PathBuf,
    /// The most bytes a file may have, where there is no small disk to fill.
    limit: Option<Mutex<Option<u64>>>,
    _made: Option<TempDir>,
}

/// Runs `body` on a disk of `mebibytes`. `test` is the name of the test that
/// calls this, as `--exact` takes it.
pub fn on_a_small_disk(test: &str, mebibytes: u64, body: impl FnOnce(&Disk)) {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return body(&Disk::large(Path::new(&folder)));
    }
    let made = tempfile::tempdir().unwrap();
    #[expect(clippy::disallowed_methods, reason = "how a test runs is chosen where it runs")]
    let limit_chosen = std::env::var(CHOICE).is_ok_and(|choice| choice == "limit");
    if !limit_chosen && succeeds(mounted(made.path(), mebibytes).arg("true")) {
        println!("{test}: on a tmpfs of {mebibytes} MiB");
        return run_again(test, mounted(made.path(), mebibytes), made.path());
    }
    println!("{test}: no mount namespace here");
    under_a_limit(test, body);
}

/// Runs `body` on a disk that answers with an I/O error in place of being full.
pub fn under_a_limit(test: &str, body: impl FnOnce(&Disk)) {
    if succeeds(Command::new("prlimit").arg("--fsize=4096:unlimited").arg("true")) {
        println!("{test}: under a limit on file sizes");
        let made = tempfile::tempdir().unwrap();
        let folder = made.path().to_owned();
        return body(&Disk { folder, limit: Some(Mutex::new(None)), _made: Some(made) });
    }
    let notice = format!("{test}: NOT RUN: this machine has no `prlimit`, and `unshare` with `mount` does not work");
    assert!(std::env::var_os("CI").is_none(), "{notice}");
    // Past the capture of a test that passes.
    drop(writeln!(std::io::stderr(), "{notice}"));
}

/// Runs what is appended where `folder` is a small disk.
fn mounted(folder: &Path, mebibytes: u64) -> Command {
    let script = format!("mount -t tmpfs -o size={mebibytes}m tmpfs \"$0\" && exec \"$@\" 2>&1");
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", &script]).arg(folder);
    command
}

fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Runs `test` of this program again, and says what it says.
fn run_again(test: &str, mut command: Command, folder: &Path) {
    command.arg(std::env::current_exe().unwrap()).args([test, "--exact", "--nocapture"]).env(FOLDER, folder);
    let mut again = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut has_run = false;
    for line in BufReader::new(again.stdout.take().unwrap()).lines().map(Result::unwrap) {
        has_run |= line.contains("1 passed");
        println!("{line}");
    }
    assert!(again.wait().unwrap().success(), "{test} failed on a small disk; above is why");
    assert!(has_run, "there is no test `{test}`");
}

impl Disk {
    /// A folder where there is space enough.
    pub fn large(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), limit: None, _made: None }
    }

    /// The data directory on it.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// A folder on it, beside the data directory.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Whether a full disk is one, and no limit that stands for it.
    pub fn is_real(&self) -> bool {
        self.limit.is_none()
    }

    /// The program, to be run on it.
    pub fn countersign(&self) -> Command {
        let program = env!("CARGO_BIN_EXE_countersign");
        let Some(limit) = &self.limit else { return Command::new(program) };
        let now = limit.lock().unwrap().map_or("unlimited".to_owned(), |bytes| bytes.to_string());
        let mut command = Command::new("sh");
        // Where the signal is ignored, the write fails instead.
        command.args(["-c", "trap '' XFSZ; exec prlimit \"$0\" \"$@\""]);
        command.arg(format!("--fsize={now}:unlimited")).arg(program);
        command
    }

    /// Leaves `leave` bytes to whoever runs, and to `server` if it does.
    pub fn fill(&self, leave: u64, server: Option<u32>) {
        if self.limit.is_some() {
            let largest = if leave == 0 { NOTHING } else { self.largest() + leave };
            return self.set_limit(Some(largest), server);
        }
        let mut ballast = OpenOptions::new().create(true).append(true).open(self.ballast()).unwrap();
        let zeros = vec![0; 65_536];
        while ballast.write(&zeros).is_ok_and(|written| written > 0) {}
        let length = ballast.metadata().unwrap().len();
        ballast.set_len(length.saturating_sub(leave)).unwrap();
    }

    /// Gives the space back.
    pub fn free(&self, server: Option<u32>) {
        if self.limit.is_some() {
            return self.set_limit(None, server);
        }
        drop(File::create(self.ballast()).unwrap());
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }

    fn largest(&self) -> u64 {
        let files = std::fs::read_dir(self.data()).into_iter().flatten();
        files.map(|file| file.unwrap().metadata().unwrap().len()).max().unwrap_or(0)
    }

    fn set_limit(&self, bytes: Option<u64>, server: Option<u32>) {
        *self.limit.as_ref().unwrap().lock().unwrap() = bytes;
        let Some(pid) = server else { return };
        let bytes = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
        let mut command = Command::new("prlimit");
        assert!(succeeds(command.args([format!("--pid={pid}"), format!("--fsize={bytes}:")])));
    }
}

//! Exit codes.

/// What a command's exit code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done; for a check: allowed.
    Done = 0,
    /// The action is denied; for `doctor`: something is wrong.
    Denied = 2,
    /// The input, the server or the machine did not let the command do its work.
    Invalid = 3,
    /// A human must approve first.
    NeedsApproval = 4,
    /// The record does not verify.
    Unverified = 5,
    /// There is no solver to ask.
    NoSolver = 6,
}

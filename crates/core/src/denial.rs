//! Why an action was refused. Each reason has one stable code: it is an API
//! contract, a metric label and the name of a page in the documentation.

use std::time::Duration;

macro_rules! denials {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $text:literal, $hope:ident;)*) => {
        /// A reason for refusal.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Denial {
            $($(#[$doc])* $variant,)*
            /// The agent asks too often.
            AgentRate(Duration),
            /// The tool is asked for too often.
            ToolRate(Duration),
            /// The agent's calls of the day are used up.
            CallBudget(Duration),
            /// The agent's tokens of the day are used up.
            TokenBudget(Duration),
            /// The tool failed repeatedly for this agent.
            CircuitOpen(Duration),
        }

        impl Denial {
            /// Every code there is, in the order of the gates that raise them.
            pub const CODES: &'static [&'static str] =
                &[$($code,)* "agent_rate_exceeded", "tool_rate_exceeded", "call_budget_spent", "token_budget_spent", "circuit_open"];

            /// The stable code.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)*
                    Self::AgentRate(_) => "agent_rate_exceeded",
                    Self::ToolRate(_) => "tool_rate_exceeded",
                    Self::CallBudget(_) => "call_budget_spent",
                    Self::TokenBudget(_) => "token_budget_spent",
                    Self::CircuitOpen(_) => "circuit_open",
                }
            }

            pub(crate) fn text_of(code: &str) -> Option<&'static str> {
                let all = [
                    $(Self::$variant,)*
                    Self::AgentRate(Duration::ZERO),
                    Self::ToolRate(Duration::ZERO),
                    Self::CallBudget(Duration::ZERO),
                    Self::TokenBudget(Duration::ZERO),
                    Self::CircuitOpen(Duration::ZERO),
                ];
                all.into_iter().find(|denial| denial.code() == code).map(Self::text)
            }

            /// What to tell the agent: what was refused and by which rule.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::AgentRate(_) => "the agent asks more often than its organisation allows",
                    Self::ToolRate(_) => "the tool is asked for more often than its organisation allows",
                    Self::CallBudget(_) => "the calls that the agent, or one who lent to it, may make in a day are used up",
                    Self::TokenBudget(_) => "the tokens that the agent, or one who lent to it, may use in a day are used up",
                    Self::CircuitOpen(_) => "the tool failed repeatedly for this agent, so it is paused",
                }
            }

            /// Whether asking again can help, and what must happen first.
            #[must_use]
            pub const fn hope(self) -> Hope {
                match self {
                    $(Self::$variant => Hope::$hope,)*
                    Self::AgentRate(wait)
                    | Self::ToolRate(wait)
                    | Self::CallBudget(wait)
                    | Self::TokenBudget(wait)
                    | Self::CircuitOpen(wait) => Hope::After(wait),
                }
            }
        }
    };
}

/// Whether asking again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hope {
    /// No: the answer stays the same.
    None,
    /// Once an administrator changes something.
    Administrator,
    /// In a new session or with a new token or delegation.
    Renewal,
    /// After this time.
    After(Duration),
}

denials! {
    /// A stop names the whole organisation.
    OrganisationStopped = "organisation_stopped", "every action of this organisation is stopped", Administrator;
    /// A stop names the tool.
    ToolStopped = "tool_stopped", "this tool is stopped", Administrator;
    /// The agent is revoked.
    AgentRevoked = "agent_revoked", "the agent is revoked", None;
    /// The agent is suspended.
    AgentSuspended = "agent_suspended", "the agent is suspended", Administrator;
    /// The proven identity is another agent's.
    IdentityMismatch = "identity_mismatch", "the caller proved to be another agent than the one it speaks of", None;
    /// The session id has the server's form and is not a session.
    SessionUnknown = "session_unknown", "there is no such session", Renewal;
    /// The session's tag does not hold.
    SessionAltered = "session_altered", "the session's integrity tag does not hold", Renewal;
    /// The session is another agent's.
    SessionForeign = "session_foreign", "the session belongs to another agent", None;
    /// The session was closed.
    SessionClosed = "session_closed", "the session is closed", Renewal;
    /// The session is over.
    SessionExpired = "session_expired", "the session has expired", Renewal;
    /// What the session was started from is gone.
    SessionOrphaned = "session_orphaned", "the token this session was started from is revoked or expired", Renewal;
    /// The action is beyond the session's ceiling.
    OutsideCeiling = "outside_ceiling", "the action lies outside the session's scope ceiling", Renewal;
    /// A link of the delegation was revoked.
    DelegationRevoked = "delegation_revoked", "a delegation this session rests on is revoked", Renewal;
    /// A link of the delegation is over.
    DelegationExpired = "delegation_expired", "a delegation this session rests on has expired", Renewal;
    /// An agent that lends may not act.
    DelegationLenderInactive = "delegation_lender_inactive", "an agent that delegated this right may not act", Administrator;
    /// The links do not follow from one another.
    DelegationBroken = "delegation_broken", "the delegation chain is not continuous", Renewal;
    /// The chain is too long.
    DelegationTooDeep = "delegation_too_deep", "the delegation chain has more than five links", None;
    /// An agent lends to itself, directly or in a circle.
    DelegationToSelf = "delegation_to_self", "an agent cannot delegate to itself, directly or in a circle", None;
    /// A link lends more than it has.
    DelegationWidened = "delegation_widened", "a delegation lends more than its lender holds", Administrator;
    /// An agent reaches for the controls.
    SelfAdministration = "self_administration", "an agent may not change Countersign itself", None;
    /// An admin effect in a session.
    AdminNeverElevated = "admin_never_elevated", "an action with an admin effect is never allowed in a session", None;
    /// A blocklist names the action.
    CapabilityBlocked = "capability_blocked", "the action is on the agent's blocklist", Administrator;
    /// No capability names the action.
    CapabilityMissing = "capability_missing", "capability not registered", Administrator;
    /// The token does not reach the action.
    TokenScope = "token_scope", "the access token's scopes do not include the action", Renewal;
    /// A policy forbids the action.
    PolicyForbids = "policy_forbids", "a policy forbids this action", Administrator;
    /// A policy that could apply failed on the action.
    PolicyFailed = "policy_failed", "a policy that could apply to this action failed on it", Administrator;
    /// No policy permits the action.
    PolicyUnmatched = "policy_unmatched", "no policy permits this action", Administrator;
    /// What came from outside and looks like an instruction would destroy or grant something.
    ContentSteered = "content_steered", "after content from outside that looks like instructions or hides something, nothing may be destroyed or granted", Renewal;
    /// The Spot guard did not answer.
    SpotUnavailable = "spot_unavailable", "the spot guard cannot be reached, and this action must meet it", Administrator;
    /// The risk is too high.
    RiskTooHigh = "risk_too_high", "the risk of this action is too high", Administrator;
    /// A human said no to exactly this.
    ApprovalDenied = "approval_denied", "a human denied exactly this action", None;
    /// The deep reviewer said no.
    ReviewDenied = "review_denied", "the deep reviewer refused this action", Administrator;
    /// The deep reviewer did not answer, or not in a form that can be read.
    ReviewUnavailable = "review_unavailable", "the deep reviewer gave no answer that counts", Administrator;
    /// An admin effect that nobody can review.
    AdminUnreviewed = "admin_unreviewed", "an action with an admin effect needs a deep reviewer, and none is configured", Administrator;
}

impl std::fmt::Display for Denial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())?;
        match self.hope() {
            Hope::None => f.write_str("; asking again will not help"),
            Hope::Administrator => f.write_str("; an administrator can change this"),
            Hope::Renewal => f.write_str("; start a new session or ask for new rights"),
            Hope::After(wait) => write!(f, "; try again in {} s", wait.as_secs() + 1),
        }
    }
}

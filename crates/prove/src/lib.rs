//! Proves what a set of policies can never permit, or shows a request that it does.
//!
//! A [`Claim`] speaks of every request there can be. `cedar-policy-symcc` turns
//! it into formulas, and a solver, cvc5, which runs as a process of its own,
//! looks for a request that breaks it. What it finds is put to the policies as
//! they are evaluated before it is believed; where that does not agree, where
//! the solver gives up, and where a policy is outside what can be turned into
//! formulas, a claim is undecided. It is never held for true then.

mod claim;
mod judge;
mod prove;
mod shown;
mod solver;
mod space;

pub use claim::{Claim, built_in};
pub use judge::Shown;
pub use prove::{Proof, Subject, Verdict, prove};
pub use solver::{NoSolver, Solver};

//! Routes: which rule a request matches, and what the rule asks for.

pub mod asked;
pub mod budget;
pub mod filter;
pub mod retry;
pub mod select;
pub mod timeout;

//! Bytes on their way: memory that is held only while they are.

pub mod ahead;
pub mod copy;
pub mod lent;
#[cfg(test)]
mod tests;

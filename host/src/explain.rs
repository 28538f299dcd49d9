//! Errors in three parts: what happened, why, and what to do.

/// An error that can say more than its name. `Display` says what happened.
pub trait Explain: std::error::Error {
    /// A fixed name for machines, as in `file.truncated`.
    fn code(&self) -> &'static str;
    /// Why it happened, as one sentence.
    fn why(&self) -> String;
    /// What to do now, as one sentence.
    fn remedy(&self) -> String;
}

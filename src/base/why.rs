//! Why something is as it is.

use serde_json::Value;

/// The chain of causes of one thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Why {
    /// Plain sentences, the cause nearest to the present first.
    pub sentences: Vec<String>,
    /// The same for programs: the thing in short, and what the sentences tell of.
    pub facts: Value,
}

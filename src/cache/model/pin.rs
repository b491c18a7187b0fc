//! Who keeps a task from being thrown away.

/// The owner of a pin. A pin whose owner is gone does not count any more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PinOwner {
    /// As long as this DAG run is not over.
    Dag(String),
    /// As long as this supervised task is defined.
    Proc(String),
    /// Until it is unpinned by this name.
    Name(String),
}

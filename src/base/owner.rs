//! Whose something is.

/// Who asked for something to exist, and is answerable for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// His uid.
    pub uid: u32,
    /// How he is named in listings and the audit log, for example `uid 1000 (alice)`.
    pub name: String,
    /// Whether he was an operator then, and might name any user.
    pub operator: bool,
}

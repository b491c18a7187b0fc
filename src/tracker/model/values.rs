//! Numbers that name things, and rights as bits.

use std::fmt;

/// A text that is no such value; the message says what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $inner:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// A project's number: from 1, never reused.
    ProjectId, u32
}
number! {
    /// A worker's number: from 1, never reused.
    WorkerId, u32
}
number! {
    /// A task's number: from 1, one count for all projects, never reused.
    TaskId, u64
}
number! {
    /// The number of a manager's account. 0 is the operator, who is no account.
    ManagerId, u32
}

/// What a manager may do in one project: bits, none of which implies another. `tracker.md` 4.1 gives their numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Role(u8);

impl Role {
    /// Nothing.
    pub const NONE: Role = Role(0);
    /// See a hidden project.
    pub const READ: Role = Role(1);
    /// Change the project; chain another one to it.
    pub const EDIT: Role = Role(2);
    /// Decide who has access, and hand out roles.
    pub const MANAGE_ACCESS: Role = Role(4);
    /// Read and write its secrets.
    pub const SECRET: Role = Role(8);
    /// Reset, reclaim, requeue and remove tasks.
    pub const MAINTENANCE: Role = Role(16);
    /// All of them: what the creator of a project gets.
    pub const ALL: Role = Role(31);

    /// The role of this number: 0 to 31.
    ///
    /// # Errors
    /// It is none.
    pub fn new(number: i64) -> Result<Role, Invalid> {
        match u8::try_from(number) {
            Ok(bits) if bits <= Role::ALL.0 => Ok(Role(bits)),
            _ => Err(Invalid(format!("role: expected 0 to 31, not {number}"))),
        }
    }

    /// Its number.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// Whether it has any of the bits of `needed`.
    pub fn allows(self, needed: Role) -> bool {
        self.0 & needed.0 != 0
    }
}

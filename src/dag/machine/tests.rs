//! Stories of the machine alone: one for each rule, told with processes that end when the story says so.

mod capacity;
mod killing;
mod lives;
mod play;
mod recovery;

//! The decisions of the room.

mod words;

pub use words::{
    Ask, Asker, Change, Cursor, Difference, Effect, Event, Exit, Held, Launch, LiveRun, Offer, Plan, Probing, Queued,
    Refusal, Scope, Seats, Standing, Stored, StoredRest, StoredTask, Verdict, What, Write,
};

/// All tasks and runs, and what is to be done about them.
#[derive(Debug)]
pub struct Room {}

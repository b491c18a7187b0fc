//! # store — what must survive

mod batch;
mod handle;
mod memory;
mod reader;
mod record;
mod ticket;

pub use batch::Batch;
pub use handle::{Full, Stats, Store};
pub use reader::{ReadError, Reader, Scan};
pub use record::{DecodeError, Key, Kind, Record};
pub use ticket::{CommitError, Ticket};

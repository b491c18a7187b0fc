//! Stories of the machine, one for each rule; crashes in them change nothing that can be seen.

mod handing;
mod importing;
mod limits;
mod mass;
mod picture;
mod play;
mod projects;
mod recovery;
mod releasing;
mod rights;
mod shelf;
mod waiting;

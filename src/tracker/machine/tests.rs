//! Stories of the machine, one for each rule, in which crashes change nothing that can be seen; and long random ones that
//! a slow oracle judges step by step.

mod handing;
mod importing;
mod limits;
mod mass;
mod oracle;
mod picture;
mod play;
mod projects;
mod random;
mod recovery;
mod releasing;
mod rights;
mod shelf;
mod verification;
mod waiting;

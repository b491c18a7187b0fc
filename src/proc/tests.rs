//! Stories in a simulated world, whose clock jumps from deadline to deadline.

mod crash;
mod cron;
mod deps;
mod documents;
mod lives;
mod random;
mod shutdown;
mod values;
mod world;

//! Lives of single runs, as the reference tells them.

use super::keeper::Script;
use super::sketch::{group, sketch};
use super::world::{World, secs};
use crate::dag::model::State;

fn failing() -> Script {
    Script { ends: 1, ..Script::default() }
}

#[test]
fn a_child_starts_when_all_instances_of_its_parents_have_completed() {
    let mut world = World::new();
    let run = world.submit(&sketch([group("m").times(2), group("after").after("m")]));
    world.run_for(secs(10));
    assert_eq!(world.started(run), ["m_0", "m_1", "after_0"]);
    assert_eq!(world.state(run), State::Completed);
    world.check_end();
}

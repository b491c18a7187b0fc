//! Which piece next: against a model that is obviously right.

use crate::cache::content::claims::Claims;
use crate::cache::model::Crc;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::ops::Range;

#[derive(Debug, Clone)]
enum Move {
    Next(u32),
    Extend(usize, u32),
    Release(usize),
    Put(u32),
    Lose(u32),
}

fn any_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        (1..6u32).prop_map(Move::Next),
        (0..2usize, 1..6u32).prop_map(|(which, window)| Move::Extend(which, window)),
        (0..2usize).prop_map(Move::Release),
        (0..40u32).prop_map(Move::Put),
        (0..40u32).prop_map(Move::Lose),
    ]
}

/// The free pieces from here on, no more than so many.
fn run(total: u32, done: &BTreeSet<u32>, taken: &[Range<u32>], start: u32, window: u32) -> u32 {
    let free = |number: &u32| !done.contains(number) && !taken.iter().any(|taken| taken.contains(number));
    let stretch = start..total.min(start + window);
    start + u32::try_from(stretch.take_while(free).count()).unwrap()
}

proptest! {
    #[test]
    fn claims_agree_with_a_plain_list(total in 0..40u32, moves in prop::collection::vec(any_move(), 0..80)) {
        let mut claims = Claims::new(Some(total));
        let (mut done, mut taken) = (BTreeSet::new(), Vec::<Range<u32>>::new());
        for one in moves {
            match one {
                Move::Next(window) if taken.len() < 2 => {
                    let free = |number: &u32| !done.contains(number) && !taken.iter().any(|taken| taken.contains(number));
                    let start = (0..total).find(free);
                    let expected = start.map(|start| start..run(total, &done, &taken, start, window));
                    let found = claims.next(window);
                    prop_assert_eq!(&found, &expected);
                    taken.extend(found);
                }
                Move::Extend(which, window) if which < taken.len() => {
                    let mut claim = taken[which].clone();
                    let end = run(total, &done, &taken, claim.end, window);
                    let longer = claims.extend(&mut claim, window);
                    prop_assert_eq!(longer, end > taken[which].end);
                    prop_assert_eq!(claim.end, end.max(taken[which].end));
                    taken[which] = claim;
                }
                Move::Release(which) if which < taken.len() => claims.release(&taken.swap_remove(which)),
                Move::Put(number) if number < total => {
                    claims.put(number, Crc(number));
                    done.insert(number);
                }
                Move::Lose(number) => {
                    claims.lose(number);
                    done.remove(&number);
                }
                Move::Next(_) | Move::Extend(..) | Move::Release(_) | Move::Put(_) => {}
            }
            let in_order = (0..).find(|number| !done.contains(number)).unwrap();
            prop_assert_eq!(claims.in_order(), in_order);
            prop_assert_eq!(claims.is_missing_any(), in_order < total);
        }
    }
}

#[test]
fn an_answer_that_brings_everything_goes_on_until_it_meets_another() {
    let mut claims = Claims::new(Some(40));
    let mut first = claims.first(Some(16));
    assert_eq!(first, 0..16);
    assert_eq!(claims.next(16), Some(16..32));
    assert!(!claims.extend(&mut first, 16), "the next ones are somebody else's");
    claims.release(&(16..32));
    assert!(claims.extend(&mut first, 16));
    assert_eq!(first, 0..32);
    assert_eq!(claims.next(16), Some(32..40));
}

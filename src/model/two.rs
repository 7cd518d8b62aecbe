//! Maps a list on two threads where it is long; it knows nothing of what it maps, and keeps the order.

use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, PoisonError};

/// Fewer are mostly not worth another thread.
pub const FEW: usize = 128;

/// What `one` makes of each, in the order of the list.
pub fn map<T: Sync, R: Send>(list: &[T], one: &(impl Fn(&T) -> R + Sync)) -> Vec<R> {
    if list.len() < FEW {
        return list.iter().map(one).collect();
    }
    let mut all = Vec::with_capacity(list.len());
    each(list.iter(), one, |made| all.push(made));
    all
}

/// The same of a list that is used up by it; fewer than `few` are not worth another thread.
pub fn map_into<T: Send, R: Send>(
    mut list: Vec<T>,
    few: usize,
    one: &(impl Fn(T) -> R + Sync),
) -> Vec<R> {
    if list.len() < few {
        return list.into_iter().map(one).collect();
    }
    let many = list.len();
    let second = list.split_off(many / 2);
    both(
        many,
        || list.into_iter().map(one),
        || second.into_iter().map(one).collect(),
    )
}

/// Items that one of the two threads takes in one go, and parts that wait to be taken in.
const PART: usize = 1024;
const WAITING: usize = 2;

/// What `one` makes of each goes to `take`, in the order of the list, while the other thread goes on: what is made
/// never exists all at once.
pub fn each<T: Send, R: Send>(
    list: impl ExactSizeIterator<Item = T> + Send,
    one: &(impl Fn(T) -> R + Sync),
    mut take: impl FnMut(R),
) {
    if list.len() < FEW {
        return list.map(one).for_each(take);
    }
    let part = PART.min(list.len().div_ceil(2));
    let parts = list.len().div_ceil(part);
    // who is through with a part has the next one
    let todo = Mutex::new((list, 0));
    let next = || {
        let mut todo = todo.lock().unwrap_or_else(PoisonError::into_inner);
        let (list, number) = &mut *todo;
        let items: Vec<T> = list.by_ref().take(part).collect();
        let this = *number;
        *number += 1;
        (!items.is_empty()).then_some((this, items))
    };
    std::thread::scope(|scope| {
        let (ready, made) = sync_channel::<Vec<R>>(WAITING);
        scope.spawn(|| {
            // with the thread it ends, so that who waits for a part that never comes is told
            let ready = ready;
            while let Some((_, items)) = next() {
                let some: Vec<R> = items.into_iter().map(one).collect();
                if ready.send(some).is_err() {
                    break;
                }
            }
        });
        let mut taken = 0;
        // parts of the other thread come in their order; where it has panicked, the scope says so
        let other = |until: usize, taken: &mut usize, take: &mut dyn FnMut(R)| {
            while *taken < until {
                let Ok(some) = made.recv() else { return };
                some.into_iter().for_each(&mut *take);
                *taken += 1;
            }
        };
        while let Some((this, items)) = next() {
            let own: Vec<R> = items.into_iter().map(one).collect();
            other(this, &mut taken, &mut take);
            own.into_iter().for_each(&mut take);
            taken += 1;
        }
        other(parts, &mut taken, &mut take);
    });
}

fn both<R: Send, I: Iterator<Item = R>>(
    many: usize,
    first: impl FnOnce() -> I,
    second: impl FnOnce() -> Vec<R> + Send,
) -> Vec<R> {
    std::thread::scope(|scope| {
        let second = scope.spawn(second);
        let mut all = Vec::with_capacity(many);
        all.extend(first());
        match second.join() {
            Ok(rest) => all.extend(rest),
            Err(panic) => std::panic::resume_unwind(panic),
        }
        all
    })
}

#[cfg(test)]
mod tests {
    use super::{FEW, PART, each, map, map_into};

    #[test]
    fn nothing_is_lost_and_the_order_stays() {
        for many in [0, 1, FEW - 1, FEW, FEW + 1, 5 * FEW + 3] {
            let list: Vec<usize> = (0..many).collect();
            let twice: Vec<usize> = list.iter().map(|n| n * 2).collect();
            assert_eq!(map(&list, &|n| n * 2), twice);
            assert_eq!(map_into(list, FEW, &|n| n * 2), twice);
        }
    }

    #[test]
    fn each_comes_once_and_in_its_order() {
        for many in [
            0,
            1,
            FEW - 1,
            FEW,
            FEW + 1,
            PART,
            2 * PART + 1,
            9 * PART + 3,
        ] {
            let mut taken = Vec::new();
            each(0..many, &|n: usize| n * 2, |n| taken.push(n));
            assert_eq!(taken, (0..many).map(|n| n * 2).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_panic_of_either_thread_ends_it() {
        for at in [0, 5 * PART, 9 * PART] {
            let done = std::panic::catch_unwind(|| {
                let one = |n: usize| assert_ne!(n, at, "as it must");
                each(0..10 * PART, &one, |()| {});
            });
            assert!(done.is_err());
        }
        let done = std::panic::catch_unwind(|| {
            let take = |n: usize| assert_ne!(n, 7 * PART, "as it must");
            each(0..10 * PART, &|n: usize| n, take);
        });
        assert!(done.is_err());
    }
}

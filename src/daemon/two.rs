//! Maps a list on two threads where it is long; it knows nothing of what it maps, and keeps the order.

/// Fewer are not worth another thread.
const FEW: usize = 128;

/// What `one` makes of each, in the order of the list.
pub(super) fn map<T: Sync, R: Send>(list: &[T], one: &(impl Fn(&T) -> R + Sync)) -> Vec<R> {
    if list.len() < FEW {
        return list.iter().map(one).collect();
    }
    let (first, second) = list.split_at(list.len() / 2);
    std::thread::scope(|scope| {
        let second = scope.spawn(|| second.iter().map(one).collect::<Vec<_>>());
        let mut all = Vec::with_capacity(list.len());
        all.extend(first.iter().map(one));
        match second.join() {
            Ok(rest) => all.extend(rest),
            Err(panic) => std::panic::resume_unwind(panic),
        }
        all
    })
}

#[cfg(test)]
mod tests {
    use super::{FEW, map};

    #[test]
    fn nothing_is_lost_and_the_order_stays() {
        for many in [0, 1, FEW - 1, FEW, FEW + 1, 5 * FEW + 3] {
            let list: Vec<usize> = (0..many).collect();
            let twice: Vec<usize> = list.iter().map(|n| n * 2).collect();
            assert_eq!(map(&list, &|n| n * 2), twice);
        }
    }
}

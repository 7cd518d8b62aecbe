//! Maps a list on two threads where it is long; it knows nothing of what it maps, and keeps the order.

/// Fewer are mostly not worth another thread.
pub const FEW: usize = 128;

/// What `one` makes of each, in the order of the list.
pub fn map<T: Sync, R: Send>(list: &[T], one: &(impl Fn(&T) -> R + Sync)) -> Vec<R> {
    if list.len() < FEW {
        return list.iter().map(one).collect();
    }
    let (first, second) = list.split_at(list.len() / 2);
    both(
        list.len(),
        || first.iter().map(one),
        || second.iter().map(one).collect(),
    )
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
    use super::{FEW, map, map_into};

    #[test]
    fn nothing_is_lost_and_the_order_stays() {
        for many in [0, 1, FEW - 1, FEW, FEW + 1, 5 * FEW + 3] {
            let list: Vec<usize> = (0..many).collect();
            let twice: Vec<usize> = list.iter().map(|n| n * 2).collect();
            assert_eq!(map(&list, &|n| n * 2), twice);
            assert_eq!(map_into(list, FEW, &|n| n * 2), twice);
        }
    }
}

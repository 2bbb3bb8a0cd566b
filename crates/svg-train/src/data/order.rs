//! The order of pictures.

use std::vec;

use super::draw::Draw;
use crate::random::{Purpose, generator};

/// An endless order of the numbers below `len`, each with what its random numbers follow from: each epoch is a
/// shuffle of all of them.
///
/// Epoch `e` is the permutation that Fisher and Yates's algorithm makes from ChaCha8 with the key
/// `(seed, e)`, so the order can be entered anywhere at the cost of one epoch's shuffle.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    seed: u64,
    epoch: u64,
    len: usize,
    /// What is left of the present epoch.
    rest: vec::IntoIter<u64>,
}

impl Order {
    /// The order without its first `cursor` numbers.
    pub fn at(seed: u64, len: usize, cursor: u64) -> Self {
        assert!(len > 0, "there is no order of no pictures");
        let (epoch, over) = (cursor / len as u64, cursor % len as u64);
        let mut rest = permutation(seed, epoch, len);
        rest.drain(..over as usize);
        Self {
            seed,
            epoch,
            len,
            rest: rest.into_iter(),
        }
    }
}

fn permutation(seed: u64, epoch: u64, len: usize) -> Vec<u64> {
    let mut numbers: Vec<u64> = (0..len as u64).collect();
    generator(Purpose::Order, seed, epoch, 0).shuffle(&mut numbers);
    numbers
}

impl Iterator for Order {
    type Item = Draw;

    fn next(&mut self) -> Option<Draw> {
        if self.rest.len() == 0 {
            self.epoch += 1;
            self.rest = permutation(self.seed, self.epoch, self.len).into_iter();
        }
        let (seed, epoch, index) = (self.seed, self.epoch, self.rest.next()?);
        Some(Draw { seed, epoch, index })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indices(order: Order, count: usize) -> Vec<u64> {
        order.take(count).map(|draw| draw.index).collect()
    }

    #[test]
    fn an_order_from_a_cursor_is_the_order_without_its_beginning() {
        let whole: Vec<_> = Order::at(3, 7, 0).take(40).collect();
        for cursor in 0..30 {
            let rest: Vec<_> = Order::at(3, 7, cursor as u64).take(10).collect();
            assert_eq!(rest, whole[cursor..cursor + 10]);
        }
    }

    #[test]
    fn each_epoch_has_every_number_once_and_an_order_of_its_own() {
        let order: Vec<_> = Order::at(5, 50, 0).take(150).collect();
        let epochs: Vec<Vec<_>> = order
            .chunks(50)
            .map(|epoch| epoch.iter().map(|draw| draw.index).collect())
            .collect();
        for (number, epoch) in epochs.iter().enumerate() {
            let mut sorted = epoch.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..50).collect::<Vec<_>>());
            assert!(
                order[50 * number..50 * (number + 1)]
                    .iter()
                    .all(|draw| draw.epoch == number as u64)
            );
        }
        assert_ne!(epochs[0], epochs[1]);
        assert_ne!(epochs[1], epochs[2]);
    }

    #[test]
    fn another_seed_is_another_order() {
        assert_ne!(
            indices(Order::at(1, 50, 0), 50),
            indices(Order::at(2, 50, 0), 50)
        );
    }

    #[test]
    fn the_order_is_recorded_so_that_an_update_cannot_change_it() {
        assert_eq!(indices(Order::at(0, 8, 0), 16), RECORDED);
    }

    /// Made by a program of its own in Python, from the definition of ChaCha8.
    const RECORDED: [u64; 16] = [6, 1, 0, 7, 5, 4, 2, 3, 1, 7, 4, 5, 0, 6, 2, 3];

    #[test]
    #[should_panic(expected = "no order of no pictures")]
    fn an_order_of_nothing_panics() {
        Order::at(0, 0, 0);
    }
}

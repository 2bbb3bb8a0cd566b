//! Training from outside the crate: single steps, a run, the cache.

mod cache;
mod cache_damage;
mod flow_stage;
mod numbers;
mod run;
mod stage;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Held by a test for as long as it draws random numbers: those of a device belong to the whole process.
fn my_turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

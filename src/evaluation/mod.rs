//! Numbers that stand beside published ones: protocols, features of both sides, figures, and cards that prove them.

pub mod card;
pub mod figures;
pub mod gather;
pub mod judge;
pub mod page;
pub mod parts;
pub mod protocol;
pub mod realism;
pub mod request;
pub mod run;
pub mod side;

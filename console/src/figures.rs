//! The shop's figures of a period: how they compare, how old they are, whether they are proved.

mod asked;
pub(crate) mod breakdown;
pub(crate) mod compare;
pub(crate) mod coverage;
pub(crate) mod distinct;
pub(crate) mod funnel;
pub(crate) mod label;
pub(crate) mod live;
pub(crate) mod period;
mod reader;
pub(crate) mod series;
pub(crate) mod sums;
pub(crate) mod view;

pub(crate) use asked::{Asked, Asking};
pub(crate) use live::live;
pub(crate) use reader::{Failure, Reader};

//! Users from the randomuser.me API, or from a [local server](server) that speaks the same JSON.
//!
//! Only this module knows that API's JSON. A page is taken apart record by record: a bad record is
//! [set aside](crate::store::SetAside) with a typed reason and its bytes, and the rest of the page is kept.
//! What the API accepts in silence and answers wrongly (too many results, an unknown nationality, a seed of
//! 18 characters) is refused before the call; what it answers wrongly with status 200 (no users, too few,
//! other nationalities) is an error after it.
//!
//! A user's id follows from `login.uuid` alone, so fetching a seed and page twice gives the same users.

mod client;
mod credentials;
mod error;
mod page;
mod profile;
mod request;
mod retry;
pub mod server;

pub use client::{Client, Endpoint};
pub use error::{ApiError, FetchError};
pub use page::Page;
pub use profile::{BadRecord, read as read_record};
pub use request::{MAX_PAGE, MAX_RESULTS, NATIONALITIES, Nationality, PageRequest, RequestError};
pub use retry::RetryPolicy;

/// The version of the API that is asked for and understood.
pub const API_VERSION: &str = "1.4";
/// What the source calls itself in `raw.quarantine`, whichever server answered.
pub const SOURCE: &str = "randomuser";

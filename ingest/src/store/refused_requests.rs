//! Requests that a collector refused for their key: no record of them is anywhere, but that there were any.

use tokio_postgres::Client;

use super::connection::Store;
use super::error::StoreError;

/// How many of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRequests {
    /// What was wrong with the key.
    pub cause: &'static str,
    /// Whose it is, where that is known; else empty.
    pub key_name: String,
    pub requests: i64,
}

const COUNT: &str = "
insert into ops.collector_refusal as sum (cause, key_name, requests)
select r.cause, r.key_name, r.requests from unnest($1::text[], $2::text[], $3::bigint[]) r (cause, key_name, requests)
order by 1, 2
on conflict (cause, key_name) do update set requests = sum.requests + excluded.requests, last_at = now()";

impl Store {
    /// Adds to `ops.collector_refusal`. When the connection dies in the commit they may be counted twice.
    ///
    /// # Errors
    /// When PostgreSQL stays away or refuses.
    pub async fn count_refused_requests(&mut self, refused: &[RefusedRequests]) -> Result<(), StoreError> {
        let causes: Vec<&str> = refused.iter().map(|kind| kind.cause).collect();
        let names: Vec<&str> = refused.iter().map(|kind| kind.key_name.as_str()).collect();
        let requests: Vec<i64> = refused.iter().map(|kind| kind.requests).collect();
        let count =
            async |client: &mut Client| client.execute(COUNT, &[&causes, &names, &requests]).await.map(drop);
        self.repeatable("count refused requests", count).await
    }
}

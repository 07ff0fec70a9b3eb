//! The ids that a person is known by: the user's, and those of browsers and apps that were told together with
//! it.

use tokio_postgres::Client;
use uuid::Uuid;

use crate::LifecycleError;

/// From any of them to the user, and from the user to all of them.
const IDS: &str = "
    with users as (select $1::uuid as id union select user_id from raw.visitor_link where anonymous_id = $1)
    select id from users union select anonymous_id from raw.visitor_link where user_id in (select id from users) order by 1";

/// All ids of a person, the given one among them, in their order.
pub(super) async fn ids(client: &Client, id: &Uuid) -> Result<Vec<Uuid>, LifecycleError> {
    let rows =
        client.query(IDS, &[id]).await.map_err(LifecycleError::postgres("look for the ids of the user"))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Removes what tells that they belong together.
pub(super) async fn remove(client: &Client, ids: &[Uuid]) -> Result<(), LifecycleError> {
    let sql = "delete from raw.visitor_link where user_id = any($1) or anonymous_id = any($1)";
    client.execute(sql, &[&ids]).await.map_err(LifecycleError::postgres("remove the links of the user"))?;
    Ok(())
}

//! Whose a stored order is: PostgreSQL makes the nobody that takes its person's place.

use contracts::Event;
use contracts::admission::Admission;

use super::order::Order;
use crate::store::connection::Store;
use crate::store::error::StoreError;

impl Store {
    /// Whose a stored order is, as far as that is known: nobody's, where an erasure is about to make it so.
    pub(super) async fn owner(
        &mut self,
        order: &Order,
        admission: &Admission,
    ) -> Result<Option<Event>, StoreError> {
        let Some(mut owner) = order.first().cloned() else { return Ok(None) };
        if admission.is_erased(&owner.user_id) {
            let sql = "select raw.nobody(), gen_random_uuid()";
            let row =
                self.repeatable("make a nobody", async |client| client.query_one(sql, &[]).await).await?;
            (owner.user_id, owner.session_id) = (row.get(0), row.get(1));
        }
        Ok(Some(owner))
    }
}

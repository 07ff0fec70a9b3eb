use contracts::event::Currency;

use super::connection::Store;
use super::error::StoreError;

impl Store {
    /// Records the base currency where none is recorded, and refuses another one: amounts of two currencies
    /// in one column would be added up.
    ///
    /// # Errors
    /// [`StoreError::BaseCurrency`] when the rows are in another one; else when PostgreSQL stays away or
    /// refuses.
    pub async fn settle_base_currency(&mut self, wanted: Currency) -> Result<(), StoreError> {
        let name = wanted.to_string();
        let recorded: String = self
            .repeatable("settle the base currency", async |client| {
                // The update changes nothing but gives the row back, whoever was first.
                let row = client
                    .query_one(
                        "insert into ops.setting (name, value) values ('base_currency', $1)
                         on conflict (name) do update set value = setting.value returning value",
                        &[&name],
                    )
                    .await?;
                Ok(row.get(0))
            })
            .await?;
        if recorded == name { Ok(()) } else { Err(StoreError::BaseCurrency { recorded, wanted }) }
    }
}

//! Users: inserts, updates, tombstones, and no personal data.

use apache_avro::reader::datum::GenericDatumReader;
use contracts::wire::{GENERATION_HEADER, OPERATION_HEADER};

use crate::support::{Scene, events};

#[tokio::test(flavor = "multi_thread")]
async fn inserts_updates_and_deletes_become_states_and_tombstones() {
    let scene = Scene::new("users").await;
    events::put_user(&scene.pg, 1, 30).await;
    events::put_user(&scene.pg, 2, 40).await;
    let mut relay = scene.start();
    relay.until("both users out", |progress| progress.users_out == 2).await;
    events::put_user(&scene.pg, 1, 31).await;
    scene.pg.execute("delete from raw.users where user_id = $1", &[&events::user_id(2)]).await.unwrap();
    // A changed key leaves nothing under the old one.
    let (old, new) = (events::user_id(1), events::user_id(3));
    scene.pg.execute("update raw.users set user_id = $2 where user_id = $1", &[&old, &new]).await.unwrap();
    relay.until("all changes out", |progress| progress.users_out == 5).await;
    relay.stop().await;

    let records = scene.committed_users();
    let history = |number: u32| {
        let key = events::user_id(number).to_string();
        let of = records.iter().filter(|record| record.key == key);
        of.map(|record| record.header(OPERATION_HEADER).unwrap_or("erased")).collect::<Vec<_>>()
    };
    assert_eq!(history(1), ["i", "u", "erased"]);
    assert_eq!(history(2), ["i", "erased"]);
    assert_eq!(history(3), ["u"]);
    let generation_id = scene.config.assigned.generation_id.to_string();
    for record in &records {
        assert_eq!(record.header(GENERATION_HEADER), Some(generation_id.as_str()));
        assert_eq!(record.value.is_none(), record.header(OPERATION_HEADER).is_none());
        let value = record.value.as_deref().unwrap_or_default();
        assert!(!value.windows(6).any(|window| window == b"secret"), "personal data");
    }
    let last = records.iter().find(|record| record.key == new.to_string()).unwrap();
    let schema = apache_avro::Schema::parse(&contracts::topics::user_schema()).unwrap();
    let mut body = last.body(scene.config.assigned.user_schema_id);
    let reader = GenericDatumReader::builder(&schema).build().unwrap();
    let apache_avro::types::Value::Record(fields) = reader.read_value(&mut body).unwrap() else {
        panic!("no record")
    };
    let age = fields.iter().find(|(name, _)| name == "age").unwrap();
    assert_eq!(age.1, apache_avro::types::Value::Int(31));
    scene.remove().await;
}

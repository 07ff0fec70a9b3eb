//! Applies the contract to live services: topics, schemas, migrations, slot, keyspace.

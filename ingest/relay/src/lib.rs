//! Exactly-once relay from PostgreSQL logical replication to Kafka.

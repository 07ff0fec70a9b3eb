//! Files of past events on a real PostgreSQL.

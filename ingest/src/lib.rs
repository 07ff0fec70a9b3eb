//! Sources of users and events, and the PostgreSQL store they are kept in.

//! Spark plans and their supervisor; the only crate that knows the Spark client.

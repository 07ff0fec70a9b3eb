//! Checks the rest by other means: verify.

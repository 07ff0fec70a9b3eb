//! The stack on real services: small ones of its own for what breaks them, the shared one for the rest.

mod isolated;
mod shared;

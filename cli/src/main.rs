//! The `storepulse` command.
fn main() {}

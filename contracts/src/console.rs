//! What the Control Center may see in PostgreSQL.

/// The role that it takes on: it reads `ops` and what is not personal of the quarantine, and writes sign-ins and the log of
/// what was done. Roles are the cluster's, so that all namespaces share it.
pub const ROLE: &str = "storepulse_console";

/// Tables of `ops` that it may not read: who was erased, and the key that recognises them.
pub const HIDDEN: [&str; 2] = ["erasure", "erasure_key"];

/// The column of `raw.quarantine` that it may not read: bytes that may hold anything.
pub const HIDDEN_OF_QUARANTINE: &str = "payload";

/// What it may do to tables of `ops` beside reading them. Tickets are made by who may read the stack's secrets; here they are
/// used up. The log is only ever added to.
pub const WRITES: [(&str, &str); 3] = [
    ("console_session", "insert, update, delete"),
    ("console_ticket", "delete"),
    ("console_audit", "insert"),
];

//! What the Control Center may see in PostgreSQL.

/// The role that it takes on: it reads `ops` and what is not personal of the quarantine and of other events,
/// and writes sign-ins, alerts and the log of what was done. Roles are the cluster's, so that all namespaces
/// share it.
pub const ROLE: &str = "storepulse_console";

/// Tables of `ops` that it may not read: who was erased, and the key that recognises them.
pub const HIDDEN: [&str; 2] = ["erasure", "erasure_key"];

/// The columns of `raw.quarantine` that it may not read: bytes that may hold anything, and whose they are.
pub const HIDDEN_OF_QUARANTINE: [&str; 2] = ["payload", "user_id"];

/// The columns of `raw.other_events` that it may read: what is counted, and nothing of what an event says.
pub const READ_OF_OTHER_EVENTS: [&str; 5] = ["source", "dialect", "kind", "name", "received_at"];

/// What it may do to tables of `ops` beside reading them. Tickets are made by who may read the stack's
/// secrets; here they are used up. The log is only ever added to. What it wants of the job is the one thing
/// that it tells to another part.
pub const WRITES: [(&str, &str); 8] = [
    ("console_session", "insert, update, delete"),
    ("console_ticket", "delete"),
    ("console_audit", "insert"),
    ("job_wish", "insert, update"),
    // Where alerts are, what they were, and what was told of them; rows of more than 400 days go.
    ("alert_state", "insert, update, delete"),
    ("alert_event", "insert, delete"),
    ("alert_silence", "insert, update, delete"),
    ("alert_delivery", "insert, update, delete"),
];

//! The forms of actions, as the API's description has them.

use crate::access::action_form;

action_form! {
    /// What is wanted of the job.
    WishForm {
        /// `hold`, `resume` or `restart`.
        wish: String,
        /// To hold it: the job's name, typed.
        job: Option<String>,
    }
}
action_form! {
    /// A verification.
    VerifyForm {
        /// One family of tables: cube, orders, live, sessions, hours, products or registrations. All without it.
        only: Option<String>,
    }
}
action_form! {
    /// An event that is followed through the line.
    TraceForm {}
}
action_form! {
    /// Records to be judged again, without anything being changed.
    DryRunForm {
        /// Of this source.
        source: Option<String>,
        /// Set aside for this reason.
        of_reason: Option<String>,
        /// At these coordinates.
        coordinates: Option<String>,
    }
}
action_form! {
    /// Records to be judged again and taken in.
    ReplayForm {
        /// The operation that was the dry run of these records.
        dry_run: uuid::Uuid,
        /// Above 1,000 records: how many, typed.
        count: Option<String>,
    }
}
action_form! {
    /// Alerts of which nobody is to be told for a while.
    SilenceForm {
        /// Any rule without it.
        rule: Option<String>,
        /// The service or query; any without it.
        subject: Option<String>,
        /// `warning` or `critical`; any without it.
        severity: Option<String>,
        /// For how long, as 30m, 4h or 2d, or `until`; a minute at least and seven days at most.
        r#for: String,
        /// With `until`: until when, in RFC 3339 or as a clock time of the zone, 2026-11-29T18:00.
        until: Option<String>,
        /// Of a clock time, as Europe/Zurich; UTC without it.
        zone: Option<String>,
    }
}
action_form! {
    /// A silence that is to end now.
    UnsilenceForm {}
}
action_form! {
    /// A record whose bytes are to be shown.
    BytesForm {
        source: String,
        coordinates: String,
    }
}
action_form! {
    /// A version of a subject.
    RegisterForm {
        /// The schema, as JSON; 256 KiB at most.
        schema: String,
    }
}

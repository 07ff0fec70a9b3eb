-- What operators do from the Control Center and from a terminal.

-- What is wanted of a job. Its supervisor reads it about once a second; it stays in force when the supervisor is started anew, so
-- that a container engine does not undo it.
create table ops.job_wish (
    job text primary key,
    -- stopped: the supervisor ends the queries, keeps the lease and waits.
    wanted text not null check (wanted in ('running', 'stopped')),
    -- A number that is higher than the one it began with: the queries are to be submitted again.
    restart_no bigint not null default 0,
    by_whom text not null,
    reason text not null default '',
    at timestamp with time zone not null default clock_timestamp()
);

-- Rows of one action bear its number: what it was to do, and what came of it.
alter table ops.console_audit add column operation uuid;
create unique index console_audit_of_operation on ops.console_audit (operation, phase) where operation is not null;

-- unknown: the console ended before the outcome was written; the next one that starts adds it.
alter table ops.console_audit drop constraint console_audit_phase_check;
alter table ops.console_audit add constraint console_audit_phase_check
    check (phase in ('refused', 'intended', 'done', 'failed', 'unknown'));

-- held: nothing runs because somebody wants it so; the supervisor keeps the job and waits.
alter table ops.job_run drop constraint job_run_state_check;
alter table ops.job_run add constraint job_run_state_check
    check (state in ('starting', 'running', 'restarting', 'stopping', 'stopped', 'held'));

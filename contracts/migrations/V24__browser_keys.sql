-- Keys that browsers have: what they may be refused for.

alter table ops.collector_refusal drop constraint collector_refusal_cause_check;
alter table ops.collector_refusal add constraint collector_refusal_cause_check check (cause in (
    'no_key', 'unknown_key', 'revoked_key',
    -- A browser's key without an Origin, as over gRPC, or with one that is none of the key's.
    'no_origin', 'wrong_origin',
    -- A server's key in an address, where only a browser's may stand.
    'key_in_query'));
comment on column ops.collector_refusal.key_name is 'Whose the key is, or was until it was revoked; else empty.';

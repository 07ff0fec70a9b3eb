-- What may come in: nothing from before the retention floor, and nothing of an erased person.

-- Persons who were erased. The hash, HMAC-SHA-256 of the 16 bytes of the user id, recognises the id when it comes again, and
-- tells it to nobody who lacks the key.
create table ops.erasure (
    erasure_id bigint generated always as identity primary key,
    user_hash bytea not null unique check (length(user_hash) = 32),
    -- What stands in raw.events in place of the user id.
    fresh_id uuid not null unique,
    requested_at timestamp with time zone not null default now(),
    -- When everything of the person was gone; without it the erasure was interrupted and has to be run again.
    erased_at timestamp with time zone
);

comment on column ops.erasure.fresh_id is 'the user id that the person''s events carry since; per-user tables leave it out';

-- The key, made here once: 244 random bits. Without it nobody who was erased would be recognised again, so it is part of every
-- backup; whoever has it and a user id can tell whether that user was erased, and no more.
create table ops.erasure_key (
    only_one boolean primary key default true check (only_one),
    key bytea not null check (length(key) = 32)
);
insert into ops.erasure_key (key) values (sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));

comment on table ops.setting is 'base_currency: what every amount_base of raw.events is in; recorded by the first ingestor. '
    'retention_floor: a UTC midnight; what occurred before it is gone and never comes in again; never moves backwards';

-- Which rules are in force.
create function raw.admission_rules() returns text
    language sql volatile
    return coalesce((select value from ops.setting where name = 'retention_floor'), '') || '/'
        || coalesce((select max(erasure_id) from ops.erasure), 0);

-- Every transaction that stores records calls this with the rules that it judged them by, and is refused (SPADM) where others are
-- in force. The lock, held to the end of the transaction, keeps them in force until it is committed: whoever changes
-- them waits for it. Each statement of a volatile function has a snapshot of its own, so what is read after the wait is new.
create function raw.admit(rules text) returns boolean
    language plpgsql volatile
    as $$
begin
    perform pg_advisory_xact_lock_shared(hashtext('raw.admission'));
    if raw.admission_rules() is distinct from rules then
        raise exception 'the retention floor has moved or somebody was erased: judge again'
            using errcode = 'SPADM';
    end if;
    return true;
end
$$;

-- Held by whoever changes the rules, to the end of the transaction: whatever was judged by the old ones is committed.
create function raw.change_admission() returns void
    language sql volatile
    as $$ select pg_advisory_xact_lock(hashtext('raw.admission')) $$;

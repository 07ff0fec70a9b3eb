-- Who was refused at the collector's door, and erasures that nobody can undo.

-- Requests that a collector refused for their key: nothing of them is kept but that there were any.
create table ops.collector_refusal (
    cause text not null check (cause in ('no_key', 'unknown_key', 'revoked_key')),
    -- Whose the key was, where it was revoked since the collector started; else empty.
    key_name text not null,
    requests bigint not null,
    last_at timestamp with time zone not null default now(),
    primary key (cause, key_name)
);

-- A user id that belongs to nobody: the events of an erased person have one each time. It is known by its form, a version 8 UUID
-- that begins with "nobody" and has 72 random bits, so that it stands in no list beside whose it was.
create function raw.nobody() returns uuid
    language sql volatile
    return (
        select ('6e6f626f-6479-8' || substr(random, 1, 3) || '-8' || substr(random, 4, 3) || '-' || substr(random, 7, 12))::uuid
        from (select encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'hex')) bits (random)
    );

create temporary table nobodies on commit drop as select fresh_id, raw.nobody() as nobody from ops.erasure;
update raw.events set user_id = nobody from nobodies where user_id = fresh_id;

-- Which rules are in force: the floor, and how many times somebody was erased.
insert into ops.setting (name, value)
    select 'erasures', coalesce(max(erasure_id), 0)::text from ops.erasure;

comment on table ops.setting is 'base_currency: what every amount_base of raw.events is in; recorded by the first ingestor. '
    'retention_floor: a UTC midnight; what occurred before it is gone and never comes in again; never moves backwards. '
    'erasures: goes up whenever somebody is erased, so that nobody judges by older rules';

create or replace function raw.admission_rules() returns text
    language sql volatile
    return coalesce((select value from ops.setting where name = 'retention_floor'), '') || '/'
        || coalesce((select value from ops.setting where name = 'erasures'), '0');

-- Who was erased: keyed hashes (HMAC-SHA-256) of user ids and of e-mail addresses, and nothing beside them. All rows are written
-- anew with each change, in the order of the hashes, so that neither their order nor their transaction tells whose events changed
-- in the same moment.
create temporary table erasures on commit drop as select user_hash, erased_at is not null as finished from ops.erasure;
drop table ops.erasure;
create table ops.erasure (
    hash bytea primary key check (length(hash) = 32),
    -- Whether everything of the person was gone; else the erasure was interrupted and has to be run again.
    finished boolean not null
);
insert into ops.erasure select user_hash, finished from erasures order by user_hash;

-- Whose a record is that did not pass, where that is known from more than its bytes: a shop's file names a person in its own words.
alter table raw.quarantine add column user_id uuid;
comment on column raw.quarantine.user_id is 'whose it is, where its bytes name the person by another id than ours';

-- Records of the users' API that were set aside before: their credentials go, as they do before any is kept from now on.
create function raw.scrub_credentials(payload bytea) returns bytea
    language plpgsql immutable
    as $$
declare
    record jsonb;
begin
    -- Here and not above: what fails in a declaration is not caught below.
    record := convert_from(payload, 'UTF8')::jsonb;
    if jsonb_typeof(record -> 'login') is distinct from 'object' then
        return payload;
    end if;
    return convert_to((record #- '{login,password}' #- '{login,salt}' #- '{login,md5}' #- '{login,sha1}'
        #- '{login,sha256}')::text, 'UTF8');
exception
    -- What is no JSON that PostgreSQL reads cannot be taken apart here.
    when others then
        return null;
end
$$;
update raw.quarantine q
    set payload = s.payload, sha256 = encode(sha256(coalesce(s.payload, '')), 'hex'),
        detail = q.detail || '; kept without credentials'
    from (select source, coordinates, raw.scrub_credentials(payload) as payload from raw.quarantine
          where source = 'randomuser' and payload is not null) s
    where q.source = s.source and q.coordinates = s.coordinates and s.payload is distinct from q.payload;
drop function raw.scrub_credentials(bytea);
comment on column raw.quarantine.payload is 'its bytes as they came; of users without credentials';

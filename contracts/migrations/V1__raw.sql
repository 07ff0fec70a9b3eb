-- The raw store: every record as it was accepted, and what was not.

create schema raw;

-- Range partitions over the event id itself: a UUIDv7 begins with its time, so the key that decides
-- uniqueness can also be the partition key, which a key on a table partitioned by time cannot.
create table raw.events (
    event_id uuid not null,
    event_name text not null,
    occurred_at timestamp with time zone not null,
    ingested_at timestamp with time zone not null,
    user_id uuid not null,
    session_id uuid not null,
    session_started_at timestamp with time zone not null,
    "returning" boolean not null,
    gender text not null,
    age integer not null,
    age_band text not null,
    country text not null,
    city text not null,
    latitude double precision not null,
    longitude double precision not null,
    device text not null,
    channel text not null,
    item_id text,
    item_name text,
    category text,
    brand text,
    price numeric(12,2),
    currency text,
    quantity integer,
    amount_base numeric(14,2),
    rate numeric(18,8),
    rate_date date,
    order_id text,
    order_line integer,
    order_lines integer,
    payment_type text,
    -- The transaction that brought it: allows exact cuts by snapshot.
    tx xid8 not null default pg_current_xact_id(),
    primary key (event_id)
) partition by range (event_id);

comment on column raw.events.event_id is 'UUIDv7 of the time of the event; the key on which repeats are recognised.';
comment on column raw.events.event_name is 'What the shopper did.';
comment on column raw.events.occurred_at is 'When it happened, by the shopper''s clock.';
comment on column raw.events.ingested_at is 'When it was accepted here; on time means close to occurred_at.';
comment on column raw.events.user_id is 'Who did it: UUIDv5 of the source''s own user id.';
comment on column raw.events.session_id is 'The visit it belongs to.';
comment on column raw.events.session_started_at is 'When that visit began.';
comment on column raw.events."returning" is 'Whether the shopper had visited before.';
comment on column raw.events.gender is 'Gender as the source gives it.';
comment on column raw.events.age is 'Age in years.';
comment on column raw.events.age_band is 'Band of the age.';
comment on column raw.events.country is 'Country, ISO 3166 alpha-2.';
comment on column raw.events.city is 'City.';
comment on column raw.events.latitude is 'Latitude in degrees, rounded to a tenth.';
comment on column raw.events.longitude is 'Longitude in degrees, rounded to a tenth.';
comment on column raw.events.device is 'What the shopper used.';
comment on column raw.events.channel is 'What brought the shopper here.';
comment on column raw.events.item_id is 'The product, where the event is about one.';
comment on column raw.events.item_name is 'Its name.';
comment on column raw.events.category is 'Its category.';
comment on column raw.events.brand is 'Its brand.';
comment on column raw.events.price is 'Price of one unit in the line''s currency.';
comment on column raw.events.currency is 'Currency of the price, ISO 4217.';
comment on column raw.events.quantity is 'Units.';
comment on column raw.events.amount_base is 'Price times quantity in the base currency, rounded half up, converted once.';
comment on column raw.events.rate is 'Units of the base currency for one unit of the currency.';
comment on column raw.events.rate_date is 'The day the rate is of.';
comment on column raw.events.order_id is 'The order, for purchases and refunds.';
comment on column raw.events.order_line is 'Which line of the order this is, from 1.';
comment on column raw.events.order_lines is 'How many lines the order has.';
comment on column raw.events.payment_type is 'How it was paid.';

-- Which raw events arrived when: the ledger, verification and reconciliation cut by it.
create index events_ingested_at on raw.events using brin (ingested_at);
create index events_occurred_at on raw.events using brin (occurred_at);

-- The smallest UUIDv7 of an instant: the bound between two partitions.
create function raw.uuid_v7_lower_bound(at timestamp with time zone) returns uuid
    language sql immutable strict parallel safe
    return (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid;

-- Makes the partition of a UTC day where it is missing. Attaching takes a weaker lock than creating it in
-- place, so readers and writers of other days go on.
create function raw.ensure_events_partition(day date) returns boolean
    language plpgsql
    as $$
declare
    partition text := 'events_' || to_char(day, 'YYYYMMDD');
    lower_bound uuid := raw.uuid_v7_lower_bound(day::timestamp at time zone 'UTC');
    upper_bound uuid := raw.uuid_v7_lower_bound((day + 1)::timestamp at time zone 'UTC');
begin
    if to_regclass('raw.' || partition) is not null then
        return false;
    end if;
    perform pg_advisory_xact_lock(hashtext('raw.ensure_events_partition'));
    if to_regclass('raw.' || partition) is not null then
        return false;
    end if;
    execute format('create table raw.%I (like raw.events including defaults including comments)', partition);
    execute format(
        'alter table raw.events attach partition raw.%I for values from (%L) to (%L)',
        partition, lower_bound, upper_bound
    );
    return true;
exception
    -- Taking the advisory lock does not refresh what the catalogue lookup sees: another writer was first.
    when duplicate_table then
        return false;
end
$$;

create table raw.users (
    user_id uuid not null,
    gender text not null,
    age integer not null,
    age_band text not null,
    country text not null,
    city text not null,
    latitude double precision not null,
    longitude double precision not null,
    registered_at timestamp with time zone not null,
    ingested_at timestamp with time zone not null,
    -- The API's record without credentials: personal data, which never leaves this table.
    profile jsonb not null,
    primary key (user_id)
);

comment on column raw.users.user_id is 'UUIDv5 of the API''s login.uuid.';
comment on column raw.users.gender is 'Gender as the source gives it.';
comment on column raw.users.age is 'Age in years; the API computes it on request, so it moves.';
comment on column raw.users.age_band is 'Band of the age.';
comment on column raw.users.country is 'Country, ISO 3166 alpha-2.';
comment on column raw.users.city is 'City.';
comment on column raw.users.latitude is 'Latitude in degrees, rounded to a tenth.';
comment on column raw.users.longitude is 'Longitude in degrees, rounded to a tenth.';
comment on column raw.users.registered_at is 'When the user registered, by the source.';
comment on column raw.users.ingested_at is 'When the user was first stored here.';
comment on column raw.users.profile is 'personal data: left out of every publication';

-- What did not pass, under the coordinates it has in its source.
create table raw.quarantine (
    source text not null,
    coordinates text not null,
    reason text not null,
    detail text not null,
    payload bytea,
    size_bytes bigint not null,
    sha256 text not null,
    quarantined_at timestamp with time zone not null,
    primary key (source, coordinates)
);

comment on column raw.quarantine.source is 'where it came from: an API, a file, a topic';
comment on column raw.quarantine.coordinates is 'where it stands in there: page and index, line, partition/offset';
comment on column raw.quarantine.payload is 'its bytes, untouched';

create index quarantine_reason on raw.quarantine (reason, quarantined_at);

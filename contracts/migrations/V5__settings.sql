-- What an installation was begun with and cannot be changed afterwards, because the rows depend on it.
create table ops.setting (
    name text primary key,
    value text not null,
    set_at timestamp with time zone not null default now()
);

comment on table ops.setting is 'base_currency: what every amount_base of raw.events is in; recorded by the first ingestor';

-- What became of a quarantined record when it was judged again.

alter table raw.quarantine
    add column replayed_at timestamp with time zone,
    add column outcome text check (outcome in ('accepted', 'repeated', 'refused')),
    add column outcome_reason text,
    add column outcome_detail text,
    add column record_id uuid,
    add constraint quarantine_replayed check ((replayed_at is null) = (outcome is null));

comment on column raw.quarantine.replayed_at is 'when it was last judged again';
comment on column raw.quarantine.outcome is 'accepted: counted then; repeated: its id was there already; refused: still open';
comment on column raw.quarantine.outcome_reason is 'why it was refused again';
comment on column raw.quarantine.record_id is 'the event or user it is now';

create index quarantine_open on raw.quarantine (quarantined_at)
    where outcome is null or outcome = 'refused';

-- Where a record is kept: at its coordinates; at its coordinates and its digest where other bytes are kept there
-- already, as when a topic was made anew or an API answers differently. Neither record is lost.
create function raw.quarantine_coordinates(source text, coordinates text, sha256 text) returns text
    language sql stable strict
    return case
        when exists (
            select from raw.quarantine q where q.source = $1 and q.coordinates = $2 and q.sha256 <> $3
        ) then $2 || '#' || left($3, 16)
        else $2
    end;

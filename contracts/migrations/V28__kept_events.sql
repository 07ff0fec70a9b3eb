-- What is kept beside the figures, counted for the Control Center: of each event when it came, from where, and what it is called. Its
-- role may read these columns and no other (contracts::console), and this index holds nothing else, so that no payload is read.
create index other_events_kinds on raw.other_events (received_at) include (source, dialect, kind, name);
-- It serves what these did.
drop index raw.other_events_received_at;
drop index raw.other_events_names;

comment on table raw.other_events is
    'personal data: left out of every publication; the Control Center counts its rows by source, dialect, kind and name, and reads nothing else';

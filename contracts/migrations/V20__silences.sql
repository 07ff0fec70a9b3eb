-- A silence may be of one service or query alone.

alter table ops.alert_silence add column subject text;

comment on column ops.alert_silence.subject is 'the service or query that it is of; any where there is none';

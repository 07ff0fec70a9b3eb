-- How far the streams are spread, each kept with what it cannot be changed for.
alter table ops.topic_generation
    add column partitions integer not null default 4 check (partitions between 1 and 1024);
alter table ops.job_plan
    add column shuffle_partitions integer not null default 2 check (shuffle_partitions between 1 and 1024);

comment on column ops.topic_generation.partitions is 'of the events topic of this generation; a rebuild begins one with others';
comment on column ops.job_plan.shuffle_partitions is 'tasks that read and aggregate the events; frozen into the checkpoint by its first batch';

-- What is committed is never failed nor cancelled. Where a run's data may be in another database, only a worker can
-- ask there: what the run is to end as, unless it is committed, waits here for its answer.
alter table runs
    add column elsewhere boolean not null default false,                       -- an attempt that wrote elsewhere has begun
    add column ends_as   text    check (ends_as in ('failed', 'cancelled')),   -- the next attempt only asks
    add column ends_why  text    not null default '';                          -- the reason that it then gets

-- Runs that are no longer in the history, but still in the ledger.
create table pruned_runs (
    run_id   uuid        primary key,
    pipeline text        not null,
    ended_at timestamptz not null
);

create index pruned_runs_by_time on pruned_runs (ended_at);

-- Durable runs: their queue, their history, their schedules. River's own tables are made
-- by its migrations, in the same schema. Names are resolved in that schema.

create table settings (
    name  text  primary key,
    value bytea not null
);

-- What page tokens are signed with, the same for all replicas.
insert into settings (name, value)
values ('page_key', decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'));

-- A row for each definition that a replica has brought along. Its lock is what makes
-- "MaxActive at once" true: whoever gives out a place of the pipeline holds it.
create table pipelines (
    name          text        primary key,
    description   text        not null,
    schedule      text        not null,
    max_active    integer     not null,
    paused        boolean     not null default false,
    paused_by     text        not null default '',
    next_due      timestamptz,
    registered_at timestamptz not null default now()
);

create table backfills (
    id         uuid        primary key,
    pipeline   text        not null,
    from_date  timestamptz not null,
    to_date    timestamptz not null,
    parallel   integer     not null,
    by         text        not null,
    created_at timestamptz not null default now()
);

create sequence run_places;

create table runs (
    id              uuid        primary key,
    pipeline        text        not null,
    state           text        not null check (state in ('queued', 'running', 'retrying', 'lost', 'succeeded', 'failed', 'cancelled')),
    reason          text        not null default '',
    version         bigint      not null default 1,     -- grows with every change that somebody may watch
    attempt         integer     not null default 0,     -- the newest that has begun
    failures        integer     not null default 0,     -- attempts that failed since the last trigger or retry
    losses          integer     not null default 0,     -- attempts in a row whose worker died
    logical_date    timestamptz not null,
    params          jsonb       not null,
    cause           text        not null,
    by              text        not null,
    backfill        uuid,
    place           bigint      not null default nextval('run_places'), -- in the line of those that wait
    active          boolean     not null default false, -- holds one of its pipeline's places
    job_id          bigint,                             -- the River job that may begin the next attempt, or began this one
    worker          text        not null default '',
    lease_until     timestamptz,                        -- of a running one
    cancel_by       text,                               -- somebody wants it cancelled
    created_at      timestamptz not null default now(),
    ready_at        timestamptz,                        -- since when it may begin
    started_at      timestamptz,
    ended_at        timestamptz,
    next_attempt_at timestamptz,
    error           text        not null default '',
    rejects         bigint      not null default 0,
    reject_reasons  jsonb       not null default '{}',
    report          json                                -- json, not jsonb: kept as it is, \u0000 included
) with (fillfactor = 80);

create index runs_by_time on runs (created_at desc, id desc);
create index runs_by_pipeline on runs (pipeline, created_at desc, id desc);
create index runs_by_state on runs (state, created_at desc, id desc);
create index runs_by_pipeline_and_state on runs (pipeline, state);
create index runs_by_backfill on runs (backfill, created_at desc, id desc) where backfill is not null;
create index runs_active on runs (pipeline, place) where active;
create index runs_waiting on runs (pipeline, place) where state = 'queued' and not active;
create index runs_leased on runs (lease_until) where state = 'running';
create index runs_due on runs (next_attempt_at) where state = 'retrying';
create index runs_ended on runs (pipeline, ended_at) where ended_at is not null;

-- One run for each due date of a schedule, whatever replicas believe.
create unique index runs_of_schedules on runs (pipeline, logical_date) where cause = 'schedule';

create table run_attempts (
    run_id     uuid        not null,
    attempt    integer     not null,
    worker     text        not null,
    state      text        not null,
    reason     text        not null default '',
    error      text        not null default '',
    started_at timestamptz not null default now(),
    ended_at   timestamptz,
    primary key (run_id, attempt)
);

-- How runs under way are going, written a few times a second. Not worth a place in
-- the log of the database: after a crash of the server the workers write it again.
create unlogged table run_progress (
    run_id  uuid    primary key,
    attempt integer not null,
    tick    bigint  not null, -- counts within the attempt
    report  json    not null
) with (fillfactor = 50);

-- No reference to runs here: its check would lock the run's row at each batch of lines.
create table run_logs (
    run_id  uuid        not null,
    id      bigint      generated always as identity,
    attempt integer     not null,
    stage   text        not null,
    level   text        not null,
    at      timestamptz not null,
    message text        not null,
    fields  jsonb,
    cut     boolean     not null default false,
    primary key (run_id, id)
);

create table run_rejects (
    run_id  uuid    not null,
    n       bigint  not null, -- from 1
    stage   text    not null,
    source  text    not null,
    line    bigint  not null,
    "offset" bigint not null,
    raw     bytea,
    "column" text   not null,
    value   text    not null,
    reason  text    not null,
    primary key (run_id, n)
);

-- Gives the free places of a pipeline to the runs that have waited longest, at most a hundred, and
-- returns them. The pipeline's row stays locked until the end of the transaction; if
-- somebody else holds it, and may_wait is false, nothing is done. The statements after the
-- lock see what was committed before it was had.
create function give_places(of_pipeline text, may_wait boolean) returns setof uuid
language plpgsql set search_path from current as $$
declare
    most integer;
    busy integer;
    given integer := 0;
    next_run uuid;
begin
    if may_wait then
        select max_active into most from pipelines where name = of_pipeline for no key update;
    else
        select max_active into most from pipelines where name = of_pipeline for no key update skip locked;
    end if;
    if not found then
        return;
    end if;
    select count(*) into busy from runs where pipeline = of_pipeline and active;
    while busy < most and given < 100 loop
        with full_backfills as (
            select a.backfill
              from runs a join backfills b on b.id = a.backfill
             where a.pipeline = of_pipeline and a.active
             group by a.backfill, b.parallel
            having count(*) >= b.parallel)
        select r.id into next_run
          from runs r
         where r.pipeline = of_pipeline and r.state = 'queued' and not r.active
           and (r.backfill is null or r.backfill not in (select backfill from full_backfills))
         order by r.place
         limit 1
           for no key update skip locked; -- whoever holds one gives out places in turn
        exit when not found;
        update runs set active = true, ready_at = now(), version = version + 1 where id = next_run;
        busy := busy + 1;
        given := given + 1;
        return next next_run;
    end loop;
end $$;

create function notify_run() returns trigger language plpgsql as $$
begin
    perform pg_notify(tg_table_schema || '_runs',
        new.id || ' ' || case when new.state = 'running' and new.cancel_by is not null then 'cancel' else new.state end);
    return null;
end $$;

create trigger notify_run after insert or update of version on runs
    for each row execute function notify_run();

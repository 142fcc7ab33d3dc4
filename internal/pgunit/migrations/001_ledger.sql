-- The ledger of commits, the cursors of incremental sources, and the fence between
-- attempts of one run. Names are resolved in the ledger's own schema.

-- A row for each run that has committed, written in the transaction of its data.
create table commits (
    pipeline     text        not null,
    run_id       text        not null,
    attempt      integer     not null,
    rows         bigint      not null,
    ranges       jsonb       not null default '{}',
    committed_at timestamptz not null default now(),
    primary key (pipeline, run_id)
);

create index commits_by_time on commits (pipeline, committed_at);

-- How far each incremental source has been read by committed runs.
create table cursors (
    pipeline   text        not null,
    source     text        not null,
    value      jsonb       not null,
    run_id     text        not null,
    updated_at timestamptz not null default now(),
    primary key (pipeline, source)
);

-- The newest attempt of each run. fence grows with every attempt that begins, so that
-- an older one knows at its commit that it is not the newest. ranges is what the
-- first attempt fixed to be read.
create table attempts (
    pipeline   text        not null,
    run_id     text        not null,
    attempt    integer     not null,
    fence      bigint      not null default 1,
    ranges     jsonb       not null default '{}',
    started_at timestamptz not null default now(),
    primary key (pipeline, run_id)
);

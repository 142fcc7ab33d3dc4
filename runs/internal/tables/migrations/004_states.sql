-- Made from the table of states in runs/internal/life, by its test: do not edit.

alter table runs drop constraint if exists runs_state_check;
alter table runs add constraint runs_state_check check (state in ('queued', 'running', 'retrying', 'lost', 'succeeded', 'failed', 'cancelled')) not valid;

alter table runs drop constraint if exists runs_queued;
alter table runs add constraint runs_queued check (state <> 'queued' or
    lease_until is null and cancel_by is null and ended_at is null and next_attempt_at is null) not valid;

alter table runs drop constraint if exists runs_running;
alter table runs add constraint runs_running check (state <> 'running' or
    active and attempt > 0 and job_id is not null and worker <> '' and lease_until is not null and started_at is not null and ended_at is null and next_attempt_at is null) not valid;

alter table runs drop constraint if exists runs_retrying;
alter table runs add constraint runs_retrying check (state <> 'retrying' or
    active and attempt > 0 and next_attempt_at is not null and lease_until is null and cancel_by is null and ended_at is null) not valid;

alter table runs drop constraint if exists runs_lost;
alter table runs add constraint runs_lost check (state <> 'lost' or
    active and attempt > 0 and job_id is not null and lease_until is null and cancel_by is null and ended_at is null and next_attempt_at is null) not valid;

alter table runs drop constraint if exists runs_succeeded;
alter table runs add constraint runs_succeeded check (state <> 'succeeded' or
    ended_at is not null and not active and job_id is null and lease_until is null and cancel_by is null and next_attempt_at is null) not valid;

alter table runs drop constraint if exists runs_failed;
alter table runs add constraint runs_failed check (state <> 'failed' or
    ended_at is not null and not active and job_id is null and lease_until is null and cancel_by is null and next_attempt_at is null) not valid;

alter table runs drop constraint if exists runs_cancelled;
alter table runs add constraint runs_cancelled check (state <> 'cancelled' or
    ended_at is not null and not active and job_id is null and lease_until is null and cancel_by is null and next_attempt_at is null) not valid;

create or replace function refuse_move() returns trigger language plpgsql as $$
begin
    raise exception 'run %: a run that is % cannot become %', old.id, old.state, new.state using errcode = 'check_violation';
end $$;

drop trigger if exists refuse_move on runs;

create trigger refuse_move before update of state on runs
    for each row when (old.state <> new.state and (old.state, new.state) not in (
    ('queued', 'running'),
    ('queued', 'cancelled'),
    ('running', 'succeeded'),
    ('running', 'failed'),
    ('running', 'cancelled'),
    ('running', 'retrying'),
    ('running', 'lost'),
    ('running', 'queued'),
    ('retrying', 'running'),
    ('retrying', 'cancelled'),
    ('lost', 'running'),
    ('lost', 'cancelled'),
    ('failed', 'queued'),
    ('cancelled', 'queued')))
    execute function refuse_move();

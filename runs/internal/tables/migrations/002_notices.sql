-- A commit that notifies holds up every other that does, and wakes each process that listens. So only what somebody
-- waits for is told at once: a new state, and the wish to cancel. A run's new place is seen at the next look.
drop trigger notify_run on runs;

create trigger notify_run after update of version on runs
    for each row when (new.state is distinct from old.state or new.cancel_by is distinct from old.cancel_by)
    execute function notify_run();

-- The record that was set aside, as pipeline.Reject has it. Null where the source could not read one, and in
-- rows of older replicas.
alter table run_rejects add column record jsonb;

-- The whole of Baton's data model.
--
-- jobs is the queue. A workflow is a row of workflows, one node per step (the job's id is the node's
-- id) and one edge per dependency. A worker process holds a lease; a claim writes the lease and a
-- larger epoch into the job, and only an acknowledgement that names both is accepted.
--
-- Indexes are partial and few: a transition pays for every index entry it makes.

create type baton.job_state as enum (
  'available', 'scheduled', 'suspended', 'executing',
  'retryable', 'completed', 'discarded', 'cancelled'
);

create type baton.workflow_state as enum ('executing', 'completed', 'failed');

create table baton.jobs (
  id bigint generated always as identity primary key,
  state baton.job_state not null default 'available',
  queue text not null default 'default'
    constraint jobs_queue_not_blank check (btrim(queue) <> '')
    -- whoever listens is told its name, and a notification holds no more than 8,000 bytes
    constraint jobs_queue_length check (octet_length(queue) <= 500),
  worker text not null
    constraint jobs_worker_not_blank check (btrim(worker) <> ''),
  args jsonb not null default '{}',
  meta jsonb not null default '{}'
    constraint jobs_meta_is_object check (jsonb_typeof(meta) = 'object'),
  tags text[] not null default '{}',
  priority smallint not null default 0
    constraint jobs_priority_range check (priority between 0 and 9),
  attempt smallint not null default 0
    constraint jobs_attempt_range check (attempt >= 0),
  max_attempts smallint not null default 20
    constraint jobs_max_attempts_range check (max_attempts > 0),
  errors jsonb not null default '[]'
    constraint jobs_errors_is_array check (jsonb_typeof(errors) = 'array'),
  attempted_by bigint,
  epoch bigint not null default 0,
  inserted_at timestamptz not null default now(),
  scheduled_at timestamptz not null default now()
    -- infinity and the year 20000 are times that most languages can't hold
    constraint jobs_scheduled_at_range check (
      scheduled_at >= '1900-01-01 00:00+00' and scheduled_at < '9000-01-01 00:00+00'
    ),
  attempted_at timestamptz,
  completed_at timestamptz,
  discarded_at timestamptz,
  cancelled_at timestamptz,
  timeout double precision
    constraint jobs_timeout_range check (timeout > 0 and timeout < 'infinity'),
  deadline timestamptz
    constraint jobs_deadline_range check (
      deadline >= '1900-01-01 00:00+00' and deadline < '9000-01-01 00:00+00'
    ),
  weight smallint not null default 1
    constraint jobs_weight_range check (weight > 0),
  partition_key text,
  unique_key text,
  unique_states baton.job_state[]
) with (
  fillfactor = 90,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_insert_scale_factor = 0.05,
  autovacuum_analyze_scale_factor = 0.05,
  autovacuum_vacuum_cost_delay = 0
);

-- What a fetch reads, in the order in which it runs jobs. A job of a partitioned queue is in
-- jobs_partitions instead: one that is in the wrong index of the two is found by looking at it.
create index jobs_available on baton.jobs (queue, priority, scheduled_at, id)
  where state = 'available' and partition_key is null;
-- What the stager reads: by queue, so that the backlog of one is not in the way of another.
create index jobs_due on baton.jobs (queue, scheduled_at, id)
  where state in ('scheduled', 'retryable');
-- What a rescue reads.
create index jobs_executing on baton.jobs (attempted_by, id)
  where state = 'executing';
-- What people look for: the few that failed for good. Only they pay for it.
create index jobs_failed on baton.jobs (id)
  where state in ('discarded', 'cancelled');
-- A row whose key is not null is in one of its states: whatever takes a job out of them clears the
-- key, so that no transition can meet a conflict; only an insert can.
create unique index jobs_unique on baton.jobs (unique_key)
  where unique_key is not null and state = any (unique_states);
-- What a fetch from a partitioned queue reads.
create index jobs_partitions on baton.jobs (queue, partition_key, priority, scheduled_at, id)
  where state = 'available' and partition_key is not null;
-- What is counted against the limit of a partition.
create index jobs_running on baton.jobs (queue, partition_key)
  where state = 'executing' and partition_key is not null;

comment on table baton.jobs is 'One row per job; the queue itself.';
comment on column baton.jobs.id is 'Grows with insertion; the last tie-breaker of the order in which jobs run.';
comment on column baton.jobs.state is 'available: may run now; scheduled: waits for scheduled_at; suspended: a step whose dependencies are not all done; executing: a worker process runs it; retryable: failed, runs again at scheduled_at; completed, discarded (attempts used up or given up) and cancelled are final.';
comment on column baton.jobs.queue is 'The queue whose worker processes run this job.';
comment on column baton.jobs.worker is 'The registered name of the code that performs the job.';
comment on column baton.jobs.args is 'Arguments of the worker, a JSON object.';
comment on column baton.jobs.meta is 'Bookkeeping, a JSON object; steps of a workflow carry workflow_id, workflow_name (of the step) and workflow_label.';
comment on column baton.jobs.tags is 'Free labels to filter by.';
comment on column baton.jobs.priority is '0 runs first, 9 last.';
comment on column baton.jobs.attempt is 'How many attempts were started and not given back.';
comment on column baton.jobs.max_attempts is 'A failure of this attempt discards the job.';
comment on column baton.jobs.errors is 'One object per failed attempt: attempt, scheduled_at (when it was due), attempted_at (when it was claimed), at (when it failed), kind, message, traceback. What ended the job while no attempt ran has neither of the first two times.';
comment on column baton.jobs.attempted_by is 'The lease of the process that runs it, or ran it last.';
comment on column baton.jobs.epoch is 'Grows with each claim; with attempted_by it fences late acknowledgements.';
comment on column baton.jobs.inserted_at is 'When the job was inserted.';
comment on column baton.jobs.scheduled_at is 'Not to be started before this time.';
comment on column baton.jobs.attempted_at is 'When the newest attempt was claimed.';
comment on column baton.jobs.completed_at is 'When it completed.';
comment on column baton.jobs.discarded_at is 'When it was discarded.';
comment on column baton.jobs.cancelled_at is 'When it was cancelled.';
comment on column baton.jobs.timeout is 'Seconds that an attempt may take; null when nothing limits it.';
comment on column baton.jobs.deadline is 'From then on no attempt is started: the job is cancelled.';
comment on column baton.jobs.weight is 'What the job counts for in the rate limit of its queue.';
comment on column baton.jobs.partition_key is 'The partition of its queue that the job belongs to; null when the queue has none.';
comment on column baton.jobs.unique_key is 'Jobs with the same key exclude each other while in one of unique_states; cleared when the job leaves them.';
comment on column baton.jobs.unique_states is 'The states in which unique_key excludes others.';

-- A job that is about to be inserted; what baton.new_jobs makes of the arrays of a program.
create type baton.new_job as (
  ordinal bigint,
  state baton.job_state,
  queue text,
  worker text,
  args jsonb,
  meta jsonb,
  tags text[],
  priority smallint,
  max_attempts smallint,
  scheduled_at timestamptz,
  timeout double precision,
  deadline timestamptz,
  weight smallint,
  partition_key text,
  unique_key text,
  unique_states baton.job_state[],
  unique_by jsonb
);

create table baton.workflows (
  id uuid primary key default gen_random_uuid(),
  name text,
  state baton.workflow_state not null default 'executing',
  inserted_at timestamptz not null default now()
    constraint workflows_inserted_at_range check (inserted_at >= '1900-01-01 00:00+00' and inserted_at < '9000-01-01 00:00+00'),
  finished_at timestamptz,
  deadline timestamptz
    constraint workflows_deadline_range check (
      deadline >= '1900-01-01 00:00+00' and deadline < '9000-01-01 00:00+00'
    ),
  tags text[] not null default '{}',
  context jsonb not null default '{}'
    constraint workflows_context_is_object check (jsonb_typeof(context) = 'object'),
  unique_key text
    constraint workflows_unique_key_length check (octet_length(unique_key) <= 2500),
  priority smallint
    constraint workflows_priority_range check (priority between 0 and 9),
  parent_job_id bigint,
  output text,
  on_finished jsonb
    constraint workflows_on_finished_is_object check (jsonb_typeof(on_finished) = 'object'),
  template text,
  template_version integer,
  counted boolean not null default false,
  meta jsonb not null default '{}'
) with (fillfactor = 80);
create index workflows_newest on baton.workflows (inserted_at desc, id desc);
-- What people look for: those that failed.
create index workflows_failed on baton.workflows (inserted_at desc, id desc) where state = 'failed';
-- A row whose key is not null is executing: whatever ends a workflow clears the key.
create unique index workflows_unique on baton.workflows (unique_key) where unique_key is not null;
-- What the slow sweep walks through.
create index workflows_executing on baton.workflows (inserted_at, id) where state = 'executing';
-- What the timekeeper reads.
create index workflows_deadlines on baton.workflows (deadline)
  where deadline is not null and state = 'executing';
-- What the counting of steps looks at first.
create index workflows_counted on baton.workflows (id) where counted;
create index workflows_parents on baton.workflows (parent_job_id) where parent_job_id is not null;

comment on table baton.workflows is 'One row per workflow.';
comment on column baton.workflows.id is 'Identifies the workflow; chosen by the program or drawn at random.';
comment on column baton.workflows.name is 'What people call it; the label in events.';
comment on column baton.workflows.state is 'executing until every step is final; then completed, or failed when a step was discarded or cancelled.';
comment on column baton.workflows.inserted_at is 'When the workflow was inserted.';
comment on column baton.workflows.finished_at is 'When its last step was settled.';
comment on column baton.workflows.deadline is 'When it is cancelled if it has not ended; null when nothing limits it.';
comment on column baton.workflows.tags is 'Free labels to filter by; its jobs carry them too.';
comment on column baton.workflows.context is 'What all of its steps know, a JSON object.';
comment on column baton.workflows.unique_key is 'Of the workflows with the same key one executes at a time; cleared when it ends.';
comment on column baton.workflows.priority is 'That of all of its jobs; null when each has its own.';
comment on column baton.workflows.parent_job_id is 'The step of another workflow that this one is; null when it stands alone.';
comment on column baton.workflows.output is 'The step whose result is that of the workflow; null for those of all last steps, by name.';
comment on column baton.workflows.on_finished is 'The job that is inserted when it ends; null for none.';
comment on column baton.workflows.template is 'The stored template that it was made from.';
comment on column baton.workflows.template_version is 'The version of the template.';
comment on column baton.workflows.counted is 'Whether workflow_progress counts its steps, which are too many to be counted when somebody looks.';
comment on column baton.workflows.meta is 'Free bookkeeping, a JSON object.';

-- The durable part of a step. It is written when the step is inserted and when it ends, so a step
-- costs two writes here and not one per transition; the view workflow_nodes shows it together with
-- its job. Full indexes and room on the page let the second write be a heap-only one.
create table baton.workflow_steps (
  job_id bigint primary key,
  workflow_id uuid not null,
  step_name text not null
    constraint workflow_steps_name_not_blank check (btrim(step_name) <> '')
    constraint workflow_steps_name_length check (octet_length(step_name) <= 2500),
  deps text[] not null default '{}',
  ignore_cancelled boolean not null default false,
  ignore_discarded boolean not null default false,
  ignore_skipped boolean not null default false,
  run_on text not null default 'completed'
    constraint workflow_steps_run_on_known check (run_on in ('completed', 'failed', 'done')),
  kind text not null default 'job'
    constraint workflow_steps_kind_known check (kind in ('job', 'signal', 'approval', 'sleep', 'workflow')),
  condition text,
  signal text
    constraint workflow_steps_signal_length check (octet_length(signal) <= 2500),
  wait_seconds double precision
    constraint workflow_steps_wait_range check (wait_seconds >= 0 and wait_seconds < 1e10),
  on_timeout baton.job_state not null default 'discarded'
    constraint workflow_steps_on_timeout_is_final check (on_timeout in ('completed', 'discarded', 'cancelled')),
  subworkflow_id uuid,
  grafted_by bigint,
  has_callbacks boolean not null default false,
  parked_at timestamptz,
  outcome baton.job_state
    constraint workflow_steps_outcome_is_final check (outcome in ('completed', 'discarded', 'cancelled')),
  skipped boolean not null default false,
  cause text,
  result jsonb,
  inserted_at timestamptz not null default now(),
  finished_at timestamptz,
  constraint workflow_steps_unique_name unique (workflow_id, step_name)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
-- "Has this workflow an open step?" looks at the newest first: steps are inserted in topological
-- order, so one probe answers for most workflows at most times.
create index workflow_steps_newest on baton.workflow_steps (workflow_id, job_id desc);
create index workflow_steps_grafts on baton.workflow_steps (grafted_by) where grafted_by is not null;
-- What belongs to a workflow, without a look at all of its steps.
create index workflow_steps_subworkflows on baton.workflow_steps (workflow_id)
  where subworkflow_id is not null;

comment on table baton.workflow_steps is 'The durable part of each step of a workflow: it outlives its job, and the gate of its dependents reads it. People read the view workflow_nodes.';
comment on column baton.workflow_steps.job_id is 'The job that performs the step.';
comment on column baton.workflow_steps.workflow_id is 'The workflow it belongs to.';
comment on column baton.workflow_steps.step_name is 'Its name, unique in the workflow.';
comment on column baton.workflow_steps.deps is 'Names of the steps that it waits for.';
comment on column baton.workflow_steps.ignore_cancelled is 'Whether a cancelled dependency counts as done.';
comment on column baton.workflow_steps.ignore_discarded is 'Whether a discarded dependency counts as done.';
comment on column baton.workflow_steps.ignore_skipped is 'Whether a skipped dependency counts as done; otherwise the step is skipped too.';
comment on column baton.workflow_steps.run_on is 'completed: runs when its dependencies completed; failed: when all have ended and one badly, otherwise it is skipped; done: when all have ended, whatever became of them.';
comment on column baton.workflow_steps.kind is 'job: a worker performs it; signal: waits for a signal; approval: waits for a person to say yes or no; sleep: waits for a time; workflow: a workflow of its own. Only a job is ever claimed.';
comment on column baton.workflow_steps.condition is 'The registered condition that decides, once its dependencies are done, whether it is skipped.';
comment on column baton.workflow_steps.signal is 'The signal that a step of kind signal or approval waits for.';
comment on column baton.workflow_steps.wait_seconds is 'How long a signal is waited for, or the sleep lasts; null without limit.';
comment on column baton.workflow_steps.on_timeout is 'What becomes of it when the signal did not come in time.';
comment on column baton.workflow_steps.subworkflow_id is 'The workflow that a step of kind workflow is.';
comment on column baton.workflow_steps.grafted_by is 'The step that added it while the workflow ran; 0 when it was added from outside; null when it was there from the beginning.';
comment on column baton.workflow_steps.has_callbacks is 'Whether its worker wants to hear that a dependency of it ended badly.';
comment on column baton.workflow_steps.parked_at is 'Since when it waits for something outside its workflow; its gate was open then.';
comment on column baton.workflow_steps.outcome is 'How it ended; null while it is open.';
comment on column baton.workflow_steps.skipped is 'Whether it counts as completed without having run.';
comment on column baton.workflow_steps.cause is 'Why it was cancelled, discarded or skipped.';
comment on column baton.workflow_steps.result is 'What it returned; null when it returned nothing, and the JSON null when it stored that.';
comment on column baton.workflow_steps.inserted_at is 'When the step was inserted.';
comment on column baton.workflow_steps.finished_at is 'When it ended.';

create table baton.workflow_edges (
  parent_id bigint not null,
  child_id bigint not null,
  primary key (parent_id, child_id)
);
create index workflow_edges_parents on baton.workflow_edges (child_id, parent_id desc);

comment on table baton.workflow_edges is 'One row per dependency: the engine walks it in both directions.';
comment on column baton.workflow_edges.parent_id is 'The job of the dependency.';
comment on column baton.workflow_edges.child_id is 'The job of the dependent, which waits for the parent.';

-- The promise to look at the dependents of what just ended. It commits with the ending and is
-- deleted by the transaction that looks; what a crash leaves here the sweep picks up.
create table baton.workflow_releases (
  id bigint generated always as identity primary key,
  job_ids bigint[] not null,
  announced boolean not null default false,
  workflow_id uuid,
  signal text,
  inserted_at timestamptz not null default now()
    constraint workflow_releases_inserted_at_range check (inserted_at < '9000-01-01 00:00+00')
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

comment on table baton.workflow_releases is 'Batches of ended steps whose dependents were not looked at yet; empty but for a moment after each batch.';
comment on column baton.workflow_releases.id is 'Grows with insertion.';
comment on column baton.workflow_releases.job_ids is 'The jobs of the steps that ended or whose dependencies changed.';
comment on column baton.workflow_releases.announced is 'Whether their ends were announced and counted; a later look at the rest does not do it again.';
comment on column baton.workflow_releases.workflow_id is 'The workflow that got a signal; null when none did.';
comment on column baton.workflow_releases.signal is 'That signal: the steps that wait for it are looked at too.';
comment on column baton.workflow_releases.inserted_at is 'When they did; the sweep leaves young rows to the process that wrote them.';

create table baton.workflow_completions (
  workflow_id uuid primary key,
  outcome baton.workflow_state not null,
  failed_steps text[] not null default '{}',
  inserted_at timestamptz not null default now()
);

comment on table baton.workflow_completions is 'One row per finished workflow, inserted exactly once.';
comment on column baton.workflow_completions.workflow_id is 'The workflow that finished.';
comment on column baton.workflow_completions.outcome is 'completed, or failed when a step was discarded or cancelled.';
comment on column baton.workflow_completions.failed_steps is 'Names of the steps that were discarded or cancelled.';
comment on column baton.workflow_completions.inserted_at is 'When the workflow finished.';

-- What a parked step waits for. A signal, the end of a sub-workflow or a cancel ends or wakes it under
-- the lock of its job; the timekeeper reads what is due.
create table baton.workflow_waits (
  job_id bigint primary key,
  workflow_id uuid not null,
  signal text
    constraint workflow_waits_signal_length check (octet_length(signal) <= 2500),
  until timestamptz
    constraint workflow_waits_until_range check (until >= '1900-01-01 00:00+00' and until < '9000-01-01 00:00+00'),
  on_timeout text not null
    constraint workflow_waits_on_timeout_known check (on_timeout in ('completed', 'discarded', 'cancelled', 'resume')),
  heard text[] not null default '{}',
  inserted_at timestamptz not null default now(),
  woken_at timestamptz
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);
create index workflow_waits_due on baton.workflow_waits (until) where woken_at is null and until is not null;
create index workflow_waits_signals on baton.workflow_waits (workflow_id, signal) where woken_at is null;
-- What people are asked now.
create index workflow_waits_approvals on baton.workflow_waits (inserted_at, job_id)
  where woken_at is null and starts_with(signal, 'approval:');

comment on table baton.workflow_waits is 'What parked steps wait for, and what steps that ran on waited for.';
comment on column baton.workflow_waits.job_id is 'The job of the step.';
comment on column baton.workflow_waits.workflow_id is 'Its workflow.';
comment on column baton.workflow_waits.signal is 'The signal that it waits for; null when it sleeps or is a sub-workflow.';
comment on column baton.workflow_waits.until is 'When the waiting ends whatever happens; null when it does not.';
comment on column baton.workflow_waits.on_timeout is 'What becomes of the step then; resume: it runs again.';
comment on column baton.workflow_waits.heard is 'Signals that the worker of the step waited for before this one, and heard: they are forgotten when the step is retried.';
comment on column baton.workflow_waits.inserted_at is 'When it began to wait.';
comment on column baton.workflow_waits.woken_at is 'When the waiting ended; null while it waits.';

create table baton.workflow_signals (
  workflow_id uuid not null,
  name text not null
    constraint workflow_signals_name_not_blank check (btrim(name) <> '')
    constraint workflow_signals_name_length check (octet_length(name) <= 2500),
  payload jsonb not null default 'null',
  sent_by text,
  sent_at timestamptz not null default clock_timestamp(),
  primary key (workflow_id, name)
);

comment on table baton.workflow_signals is 'What was said to workflows from outside. A signal is said once and heard by every step that waits for it, then or later.';
comment on column baton.workflow_signals.workflow_id is 'The workflow.';
comment on column baton.workflow_signals.name is 'The name of the signal.';
comment on column baton.workflow_signals.payload is 'What came with it.';
comment on column baton.workflow_signals.sent_by is 'Who sent it, when that was said.';
comment on column baton.workflow_signals.sent_at is 'When it was sent.';

create table baton.workflow_callbacks (
  id bigint generated always as identity primary key,
  job_id bigint not null,
  worker text not null,
  kind text not null
    constraint workflow_callbacks_kind_known check (kind in ('cancelled', 'discarded')),
  reason text not null,
  claimed_by bigint,
  inserted_at timestamptz not null default now()
);

comment on table baton.workflow_callbacks is 'Workers that are to hear that a step of theirs was cancelled because of a dependency; empty but for a moment.';
comment on column baton.workflow_callbacks.id is 'Grows with insertion.';
comment on column baton.workflow_callbacks.job_id is 'The job of the step that was cancelled.';
comment on column baton.workflow_callbacks.worker is 'Its worker.';
comment on column baton.workflow_callbacks.kind is 'How the dependency ended.';
comment on column baton.workflow_callbacks.reason is 'Which dependency it was.';
comment on column baton.workflow_callbacks.claimed_by is 'The lease of the process that calls it.';
comment on column baton.workflow_callbacks.inserted_at is 'When the step was cancelled.';

-- The sum of the rows of a workflow is its progress: rows are only added, so that nobody waits for
-- anybody, and put together by the sweep.
create table baton.workflow_progress (
  id bigint generated always as identity primary key,
  workflow_id uuid not null,
  added integer not null default 0,
  completed integer not null default 0,
  skipped integer not null default 0,
  discarded integer not null default 0,
  cancelled integer not null default 0
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
create index workflow_progress_workflow on baton.workflow_progress (workflow_id);

comment on table baton.workflow_progress is 'How many steps of large workflows ended, in portions.';
comment on column baton.workflow_progress.id is 'Grows with insertion.';
comment on column baton.workflow_progress.workflow_id is 'The workflow.';
comment on column baton.workflow_progress.added is 'Steps that were added.';
comment on column baton.workflow_progress.completed is 'Steps that completed, without the skipped ones.';
comment on column baton.workflow_progress.skipped is 'Steps that were skipped.';
comment on column baton.workflow_progress.discarded is 'Steps that were discarded.';
comment on column baton.workflow_progress.cancelled is 'Steps that were cancelled.';

create table baton.workflow_templates (
  name text not null
    constraint workflow_templates_name_not_blank check (btrim(name) <> '')
    constraint workflow_templates_name_length check (octet_length(name) <= 2500),
  version integer not null
    constraint workflow_templates_version_range check (version > 0),
  definition jsonb not null
    constraint workflow_templates_definition_is_object check (jsonb_typeof(definition) = 'object'),
  inserted_at timestamptz not null default now(),
  primary key (name, version)
);

comment on table baton.workflow_templates is 'Workflows as data, with parameters, from which workflows are made.';
comment on column baton.workflow_templates.name is 'What people call it.';
comment on column baton.workflow_templates.version is 'Grows with each change.';
comment on column baton.workflow_templates.definition is 'The workflow, in the published JSON form.';
comment on column baton.workflow_templates.inserted_at is 'When this version was stored.';

-- A row per attempt, and one more for each further model that it called. A snooze gives the number of an
-- attempt back, so the claim tells attempts apart: its epoch, and the lease because the claim may be
-- lost with the server and its epoch be given out again.
create table baton.workflow_step_stats (
  job_id bigint not null,
  epoch bigint not null,
  lease bigint not null,
  ordinal smallint not null default 0,
  attempt smallint not null,
  workflow_id uuid,
  step_name text,
  queue text not null,
  worker text not null,
  model text,
  provider text,
  calls integer not null default 0,
  input_tokens bigint not null default 0,
  output_tokens bigint not null default 0,
  cached_tokens bigint not null default 0,
  cache_write_tokens bigint not null default 0,
  reasoning_tokens bigint not null default 0,
  cost numeric,
  prices text,
  state baton.job_state,
  duration_ms double precision,
  cost_before numeric not null default 0,
  tokens_before numeric not null default 0,
  inserted_at timestamptz not null default now(),
  primary key (job_id, epoch, lease, ordinal)
) with (fillfactor = 80);
create index workflow_step_stats_workflows on baton.workflow_step_stats (workflow_id)
  where workflow_id is not null;
create index workflow_step_stats_age on baton.workflow_step_stats (inserted_at);

comment on table baton.workflow_step_stats is 'What each attempt used of language models, and what that cost.';
comment on column baton.workflow_step_stats.job_id is 'The job.';
comment on column baton.workflow_step_stats.epoch is 'The claim that the attempt belongs to, as jobs has it.';
comment on column baton.workflow_step_stats.lease is 'The lease of the process that performed it.';
comment on column baton.workflow_step_stats.ordinal is '0 for the attempt itself and the first model that it called; then one more for each.';
comment on column baton.workflow_step_stats.attempt is 'Which attempt of the job; an attempt that was snoozed has the number of the next one.';
comment on column baton.workflow_step_stats.workflow_id is 'The workflow of the step, null for a plain job.';
comment on column baton.workflow_step_stats.step_name is 'The name of the step, null for a plain job.';
comment on column baton.workflow_step_stats.queue is 'The queue that it ran in.';
comment on column baton.workflow_step_stats.worker is 'The worker that performed it.';
comment on column baton.workflow_step_stats.model is 'The language model that answered; null when nobody said, or none has.';
comment on column baton.workflow_step_stats.provider is 'Who is paid, where that was said.';
comment on column baton.workflow_step_stats.calls is 'How many calls this row stands for.';
comment on column baton.workflow_step_stats.input_tokens is 'Tokens sent, cached ones included.';
comment on column baton.workflow_step_stats.output_tokens is 'Tokens received, reasoning included.';
comment on column baton.workflow_step_stats.cached_tokens is 'Tokens of the input that were read from a cache.';
comment on column baton.workflow_step_stats.cache_write_tokens is 'Tokens of the input that were written to a cache.';
comment on column baton.workflow_step_stats.reasoning_tokens is 'Tokens of the output that were spent on reasoning.';
comment on column baton.workflow_step_stats.cost is 'In US dollars; null when the price of the model is not known.';
comment on column baton.workflow_step_stats.prices is 'Where the price is from, and how old it is; null without one.';
comment on column baton.workflow_step_stats.state is 'What the attempt made of its job, as its process saw it; null while it runs, and for good when its process died.';
comment on column baton.workflow_step_stats.duration_ms is 'How long the attempt ran, in milliseconds; null like the state, and where ordinal is not 0.';
comment on column baton.workflow_step_stats.cost_before is 'The cost that the last change of this row found; what it added is told to budgets.';
comment on column baton.workflow_step_stats.tokens_before is 'The same of the tokens, input and output together.';
comment on column baton.workflow_step_stats.inserted_at is 'When the first of it was recorded.';

-- What language models may be used for. Whoever starts an attempt of their workers, or changes a budget,
-- holds the lock of its row; those who record what was used never do: they add rows to budget_spending.
create table baton.budgets (
  id bigint generated always as identity primary key,
  workflow_id uuid unique,
  queue text unique
    constraint budgets_queue_not_blank check (btrim(queue) <> ''),
  max_cost numeric
    constraint budgets_max_cost_range check (max_cost >= 0 and max_cost < 1e15),
  max_tokens bigint
    constraint budgets_max_tokens_range check (max_tokens >= 0),
  on_exceeded text not null default 'hold'
    constraint budgets_on_exceeded_known check (on_exceeded in ('hold', 'cancel')),
  spent_cost numeric not null default 0,
  spent_tokens numeric not null default 0,
  period_start timestamptz,
  counted boolean not null default false,
  blind_until xid8,
  inserted_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint budgets_of_one_thing check ((workflow_id is null) <> (queue is null)),
  constraint budgets_limit_something check (max_cost is not null or max_tokens is not null)
) with (fillfactor = 50);

comment on table baton.budgets is 'What workflows, and queues in a day of UTC, may spend on language models; sql/routines/budget_standing.sql says how they stand.';
comment on column baton.budgets.id is 'Budgets are locked in this order.';
comment on column baton.budgets.workflow_id is 'The workflow, with its sub-workflows; null when it is of a queue.';
comment on column baton.budgets.queue is 'The queue; null when it is of a workflow.';
comment on column baton.budgets.max_cost is 'In US dollars; null when money is not limited.';
comment on column baton.budgets.max_tokens is 'Input and output together; null when tokens are not limited.';
comment on column baton.budgets.on_exceeded is 'hold: attempts that would start beyond it wait; cancel: the workflow is cancelled.';
comment on column baton.budgets.spent_cost is 'What was spent, without what budget_spending has; of a queue, since period_start.';
comment on column baton.budgets.spent_tokens is 'The same in tokens.';
comment on column baton.budgets.period_start is 'The day that was counted last; null for workflows.';
comment on column baton.budgets.counted is 'Whether spent_cost holds what was used before the budget was set; until then it is read from workflow_step_stats.';
comment on column baton.budgets.blind_until is 'Transactions before this one may have recorded usage without seeing the budget: it is counted once they have ended.';
comment on column baton.budgets.inserted_at is 'When it was set.';
comment on column baton.budgets.updated_at is 'When it was last set.';

create table baton.budget_spending (
  budget_id bigint not null,
  cost numeric not null,
  tokens numeric not null,
  spent_at timestamptz not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
create index budget_spending_budget on baton.budget_spending (budget_id);

comment on table baton.budget_spending is 'What was spent of budgets and is not yet in their rows. Rows are only added, so that nobody who records usage waits.';
comment on column baton.budget_spending.budget_id is 'The budget.';
comment on column baton.budget_spending.cost is 'In US dollars.';
comment on column baton.budget_spending.tokens is 'Input and output together.';
comment on column baton.budget_spending.spent_at is 'When the first of the attempt was recorded: it counts to that day.';

create table baton.budget_reservations (
  job_id bigint not null,
  budget_id bigint not null,
  epoch bigint not null,
  lease bigint not null,
  cost numeric not null,
  tokens numeric not null,
  primary key (job_id, budget_id)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
create index budget_reservations_budget on baton.budget_reservations (budget_id);

comment on table baton.budget_reservations is 'What attempts that run may spend at most, where that was said. A row counts for as long as its job executes under this claim.';
comment on column baton.budget_reservations.job_id is 'The job.';
comment on column baton.budget_reservations.budget_id is 'The budget.';
comment on column baton.budget_reservations.epoch is 'The claim, as jobs has it.';
comment on column baton.budget_reservations.lease is 'The lease of the process that performs it.';
comment on column baton.budget_reservations.cost is 'In US dollars.';
comment on column baton.budget_reservations.tokens is 'Input and output together.';

create table baton.budget_holds (
  job_id bigint primary key,
  budget_id bigint not null,
  epoch bigint not null,
  cost numeric not null,
  tokens numeric not null,
  crowded boolean not null,
  held_at timestamptz not null default clock_timestamp()
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
create index budget_holds_budget on baton.budget_holds (budget_id, held_at, job_id);

comment on table baton.budget_holds is 'Jobs that a budget keeps from starting: parked steps, of the budget of a workflow, and jobs scheduled for the next day, of that of a queue.';
comment on column baton.budget_holds.job_id is 'The job.';
comment on column baton.budget_holds.budget_id is 'The budget that refused it.';
comment on column baton.budget_holds.epoch is 'The claim that was refused: the row says nothing about a later one.';
comment on column baton.budget_holds.cost is 'What it may cost at most, in US dollars; 0 when nobody said.';
comment on column baton.budget_holds.tokens is 'The same in tokens.';
comment on column baton.budget_holds.crowded is 'Whether it would fit but for what others that run may spend.';
comment on column baton.budget_holds.held_at is 'Since when.';

create table baton.workflow_debug_logs (
  id bigint generated always as identity primary key,
  job_id bigint not null,
  attempt smallint not null,
  workflow_id uuid,
  step_name text,
  kind text not null,
  content jsonb not null,
  inserted_at timestamptz not null default now()
);
create index workflow_debug_logs_job on baton.workflow_debug_logs (job_id, id);
create index workflow_debug_logs_age on baton.workflow_debug_logs (inserted_at);

comment on table baton.workflow_debug_logs is 'Captured requests, responses and contexts of steps that run with debug on.';
comment on column baton.workflow_debug_logs.id is 'Grows with insertion.';
comment on column baton.workflow_debug_logs.job_id is 'The job.';
comment on column baton.workflow_debug_logs.attempt is 'Which attempt of it.';
comment on column baton.workflow_debug_logs.workflow_id is 'The workflow of the step.';
comment on column baton.workflow_debug_logs.step_name is 'The name of the step.';
comment on column baton.workflow_debug_logs.kind is 'What was captured: context, request, response or error.';
comment on column baton.workflow_debug_logs.content is 'The captured document.';
comment on column baton.workflow_debug_logs.inserted_at is 'When it was captured.';

create table baton.audit_log (
  id bigint generated always as identity primary key,
  actor text not null,
  address text,
  source text not null,
  action text not null,
  kind text not null,
  subject text not null,
  details jsonb not null default '{}'
    constraint audit_log_details_is_object check (jsonb_typeof(details) = 'object'),
  outcome text
    constraint audit_log_outcome_known check (outcome in ('done', 'failed')),
  message text,
  inserted_at timestamptz not null default now(),
  finished_at timestamptz
);
create index audit_log_age on baton.audit_log (inserted_at);

comment on table baton.audit_log is 'What people did in the shell and on the live page: written before it is done, and again with what became of it.';
comment on column baton.audit_log.id is 'Grows with insertion.';
comment on column baton.audit_log.actor is 'Who did it.';
comment on column baton.audit_log.address is 'The address it came from, when that is known; in a shell, that of SSH.';
comment on column baton.audit_log.source is 'By which way: web, cli, or what a program calls itself.';
comment on column baton.audit_log.action is 'What was done, in a word: cancel, retry, pause and so on.';
comment on column baton.audit_log.kind is 'What it was done to: workflow, workflows, job, jobs, queue, cron or template.';
comment on column baton.audit_log.subject is 'Its id or name; the filter, for jobs and workflows.';
comment on column baton.audit_log.details is 'What else was said, a JSON object.';
comment on column baton.audit_log.outcome is 'done or failed; null while it is being done, and for ever when that was cut off.';
comment on column baton.audit_log.message is 'What it came to, in a sentence.';
comment on column baton.audit_log.inserted_at is 'When it was asked for.';
comment on column baton.audit_log.finished_at is 'When it was known what became of it.';

-- Who does not own the table adds to it and completes what is open, and neither changes nor deletes what
-- is on record for less than 30 days: a program that was broken into does not cover its tracks. To lock
-- a row, as for its deletion, is to change it.
alter table baton.audit_log enable row level security;
create policy audit_log_read on baton.audit_log for select using (true);
create policy audit_log_append on baton.audit_log for insert with check (true);
create policy audit_log_complete on baton.audit_log for update
  using (outcome is null or inserted_at < now() - interval '30 days')
  with check (true);
create policy audit_log_forget on baton.audit_log for delete
  using (inserted_at < now() - interval '30 days');

create table baton.leases (
  id bigint generated always as identity primary key,
  node text not null,
  queues jsonb not null default '{}'
    constraint leases_queues_is_object check (jsonb_typeof(queues) = 'object'),
  guarded boolean not null default true,
  process text,
  started_at timestamptz not null default now(),
  renewed_at timestamptz not null default now()
    constraint leases_renewed_at_range check (renewed_at >= '1900-01-01 00:00+00' and renewed_at < '9000-01-01 00:00+00'),
  expires_at timestamptz not null
    constraint leases_expires_at_range check (expires_at >= '1900-01-01 00:00+00' and expires_at < '9000-01-01 00:00+00')
) with (fillfactor = 50);

comment on table baton.leases is 'One row per live worker process.';
comment on column baton.leases.id is 'What jobs.attempted_by names.';
comment on column baton.leases.node is 'Host and process id.';
comment on column baton.leases.queues is 'Queues that it serves, with how many jobs of each it runs at once.';
comment on column baton.leases.guarded is 'Whether the process holds an advisory lock for as long as it lives; if so, a free lock means that it is dead.';
comment on column baton.leases.process is 'Its machine, its process id and when it began: others of the same machine see when it is gone. Null where that can not be known.';
comment on column baton.leases.started_at is 'When the process took the lease.';
comment on column baton.leases.renewed_at is 'When it was last heard of.';
comment on column baton.leases.expires_at is 'From then on its jobs are given to others.';

create table baton.queues (
  name text primary key
    constraint queues_name_not_blank check (btrim(name) <> '')
    constraint queues_name_length check (octet_length(name) <= 500),
  slots integer
    constraint queues_slots_range check (slots between 0 and 10000),
  start_slots integer
    constraint queues_start_slots_range check (start_slots between 1 and 10000),
  paused_at timestamptz,
  paused_by text,
  global_limit integer
    constraint queues_global_limit_range check (global_limit > 0),
  rate_limit integer
    constraint queues_rate_limit_range check (rate_limit > 0),
  rate_period double precision
    constraint queues_rate_period_range check (rate_period between 0.001 and 1000000000),
  partition_by text
    constraint queues_partition_by_known check (partition_by ~ '^(worker|args[.].+|meta[.].+)$'),
  last_partition text,
  ageing double precision
    constraint queues_ageing_range check (ageing between 0.001 and 1000000000),
  updated_at timestamptz not null default now(),
  constraint queues_rate_complete check ((rate_limit is null) = (rate_period is null))
) with (fillfactor = 50);

comment on table baton.queues is 'What was said about a queue as a whole: it holds in every process and outlives restarts. A queue without a row runs as its processes were started.';
comment on column baton.queues.name is 'The queue.';
comment on column baton.queues.slots is 'How many of its jobs run at once in each process; 0 when it is stopped; null when each process was started with its own number.';
comment on column baton.queues.start_slots is 'How many of its jobs run at once in each process that was not started with it; null when those do not serve it.';
comment on column baton.queues.paused_at is 'Since when nothing of it is started; null when it runs.';
comment on column baton.queues.paused_by is 'Who paused it.';
comment on column baton.queues.global_limit is 'How many of its jobs run at once in all processes together, in each partition.';
comment on column baton.queues.rate_limit is 'How much weight is started within rate_period, in each partition.';
comment on column baton.queues.rate_period is 'In seconds.';
comment on column baton.queues.partition_by is 'What divides its jobs: worker, args.<name> or meta.<name>.';
comment on column baton.queues.last_partition is 'The partition that was served last; the next fetch begins behind it.';
comment on column baton.queues.ageing is 'Seconds of waiting that count for one step of priority; null when waiting does not count.';
comment on column baton.queues.updated_at is 'When this row was last changed.';

create table baton.queue_nodes (
  queue text not null
    constraint queue_nodes_queue_not_blank check (btrim(queue) <> '')
    constraint queue_nodes_queue_length check (octet_length(queue) <= 500),
  node text not null
    constraint queue_nodes_node_not_blank check (btrim(node) <> '')
    constraint queue_nodes_node_length check (octet_length(node) <= 500),
  slots integer
    constraint queue_nodes_slots_range check (slots between 0 and 10000),
  start_slots integer
    constraint queue_nodes_start_slots_range check (start_slots between 1 and 10000),
  paused_at timestamptz,
  paused_by text,
  updated_at timestamptz not null default now(),
  primary key (queue, node)
);

comment on table baton.queue_nodes is 'What was said about a queue in the processes of one name; its slots win over those of the table queues.';
comment on column baton.queue_nodes.queue is 'The queue.';
comment on column baton.queue_nodes.node is 'The name of the process, as leases has it.';
comment on column baton.queue_nodes.slots is 'How many of its jobs run at once there; 0 when it is stopped; null when the table queues decides.';
comment on column baton.queue_nodes.start_slots is 'How many of its jobs run at once there, if the process was not started with it; null when the table queues decides.';
comment on column baton.queue_nodes.paused_at is 'Since when nothing of it is started there; null when it runs.';
comment on column baton.queue_nodes.paused_by is 'Who paused it.';
comment on column baton.queue_nodes.updated_at is 'When this row was last changed.';

-- The exact memory of rate limits: what started when. It commits with the claim, so that nothing is
-- counted that was not started, and nothing leaks when a process dies.
create table baton.queue_starts (
  queue text not null,
  partition_key text not null default '',
  started_at timestamptz not null
    constraint queue_starts_started_at_range check (started_at >= '1900-01-01 00:00+00' and started_at < '9000-01-01 00:00+00'),
  weight integer not null
    constraint queue_starts_weight_range check (weight > 0)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
create index queue_starts_newest on baton.queue_starts (queue, partition_key, started_at);
-- What is too old to count.
create index queue_starts_oldest on baton.queue_starts (queue, started_at);

comment on table baton.queue_starts is 'What queues with a rate limit started within their period, a row per fetch and partition.';
comment on column baton.queue_starts.queue is 'The queue.';
comment on column baton.queue_starts.partition_key is 'The partition; empty when the queue has none.';
comment on column baton.queue_starts.started_at is 'When the jobs were started.';
comment on column baton.queue_starts.weight is 'How much weight they have together.';

create table baton.crons (
  name text primary key
    constraint crons_name_not_blank check (btrim(name) <> ''),
  source text not null default 'database'
    constraint crons_source_known check (source in ('code', 'database')),
  expression text not null,
  timezone text not null default 'UTC',
  worker text not null,
  args jsonb not null default '{}'
    constraint crons_args_is_object check (jsonb_typeof(args) = 'object'),
  options jsonb not null default '{}'
    constraint crons_options_is_object check (jsonb_typeof(options) = 'object'),
  catch_up integer not null default 0
    constraint crons_catch_up_range check (catch_up between 0 and 10000),
  paused_at timestamptz,
  paused_by text,
  last_tick_at timestamptz
    constraint crons_last_tick_at_range check (
      last_tick_at >= '1900-01-01 00:00+00' and last_tick_at < '9000-01-01 00:00+00'
    ),
  inserted_at timestamptz not null default now()
    constraint crons_inserted_at_range check (
      inserted_at >= '1900-01-01 00:00+00' and inserted_at < '9000-01-01 00:00+00'
    ),
  updated_at timestamptz not null default now()
);

comment on table baton.crons is 'Periodic jobs.';
comment on column baton.crons.name is 'Identifies the entry.';
comment on column baton.crons.source is 'code: a worker process that registers it keeps it up to date; database: people added it.';
comment on column baton.crons.expression is 'When to insert the job, in cron syntax.';
comment on column baton.crons.timezone is 'The time zone in which the expression is read.';
comment on column baton.crons.worker is 'The worker of the inserted jobs.';
comment on column baton.crons.args is 'The arguments of the inserted jobs.';
comment on column baton.crons.options is 'Options of the inserted jobs: queue, priority, max_attempts and so on.';
comment on column baton.crons.catch_up is 'How many ticks that nobody was there for are made up for, the newest ones.';
comment on column baton.crons.paused_at is 'Since when nothing is inserted; null when it runs.';
comment on column baton.crons.paused_by is 'Who paused it.';
comment on column baton.crons.last_tick_at is 'Up to when its ticks were dealt with, mostly its newest one: a resumed or changed entry begins anew from then. Ticks up to this time are never made into jobs again.';
comment on column baton.crons.inserted_at is 'When the entry was first seen; ticks before it are none of its.';
comment on column baton.crons.updated_at is 'When this row was last changed.';

create table baton.duties (
  name text primary key,
  last_run_at timestamptz not null default '-infinity',
  position bigint not null default 0,
  progress jsonb not null default '{}'
) with (fillfactor = 50);
insert into baton.duties (name) values
  ('sweep'), ('rescue'), ('prune'), ('slow sweep'), ('workflow prune'), ('time');

comment on table baton.duties is 'When each periodic duty last ran; its row lock lets one process at a time do it.';
comment on column baton.duties.name is 'The duty.';
comment on column baton.duties.last_run_at is 'When it last ran, whichever process did it.';
comment on column baton.duties.position is 'How far it got, where it goes through a table in portions.';
comment on column baton.duties.progress is 'What it has to know of the portions before, a JSON object; empty between two passes.';

-- Whom the tables were opened to: what later migrations make is opened to them as well.
create table baton.grants (
  role text primary key,
  access text not null
    constraint grants_access_known check (access in ('worker', 'client', 'reader')),
  granted_at timestamptz not null default now()
);

comment on table baton.grants is 'What baton migrate --grant gave, a row per role.';
comment on column baton.grants.role is 'The name of the role.';
comment on column baton.grants.access is 'worker: runs jobs and steers them; client: inserts and looks; reader: looks.';
comment on column baton.grants.granted_at is 'When it was given.';

-- The gate. The first steps of a sub-workflow depend on the step that it is, and may run once that one is
-- parked; when it was skipped they wait for sql/routines/end_subworkflows.sql, which skips all of them.
create view baton.dependencies as
select
  edge.child_id,
  edge.parent_id,
  parent.step_name as parent_name,
  parent.outcome as parent_outcome,
  coalesce(parent.skipped, false) as parent_skipped,
  parent.result is not null as parent_returned,
  parent.grafted_by is not null as parent_grafted,
  case
    when parent.subworkflow_id = child.workflow_id then parent.parked_at is null
    when child.run_on <> 'completed' then parent.job_id is not null and parent.outcome is null
    else (
      parent.outcome = 'completed'
      or parent.outcome = 'cancelled' and child.ignore_cancelled
      or parent.outcome = 'discarded' and child.ignore_discarded
    ) is not true
  end as unmet,
  case
    when parent.subworkflow_id = child.workflow_id then parent.outcome is not null and not parent.skipped
    else child.run_on = 'completed' and (parent.job_id is null or parent.outcome is not null)
  end as poisons_unmet
from baton.workflow_edges as edge
join baton.workflow_steps as child on child.job_id = edge.child_id
left join baton.workflow_steps as parent on parent.job_id = edge.parent_id;

comment on view baton.dependencies is 'What steps depend on, and whether that keeps them from running.';
comment on column baton.dependencies.child_id is 'The step that waits.';
comment on column baton.dependencies.parent_id is 'The dependency.';
comment on column baton.dependencies.parent_name is 'The name of the dependency; null when its row is gone.';
comment on column baton.dependencies.parent_outcome is 'How the dependency ended; null while it is open.';
comment on column baton.dependencies.parent_skipped is 'Whether the dependency counts as completed without having run.';
comment on column baton.dependencies.parent_returned is 'Whether the dependency returned anything.';
comment on column baton.dependencies.parent_grafted is 'Whether the dependency was added while the workflow ran.';
comment on column baton.dependencies.unmet is 'Whether it keeps the step from running.';
comment on column baton.dependencies.poisons_unmet is 'Whether waiting is hopeless, if it does: it ended badly, or is gone.';

-- A step may run when it has no row here; a row that poisons it cancels it.
create view baton.unmet_dependencies as
select
  child_id, parent_id, parent_name, parent_outcome, poisons_unmet as poisons
from baton.dependencies
where unmet;

comment on view baton.unmet_dependencies is 'Dependencies that keep a step from running.';
comment on column baton.unmet_dependencies.child_id is 'The step that waits.';
comment on column baton.unmet_dependencies.parent_id is 'The dependency.';
comment on column baton.unmet_dependencies.parent_name is 'The name of the dependency; null when its row is gone.';
comment on column baton.unmet_dependencies.parent_outcome is 'How the dependency ended; null while it is open.';
comment on column baton.unmet_dependencies.poisons is 'Whether waiting is hopeless: it ended badly, or is gone.';

create view baton.workflow_nodes as
select
  workflow.name as workflow,
  step.step_name,
  case
    when step.outcome is null and step.parked_at is not null and step.kind = 'workflow' then 'executing'
    when step.outcome is null and step.parked_at is not null and step.kind = 'sleep' then 'scheduled'
    else coalesce(step.outcome, job.state, 'cancelled')::text
  end as state,
  step.deps,
  step.result,
  case
    when step.outcome is not null then step.cause
    when job.id is null then 'its job was deleted'
    -- a step that begins anew has errors of its life before
    when job.attempt > 0 then job.errors -> -1 ->> 'message'
  end as error,
  case
    -- what somebody has set to infinity, or to the ends of time, can't be subtracted
    when job.attempted_at > '1900-01-01 00:00+00'
      and coalesce(step.finished_at, clock_timestamp()) between '1900-01-01 00:00+00' and '9000-01-01 00:00+00'
      and job.attempted_at < '9000-01-01 00:00+00'
      then coalesce(step.finished_at, case when job.state = 'executing' then clock_timestamp() end)
        - job.attempted_at
  end as duration,
  job.worker,
  job.queue,
  job.attempt,
  job.attempted_at as started_at,
  step.finished_at,
  step.inserted_at,
  step.kind,
  step.skipped,
  step.ignore_cancelled,
  step.ignore_discarded,
  step.ignore_skipped,
  step.run_on,
  step.condition,
  step.signal,
  step.parked_at,
  step.grafted_by,
  step.subworkflow_id,
  step.job_id,
  step.workflow_id
from baton.workflow_steps as step
left join baton.workflows as workflow on workflow.id = step.workflow_id
left join baton.jobs as job on job.id = step.job_id;

comment on view baton.workflow_nodes is 'One row per step of every workflow, as it stands now. Add "where workflow_id = …" and "order by job_id".';
comment on column baton.workflow_nodes.workflow is 'The name of the workflow.';
comment on column baton.workflow_nodes.step_name is 'The name of the step, unique in its workflow.';
comment on column baton.workflow_nodes.state is 'suspended: waits for its dependencies; available: may run; executing: runs; scheduled and retryable: run again later; completed, discarded, cancelled: final.';
comment on column baton.workflow_nodes.deps is 'Names of the steps that it waits for.';
comment on column baton.workflow_nodes.result is 'What it returned; null when it returned nothing.';
comment on column baton.workflow_nodes.error is 'Why it was discarded, cancelled or skipped, or completed without a worker; while it is open the newest error of its attempts.';
comment on column baton.workflow_nodes.duration is 'How long the newest attempt took, or has been running.';
comment on column baton.workflow_nodes.worker is 'The worker that performs it; null when the job was pruned.';
comment on column baton.workflow_nodes.queue is 'Its queue; null when the job was pruned.';
comment on column baton.workflow_nodes.attempt is 'How many attempts were started.';
comment on column baton.workflow_nodes.started_at is 'When the newest attempt was started.';
comment on column baton.workflow_nodes.finished_at is 'When the step ended.';
comment on column baton.workflow_nodes.inserted_at is 'When the step was inserted.';
comment on column baton.workflow_nodes.kind is 'job: a worker performs it; signal, sleep and workflow wait for something else.';
comment on column baton.workflow_nodes.skipped is 'Whether it counts as completed without having run.';
comment on column baton.workflow_nodes.ignore_cancelled is 'Whether a cancelled dependency counts as done.';
comment on column baton.workflow_nodes.ignore_discarded is 'Whether a discarded dependency counts as done.';
comment on column baton.workflow_nodes.ignore_skipped is 'Whether a skipped dependency counts as done.';
comment on column baton.workflow_nodes.run_on is 'Which end of its dependencies it runs after: completed, failed or done.';
comment on column baton.workflow_nodes.condition is 'The condition that decides whether it is skipped.';
comment on column baton.workflow_nodes.signal is 'The signal that a step of kind signal waits for.';
comment on column baton.workflow_nodes.parked_at is 'Since when it waits for something outside its workflow.';
comment on column baton.workflow_nodes.grafted_by is 'The job of the step that added it while the workflow ran.';
comment on column baton.workflow_nodes.subworkflow_id is 'The workflow that a step of kind workflow is.';
comment on column baton.workflow_nodes.job_id is 'Its job in the table jobs.';
comment on column baton.workflow_nodes.workflow_id is 'Its workflow in the table workflows.';

-- Drops everything that 001_initial.sql made, and every job with it.

drop view baton.workflow_nodes, baton.unmet_dependencies, baton.dependencies;
drop table baton.jobs, baton.workflows, baton.workflow_steps, baton.workflow_edges, baton.workflow_releases,
  baton.workflow_waits, baton.workflow_signals, baton.workflow_callbacks, baton.workflow_progress,
  baton.workflow_templates, baton.workflow_completions, baton.workflow_step_stats,
  baton.budgets, baton.budget_spending, baton.budget_reservations, baton.budget_holds, baton.workflow_debug_logs, baton.audit_log,
  baton.leases, baton.queues, baton.queue_nodes, baton.queue_starts, baton.crons, baton.duties, baton.grants;
drop type baton.new_job, baton.job_state, baton.workflow_state;

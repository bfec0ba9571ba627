"""What is taken out of Baton, one thing at a time, and what must turn red then."""

import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """Something that is taken out.

    Attributes:
        name: what it is.
        path: the file.
        text: what is replaced; it is there exactly once.
        by: what stands in its place.
        test: which must fail then, by its file and name; without one, the run of `faults` must.
        faults: of the run.
    """

    name: str
    path: str
    text: str
    by: str
    test: str = ""
    faults: str = ""

    @property
    def place(self) -> str:
        """What pytest calls its test."""
        file, _, name = self.test.partition(" ")
        return f"tests/{file}.py::{name}"

    def command(self) -> list[str]:
        if self.test:
            return [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", self.place]
        words = ["--seed", "4", "--minutes", "0.5", "--faults", self.faults, "--workers", "3"]
        return [sys.executable, "-m", "tests.chaos", *words, "--pause", "1", "--patience", "30"]

    def applied(self, text: str) -> str:
        """Return a file's text without the thing.

        Raises:
            ValueError: it is not there, or more than once.
        """
        if text.count(self.text) != 1:
            found = text.count(self.text)
            raise ValueError(f"{self.path} has {found} times what the mutant {self.name} replaces")
        return text.replace(self.text, self.by)


FENCE = """      and case
        when job.epoch = ack.epoch then job.state = 'executing' and job.attempted_by = lease
      end
    returning job.id
"""
FENCE_OF_OTHERS = """      and case
        when job.epoch = ack.epoch then job.state = 'executing' and job.attempted_by = lease
      end
    returning
"""

MUTANTS = (
    Mutant(
        "the fence, under load",
        "sql/routines/complete_jobs.sql",
        FENCE,
        "      and job.state = 'executing'\n    returning job.id\n",
        faults="late",
    ),
    Mutant(
        "the epoch in the fence",
        "sql/routines/complete_jobs.sql",
        "        when job.epoch = ack.epoch then job.state",
        "        when job.epoch >= ack.epoch then job.state",
        test="store/test_ack test_an_ack_with_an_old_epoch_is_refused_even_under_the_same_lease",
    ),
    Mutant(
        "the lease in the fence",
        "sql/routines/complete_jobs.sql",
        "job.state = 'executing' and job.attempted_by = lease",
        "job.state = 'executing'",
        test="store/test_ack test_an_ack_with_the_right_epoch_but_another_lease_is_refused",
    ),
    Mutant(
        "the guard on the state",
        "sql/routines/complete_jobs.sql",
        "job.state = 'executing' and job.attempted_by = lease",
        "job.attempted_by = lease",
        test="store/test_ack test_an_ack_is_accepted_once",
    ),
    Mutant(
        "the fence of what did not just complete",
        "sql/routines/finish_jobs.sql",
        FENCE_OF_OTHERS,
        "    returning\n",
        test="services/test_complete_in test_an_old_claim_of_a_job_that_runs_again_is_lost",
    ),
    Mutant(
        "the refusal to complete a lost job",
        "sql/routines/complete_job.sql",
        "if cardinality(finish.accepted) = 0 then",
        "if false then",
        test="services/test_complete_in test_a_job_that_was_rescued_in_between_is_lost_and_its_effect_rolled_back",
    ),
    Mutant(
        "the growth of the epoch",
        "sql/routines/fetch_jobs.sql",
        "      epoch = least(job.epoch, 9223372036854775806) + 1,\n",
        "",
        test="store/test_ack test_an_ack_with_an_old_epoch_is_refused_even_under_the_same_lease",
    ),
    Mutant(
        "the look at the lease in the statement that claims",
        "sql/routines/fetch_jobs.sql",
        "exists (select from baton.leases as held where held.id = lease and held.expires_at > now())\n"
        "      and job.id",
        "job.id",
        test="store/test_fetch "
        "test_what_is_freed_with_its_lease_is_not_claimed_under_it_by_a_session_that_waited",
    ),
    Mutant(
        "the order of locks",
        "sql/routines/finish_jobs.sql",
        "  order by job.id\n  for no key update;",
        "  order by job.id = any (also), job.id\n  for no key update;",
        test="store/test_ack test_the_completed_steps_of_a_batch_wait_in_one_order_with_those_that_failed",
    ),
    Mutant(
        "the order of locks of what completed",
        "baton/store/cycles.py",
        "done = sorted((ack.id, ack.epoch) for ack in plain)",
        "done = [(ack.id, ack.epoch) for ack in plain]",
        test="store/test_ack test_overlapping_batches_in_opposite_order_do_not_deadlock",
    ),
    Mutant(
        "the commit before the check",
        "sql/routines/cycle.sql",
        "    commit;\n    if release is not null then",
        "    if release is not null then",
        test="store/test_release test_an_end_is_committed_before_the_steps_after_it_are_looked_at",
    ),
    Mutant(
        "the disk that an acknowledgement waits for",
        "sql/routines/cycle.sql",
        "or usage is not null then\n    commit;\n",
        "or usage is not null then\n    perform set_config('synchronous_commit', 'off', true);\n"
        "    commit;\n",
        test="store/test_ack "
        "test_an_acknowledgement_waits_for_the_disk_and_what_follows_from_it_does_not",
    ),
    Mutant(
        "the commit before what follows is followed",
        "sql/routines/cycle.sql",
        "      commit;\n      perform set_config('synchronous_commit', 'off', true);\n    end if;",
        "    end if;",
        test="store/test_gates test_what_a_cascade_has_ended_is_committed_before_it_is_followed",
    ),
    Mutant(
        "the promise to look at dependents",
        "sql/routines/complete_steps.sql",
        "insert into baton.workflow_releases as kept (job_ids) values (ended) "
        "returning kept.id into release;",
        "null;",
        test="store/test_release test_a_step_waits_for_its_last_dependency",
    ),
    Mutant(
        "the sweep",
        "sql/routines/sweep_releases.sql",
        "    limit most\n",
        "    limit 0\n",
        test="store/test_release test_the_sweep_finishes_what_a_crash_left_between_ack_and_release",
    ),
    Mutant(
        "the sweep, under load",
        "sql/routines/sweep_releases.sql",
        "    limit most\n",
        "    limit 0\n",
        faults="immediate",
    ),
    Mutant(
        "the look at the gate under the lock",
        "sql/routines/release_steps.sql",
        "step.parked_at is null and not gate.closed",
        "step.parked_at is null",
        test="store/test_graft_races test_a_gate_that_closes_between_the_look_and_the_lock_stays_closed",
    ),
    Mutant(
        "the look at the steps of a workflow under its lock",
        "sql/routines/finish_workflows.sql",
        "    where not steps.open\n",
        "",
        test="store/test_operations_races test_a_workflow_whose_step_is_retried_between_the_look_and_the_lock_goes_on",
    ),
    Mutant(
        "the look at what is poisoned under the lock",
        "sql/routines/cancel_poisoned_steps.sql",
        "select baton.poisoned_steps(ids, locked) order by 1",
        "select unnest(locked) order by 1",
        test="store/test_workflow_operations_races test_a_cascade_looks_again_once_it_has_its_locks",
    ),
    Mutant(
        "the row that holds what a lock kept from being released",
        "sql/routines/advance_release.sql",
        "  if not complete then",
        "  if false then",
        test="store/test_release test_a_held_dependent_is_not_waited_for_and_the_sweep_comes_back",
    ),
    Mutant(
        "the renewal of the lease",
        "baton/services/lease_keeper.py",
        "                self._try()\n",
        "                pass\n",
        test="e2e/test_liveness test_a_slow_live_job_is_never_rescued",
    ),
    Mutant(
        "the abandoning of jobs whose lease is lost",
        "baton/services/lease_keeper.py",
        "        self._on_lost()\n",
        "",
        test="services/test_node test_a_process_that_cannot_renew_stops_its_jobs_and_starts_anew",
    ),
    Mutant(
        "the rescue of jobs without a lease",
        "sql/routines/rescue_jobs.sql",
        "where job.id = any (orphans) and job.state = 'executing'",
        "where false",
        test="store/test_rescue test_a_silent_process_without_a_connection_is_dead",
    ),
    Mutant(
        "the lock that says that a silent process lives",
        "sql/routines/rescue_jobs.sql",
        "          and pg_try_advisory_xact_lock("
        "hashtext('baton.leases'), (silent.id % 2147483647)::integer)\n",
        "",
        test="store/test_rescue test_a_live_process_keeps_its_jobs_however_slow_they_are",
    ),
    Mutant(
        "the time to come back after a restart of the server",
        "sql/routines/rescue_jobs.sql",
        "greatest(silent.renewed_at, pg_postmaster_start_time())",
        "silent.renewed_at",
        test="store/test_rescue test_a_restart_of_the_server_is_nobodys_death",
    ),
    Mutant(
        "the listening after a lost connection",
        "baton/services/notifier.py",
        "            await sleep(uniform(0.2, 0.6))  # noqa: S311\n",
        "            await sleep(3600)\n",
        test="services/test_notifier test_listeners_subscribe_again_after_the_connection_was_lost_and_are_really_woken",
    ),
    Mutant(
        "the catching up after a gap",
        "baton/services/notifier.py",
        "                    self._catch_up()\n",
        "",
        test="services/test_notifier test_everybody_is_to_look_before_anything_else_is_heard_after_a_gap",
    ),
    Mutant(
        "the return of claims whose answer was lost",
        "baton/services/producer.py",
        "                await self._lifeline.return_lost_claims(self._lease.lease, known)\n",
        "                pass\n",
        faults="lost_reply,backends",
    ),
    Mutant(
        "the keeping of acknowledgements whose answer was lost",
        "baton/services/producer.py",
        "        except DatabaseError as error:\n            self._acks.keep(pending)\n",
        "        except DatabaseError as error:\n",
        test="services/test_producer test_an_end_whose_answer_was_lost_is_acknowledged_again",
    ),
    Mutant(
        "the lock on the row of a limited queue",
        "sql/routines/pick_limited_jobs.sql",
        "  from baton.queues as found where found.name = queue_name\n  for no key update;",
        "  from baton.queues as found where found.name = queue_name;",
        test="store/test_limits test_24_many_processes_at_once_never_exceed_a_global_limit",
    ),
    Mutant(
        "the memory of the newest tick",
        "sql/queries/crons_claim.sql",
        "    and cron.last_tick_at is not distinct from given.seen\n"
        "    and coalesce(given.tick > cron.last_tick_at, given.tick >= cron.inserted_at)\n",
        "",
        test="store/test_crons test_twenty_claims_of_the_same_reading_take_once",
    ),
    Mutant(
        "the look at the lease before each attempt",
        "baton/services/executor.py",
        "                    if not self._may_begin():\n",
        "                    if False:\n",
        test="services/test_frozen test_what_others_run_by_now_never_begins",
    ),
    Mutant(
        "the clock of the lease of a process that was frozen",
        "baton/services/lease_keeper.py",
        "        return not self._given_up.is_set() and monotonic() < self._renewed + self._ttl * 5 / 6\n",
        "        return not self._given_up.is_set()\n",
        test="services/test_frozen test_a_lease_that_was_not_renewed_in_time_lets_nothing_begin",
    ),
    Mutant(
        "the reservation of what an attempt may cost",
        "sql/routines/admit_attempt.sql",
        "    if own_cost > 0 or own_tokens > 0 then",
        "    if false then",
        test="store/test_budgets test_what_runs_counts_with_the_most_that_it_may_cost",
    ),
    Mutant(
        "the claim that a reservation belongs to",
        "sql/routines/budget_standing.sql",
        "      and job.state = 'executing' and job.epoch = each.epoch and job.attempted_by = each.lease\n",
        "",
        test="store/test_budget_races test_what_a_dead_process_had_reserved_is_free",
    ),
    Mutant(
        "the lock of the budgets that are asked",
        "sql/routines/admit_attempt.sql",
        "    order by budget.id\n    for no key update\n",
        "    order by budget.id\n",
        test="store/test_budget_races test_many_at_once_never_start_beyond_a_budget",
    ),
    Mutant(
        "the lock of the step that an answer is for",
        "sql/routines/answer_approval.sql",
        "  perform from baton.jobs as job where job.id = asked.job_id for no key update;\n",
        "",
        test="store/test_approvals test_an_answer_that_waited_for_the_time_to_be_kept_comes_too_late",
    ),
    Mutant(
        "the second answer that is none",
        "sql/routines/answer_approval.sql",
        "    if found then\n      insert into baton.workflow_releases",
        "    if true then\n      insert into baton.workflow_releases",
        test="store/test_approvals test_of_two_who_answer_at_the_same_time_one_is_heard",
    ),
    Mutant(
        "the rights of the owner for an insert of unique jobs",
        "sql/routines/insert_unique_jobs.sql",
        "security definer set search_path",
        "set search_path",
        test="services/test_roles test_a_client_role_inserts_in_every_way_and_looks",
    ),
    Mutant(
        "the names that an insert with the rights of the owner goes by",
        "sql/routines/insert_unique_jobs.sql",
        "security definer set search_path = pg_catalog, pg_temp\n",
        "security definer\n",
        test="store/test_grants test_nobody_borrows_the_rights_of_the_owner_with_functions_of_their_own",
    ),
    Mutant(
        "the insert of unique jobs that readers may not make",
        "baton/store/grants.py",
        '        if access != "reader" or name not in _INSERTING\n',
        "",
        test="store/test_grants test_a_role_may_do_what_its_kind_needs_and_nothing_else",
    ),
    Mutant(
        "the look at the queue of notifications",
        "sql/routines/notify.sql",
        "select case when pg_notification_queue_usage() < 0.98 then pg_notify(channel, payload) end",
        "select pg_notify(channel, payload)",
        test="services/test_full_notifications test_a_queue_of_notifications_that_is_full",
    ),
    Mutant(
        "the word of a standby that is silent",
        "baton/store/cycles.py",
        "        cycle.unconfirmed = self._unconfirmed\n",
        "",
        test="services/test_standby "
        "test_what_ends_while_the_standby_is_silent_counts_once_and_is_said_once",
    ),
    Mutant(
        "the refusal that does not pass",
        "baton/store/translation.py",
        "if isinstance(error, _NO_ACCESS) or _is_refused(error):",
        "if isinstance(error, _NO_ACCESS):",
        test="store/test_translation test_who_is_refused_is_refused_again",
    ),
    Mutant(
        "the wait for a database that is started later",
        "baton/services/beginning.py",
        "if not error.transient or monotonic() >= until:",
        "if error is not None:",
        test="services/test_beginning test_a_process_waits_for_a_server_that_is_started_later",
    ),
    Mutant(
        "the time that those have who were cut off as well",
        "baton/services/rescuer.py",
        "SILENCE if lease.back_for() >= SILENCE else None",
        "SILENCE",
        test="services/test_rescuer test_who_has_just_come_back_does_not_take_silence_for_death",
    ),
    Mutant(
        "the bell of a signal",
        "baton/cli/stopping.py",
        "        signal.signal(number, ring)\n",
        "        pass\n",
        test="e2e/test_worker_process "
        "test_code_that_does_not_end_is_ended_a_second_after_the_grace",
    ),
)

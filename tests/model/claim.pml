/* Who may acknowledge a job, and that somebody does: claims, processes that are killed, leases that are
 * declared dead while their process was only slow, a person who takes the job away, replies that are
 * lost, and a server that crashes and forgets commits that did not wait for its disk.
 * sql/routines/fetch_jobs.sql, complete_jobs.sql and rescue_jobs.sql; baton/services/executor.py.
 *
 * `job` is what the server knows, `disk` what it knows after a crash. Claims and rescues are committed
 * without waiting for the disk; an acknowledgement and what a person does wait, and take all before
 * along. `claim` numbers the claims: no program sees it, the assertions do. 0 is none.
 *
 * Holds: only the attempt that the row stands for is accepted, and once; the attempts of a job that one
 * process has in hand differ in their epochs; in the end the job is completed.
 * Broken variants: NO_EPOCH, NO_LEASE, NO_STATE (a part of the fence is missing), SAME_EPOCH (a claim does
 * not grow it), TWICE_IN_HAND (a claim that a process has already is one more attempt), NO_RESCUE,
 * NO_RETURN (a claim whose reply was lost is not given back).
 */

#define PROCESSES 3
#define SURVIVOR 2 /* is never killed, and keeps its lease */
#define NOBODY 255

mtype = { available, executing, completed };

typedef Row { mtype state; byte epoch; byte by; byte claim };
Row job, disk;
bool alive[PROCESSES];      /* leases */
bool forgotten[PROCESSES];  /* the server has forgotten a claim of theirs */
byte claims, accepted;
byte crashes = 1, taken = 1, losses = 1;

inline flush() {
  disk.state = job.state; disk.epoch = job.epoch; disk.by = job.by; disk.claim = job.claim
}

inline begin() {
  claims++;
  job.state = executing;
#ifndef SAME_EPOCH
  job.epoch++;
#endif
  job.by = me; job.claim = claims;
  if
#ifndef TWICE_IN_HAND
  :: epoch == job.epoch && claim > 0 -> /* the same claim, made again */
    assert(forgotten[me]);
    claim = claims
#endif
  :: losses > 0 && (epoch != job.epoch || claim == 0) -> losses-- /* the reply is lost */
  :: claim == 0 -> epoch = job.epoch; claim = claims
  :: claim > 0 && epoch != job.epoch ->
    late_epoch = epoch; late_claim = claim; epoch = job.epoch; claim = claims
#ifdef TWICE_IN_HAND
  :: epoch == job.epoch && claim > 0 -> assert(false)
#endif
  fi
}

#ifdef NO_STATE
#define RUNS true
#else
#define RUNS job.state == executing
#endif
#ifdef NO_EPOCH
#define SAME(its_epoch) true
#else
#define SAME(its_epoch) job.epoch == its_epoch
#endif
#ifdef NO_LEASE
#define OWN true
#else
#define OWN job.by == me
#endif

inline acknowledge(its_epoch, its_claim) {
  if
  :: RUNS && SAME(its_epoch) && OWN ->
    assert(job.claim == its_claim);
    accepted++;
    assert(accepted == 1);
    job.state = completed; job.claim = 0;
    flush();
    if
    :: its_claim = 0
    :: skip                            /* the reply is lost: it is sent again */
    fi
  :: else -> its_claim = 0             /* refused */
  fi
}

proctype Process(byte me) {
  byte epoch, claim, late_epoch, late_claim;
end:
  do
  :: atomic { job.state == available && alive[me] && late_claim == 0 -> begin() }
  :: atomic { claim > 0 -> acknowledge(epoch, claim) }
  :: atomic { late_claim > 0 -> acknowledge(late_epoch, late_claim) }
#ifndef NO_RETURN
  :: atomic {                            /* sql/queries/job_return_lost.sql */
       job.state == executing && job.by == me && claim == 0 && late_claim == 0 ->
       job.state = available; job.claim = 0
     }
#endif
  :: me != SURVIVOR -> break           /* kill -9 */
  od
}

active proctype Rescue() {
end:
  do
  :: atomic { alive[0] -> alive[0] = false }
  :: atomic { alive[1] -> alive[1] = false }
#ifndef NO_RESCUE
  :: atomic { job.state == executing && !alive[job.by] -> job.state = available; job.claim = 0 }
#endif
  od
}

active proctype Person() {
end:
  do
  :: atomic {
       taken > 0 && job.state == executing ->
       taken--;
       job.state = available; job.claim = 0;
       flush()
     }
  od
}

active proctype Server() {
end:
  do
  :: atomic {
       disk.state != job.state || disk.epoch != job.epoch || disk.by != job.by -> flush()
     }
  :: atomic {
       crashes > 0 -> crashes--;
       if
       :: job.claim > 0 && job.claim != disk.claim -> forgotten[job.by] = true
       :: else
       fi;
       job.state = disk.state; job.epoch = disk.epoch; job.by = disk.by; job.claim = disk.claim
     }
  od
}

init {
  atomic {
    job.state = available; job.by = NOBODY;
    flush();
    alive[0] = true; alive[1] = true; alive[SURVIVOR] = true;
    run Process(0); run Process(1); run Process(SURVIVOR)
  };
  timeout -> assert(job.state == completed)
}

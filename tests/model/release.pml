/* The release of a step with two dependencies: sql/routines/cycle.sql, advance_release.sql and
 * release_steps.sql. Two cycles end the dependencies, a person retries one of them, any cycle may be
 * killed between its two transactions or inside the second, and a sweep takes over what is left.
 *
 * A statement that reads is one atomic step, since it has one snapshot, and sees only what is
 * committed; what a transaction writes is seen all at once, at its commit. Row locks are variables.
 *
 * Holds: the step is released when all is quiet, and never while a dependency is open.
 * Broken variants: CHECK_INSIDE (the dependents are looked up in the transaction that ends the
 * dependency), NO_SWEEP, NO_RECHECK (no new statement under the lock), NO_PUT_BACK (the row of
 * workflow_releases goes although somebody else held the step), NO_ROW (it is never written).
 */

#define PARENTS 2
#define ROWS 3 /* one for each end: the third is that of the dependency that is retried */
#define NOBODY 255

bool ended[PARENTS];     /* workflow_steps.outcome of the dependencies */
bool owed[ROWS];         /* workflow_releases */
bool owed_locked[ROWS];
bool released;           /* the dependent's job: suspended or available */
byte locked_by = NOBODY; /* who has the lock of the dependent's job */

#define READY (ended[0] && ended[1] && !released)

inline release_now() {
  assert(ended[0] && ended[1]);
  released = true
}

/* sql/routines/advance_release.sql; `ready` and `got` are the caller's */
inline advance(row) {
  atomic {
    if
    :: owed[row] && !owed_locked[row] -> owed_locked[row] = true; got = true
    :: else -> got = false
    fi
  };
  if
  :: got ->
    atomic { ready = READY };                          /* the first look takes no lock */
    if
    :: ready ->
      atomic {                                         /* for no key update skip locked */
        if
        :: locked_by == NOBODY -> locked_by = _pid
        :: else -> got = false
        fi
      };
      if
      :: got ->
#ifndef NO_RECHECK
        atomic { ready = READY };                      /* a new statement, a new snapshot */
#endif
        if
        :: atomic {                                    /* commit */
             if
             :: ready -> release_now()
             :: else
             fi;
             locked_by = NOBODY; owed[row] = false; owed_locked[row] = false
           }
        :: atomic { locked_by = NOBODY; owed_locked[row] = false } /* killed: rolled back */
        fi
      :: else ->
#ifdef NO_PUT_BACK
        atomic { owed[row] = false; owed_locked[row] = false }
#else
        atomic { owed_locked[row] = false }          /* put back for the sweep */
#endif
      fi
    :: else -> atomic { owed[row] = false; owed_locked[row] = false }
    fi
  :: else
  fi
}

/* The first transaction of a cycle ends the dependency; the second advances. */
inline finish(parent, its_row) {
#ifdef CHECK_INSIDE
  atomic { ready = ended[1 - parent] && !released };
  atomic {
    ended[parent] = true;
    if
    :: ready -> release_now()
    :: else
    fi
  }
#else
#ifdef NO_ROW
  atomic { ended[parent] = true };
#else
  atomic { ended[parent] = true; owed[its_row] = true };
#endif
  if
  :: advance(its_row)
  :: skip                                              /* killed after the commit */
  fi
#endif
}

proctype Cycle(byte which) {
  bool ready, got;
  finish(which, which)
}

/* sql/routines/retry_jobs.sql: locks what is concerned, then looks; the dependency runs again. */
proctype Person() {
  bool ready, got, again;
  atomic { locked_by == NOBODY -> locked_by = _pid };
  atomic { again = ended[0] && !released };
  atomic {
    if
    :: again -> ended[0] = false
    :: else
    fi;
    locked_by = NOBODY
  };
  if
  :: again -> finish(0, 2)
  :: else
  fi
}

#ifndef NO_SWEEP
active proctype Sweep() {
  bool ready, got;
end:
  do
  :: owed[0] && !owed_locked[0] -> advance(0)
  :: owed[1] && !owed_locked[1] -> advance(1)
  :: owed[2] && !owed_locked[2] -> advance(2)
  od
}
#endif

init {
  atomic { run Cycle(0); run Cycle(1); run Person() };
  timeout -> assert(released)                          /* nobody can do anything any more */
}

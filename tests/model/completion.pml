/* The end of a workflow whose last two steps end at the same time, and how often it is announced:
 * sql/routines/finish_workflows.sql in the second transaction of two cycles, and the sweep.
 *
 * Holds: it is announced exactly once, and after its last step.
 * Broken variants: CHECK_INSIDE (looked up in the transaction that ends the step), NO_RECHECK (the
 * state is not looked at again under the lock), NO_LOCK. Whoever finds the workflow locked keeps its
 * row for the sweep; that is not needed here, because whoever holds it has looked at both ends or keeps a
 * row too, and is not relied upon.
 */

#define STEPS 2
#define NOBODY 255

bool ended[STEPS];
bool owed[STEPS];
bool owed_locked[STEPS];
bool finished;           /* workflows.state */
byte announced;          /* rows of workflow_completions, were there no primary key */
byte locked_by = NOBODY; /* who has the lock of the workflow */

#define DONE (ended[0] && ended[1] && !finished)

inline announce() {
  assert(ended[0] && ended[1]);
  finished = true;
  announced++;
  assert(announced == 1)
}

inline settle(which) {
  atomic {
    if
    :: owed[which] && !owed_locked[which] -> owed_locked[which] = true; got = true
    :: else -> got = false
    fi
  };
  if
  :: got ->
    atomic { done = DONE };
    if
    :: done ->
      atomic {
        if
#ifdef NO_LOCK
        :: true
#else
        :: locked_by == NOBODY -> locked_by = _pid
        :: else -> got = false
#endif
        fi
      };
      if
      :: got ->
#ifndef NO_RECHECK
        atomic { done = DONE };
#endif
        if
        :: atomic {
             if
             :: done -> announce()
             :: else
             fi;
             locked_by = NOBODY; owed[which] = false; owed_locked[which] = false
           }
        :: atomic { locked_by = NOBODY; owed_locked[which] = false }
        fi
      :: else -> atomic { owed_locked[which] = false }
      fi
    :: else -> atomic { owed[which] = false; owed_locked[which] = false }
    fi
  :: else
  fi
}

proctype Cycle(byte which) {
  bool done, got;
#ifdef CHECK_INSIDE
  atomic { done = ended[1 - which] };
  atomic {
    ended[which] = true;
    if
    :: done -> announce()
    :: else
    fi
  }
#else
  atomic { ended[which] = true; owed[which] = true };
  if
  :: settle(which)
  :: skip
  fi
#endif
}

active proctype Sweep() {
  bool done, got;
end:
  do
  :: owed[0] && !owed_locked[0] -> settle(0)
  :: owed[1] && !owed_locked[1] -> settle(1)
  od
}

init {
  atomic { run Cycle(0); run Cycle(1) };
  timeout -> assert(announced == 1)
}

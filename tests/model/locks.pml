/* Transactions that lock several jobs: an acknowledgement, a cancel and a retry wait for their locks, and
 * take them in the order of the ids, in one statement and before any other lock; a release and a
 * claim pass over what is locked. The third row is that of the workflow, locked after its jobs.
 *
 * Holds: all of them end.
 * Broken variants: NO_ORDER (one of them takes the jobs as they come), WORKFLOW_FIRST (one of them has the
 * lock of the workflow when it asks for those of jobs), NO_SKIP (a release waits while it holds others).
 */

#define ROWS 3
#define WORKFLOW 2
#define NOBODY 255

byte locked_by[ROWS];
byte ended;

inline lock(row) {
  atomic { locked_by[row] == NOBODY || locked_by[row] == _pid -> locked_by[row] = _pid }
}

inline pass_over(row) {
  atomic {
    if
    :: locked_by[row] == NOBODY -> locked_by[row] = _pid
    :: else
    fi
  }
}

inline commit() {
  atomic {
    each = 0;
    do
    :: each < ROWS ->
      if
      :: locked_by[each] == _pid -> locked_by[each] = NOBODY
      :: else
      fi;
      each++
    :: else -> break
    od;
    ended++
  }
}

proctype Acknowledge() {
  byte each;
  lock(0); lock(1);
  commit()
}

proctype Cancel() {
  byte each;
#ifdef NO_ORDER
  lock(1); lock(0); lock(WORKFLOW);
#else
#ifdef WORKFLOW_FIRST
  lock(WORKFLOW); lock(0); lock(1);
#else
  lock(0); lock(1); lock(WORKFLOW);
#endif
#endif
  commit()
}

proctype Retry() {
  byte each;
  lock(0); lock(1); lock(WORKFLOW);
  commit()
}

proctype Release() {
  byte each;
#ifdef NO_SKIP
  lock(1); pass_over(WORKFLOW); lock(0);
#else
  pass_over(0); pass_over(1); pass_over(WORKFLOW);
#endif
  commit()
}

init {
  atomic {
    locked_by[0] = NOBODY; locked_by[1] = NOBODY; locked_by[WORKFLOW] = NOBODY;
    run Acknowledge(); run Cancel(); run Retry(); run Release()
  };
  timeout -> assert(ended == 4)
}

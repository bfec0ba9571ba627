/* One tick of a cron entry and the processes that all see that it is due: baton/services/cron.py and
 * sql/queries/crons_claim.sql. Each reads the last tick, decides, and then moves the entry on and inserts
 * the job in one transaction, under the lock of the entry. One that is killed in there is rolled back.
 *
 * Holds: each tick has exactly one job.
 * Broken variants: NO_SEEN (whether the entry is still at the tick that was read is not looked at),
 * NO_LOCK (two may be in there), TWO_COMMITS (the entry is moved on before the job is inserted),
 * NO_NEXT_LOOK (who finds the entry locked does not look again).
 */

#define TICKS 2
#define NOBODY 255

byte now_at = 1;            /* the newest tick that is due */
byte last;                  /* crons.last_tick_at */
byte jobs[TICKS + 1];
byte locked_by = NOBODY;
byte kills = 1;

proctype Process(byte me) {
  byte seen, tick;
  bool got;
end:
  do
  :: atomic { last < now_at -> seen = last; tick = seen + 1 };
    atomic {                                   /* for no key update skip locked */
      if
#ifdef NO_LOCK
      :: got = true
#else
      :: locked_by == NOBODY -> got = true; locked_by = me
      :: else -> got = false
#endif
      fi
    };
    if
    :: got ->
      atomic {                                 /* the lock shows the newest version of the row */
        if
#ifdef NO_SEEN
        :: true
#else
        :: last == seen
        :: else -> got = false
#endif
        fi
      };
#ifdef TWO_COMMITS
      atomic {
        if
        :: got -> last = tick
        :: else
        fi
      };
#endif
      if
      :: atomic {                              /* commit */
           if
           :: got -> last = tick; jobs[tick]++; assert(jobs[tick] == 1)
           :: else
           fi;
           locked_by = NOBODY
         }
      :: atomic { kills > 0 -> kills--; locked_by = NOBODY; break }
      fi
    :: else ->
#ifdef NO_NEXT_LOOK
      break
#else
      skip
#endif
    fi
  od
}

active proctype Clock() {
end:
  do
  :: atomic { now_at < TICKS -> now_at++ }
  od
}

init {
  atomic { run Process(0); run Process(1) };
  timeout -> assert(jobs[1] == 1 && jobs[2] == 1)
}

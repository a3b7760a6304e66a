/* The monitor of shared objects (docs/ipc.md): a robust lock, a line of waiters on a futex, and a
 * change that is one store. W waiters take from a number that A announcers raise; K of all of them
 * are killed anywhere. Checked: nobody sleeps for ever beside a number that is not 0, and what was
 * taken was there.
 *   -DCOMMIT_FIRST  the change before the wake-up
 *   -DCLEAR_FIRST   `sleepers` is cleared before the wake-up
 *   -DWAKE_ONE      one waiter is woken
 *   -DREAD_LATE     the waiter reads `turn` after it released the lock
 */
#ifndef W
#define W 2
#endif
#ifndef A
#define A 2
#endif
#ifndef K
#define K 2
#endif
#define FREE 99

byte owner = FREE;    /* of the lock; a death frees it, as the kernel does */
byte number = 0;      /* what is waited for */
byte turn = 0;
bool sleepers = false;
bool asleep[W];       /* in the futex's queue */
bool done[W];
bool dead[W + A];
byte kills = K;
byte ended = 0;       /* announcers that have ended */

/* At each step a process may be killed: the lock is freed, and it is in no queue any more. */
#define OR_DIE(me) \
  :: atomic { kills > 0 -> kills--; dead[me] = true; \
       if :: owner == me -> owner = FREE :: else -> skip fi; \
       goto died }

inline wake() {
  d_step {
    i = 0;
#ifdef WAKE_ONE
    do :: i < W && !asleep[i] -> i++ :: else -> break od;
    if :: i < W -> asleep[i] = false :: else -> skip fi;
#else
    do :: i < W -> asleep[i] = false; i++ :: else -> break od;
#endif
    i = 0
  }
}

proctype waiter(byte me) {
  byte seen;
again:
  if
  :: atomic { owner == FREE -> owner = me }
  OR_DIE(me)
  fi;
look:
  if
  :: number > 0 -> goto take
  :: number == 0
  fi;
  if :: sleepers = true OR_DIE(me) fi;
#ifndef READ_LATE
  if :: seen = turn OR_DIE(me) fi;
#endif
  if :: owner = FREE OR_DIE(me) fi;
#ifdef READ_LATE
  if :: seen = turn OR_DIE(me) fi;
#endif
  /* the futex call: compares and sleeps as one */
  if
  :: atomic { turn == seen -> asleep[me] = true }
  :: turn != seen
  OR_DIE(me)
  fi;
end_asleep: /* legitimate while there is nothing to take; init looks */
  if
  :: !asleep[me]
  :: atomic { asleep[me] && kills > 0 -> kills--; dead[me] = true; asleep[me] = false; goto died }
  fi;
  goto again;
take:
  assert(number > 0);
  if :: number-- OR_DIE(me) fi;
  if :: owner = FREE OR_DIE(me) fi;
  done[me] = true;
died:
  skip
}

proctype announcer(byte me) {
  byte i;
  if
  :: atomic { owner == FREE -> owner = me }
  OR_DIE(me)
  fi;
#ifdef COMMIT_FIRST
  if :: number++ OR_DIE(me) fi;
#endif
  if
  :: sleepers ->
#ifdef CLEAR_FIRST
     if :: sleepers = false OR_DIE(me) fi;
#endif
     if :: turn++ OR_DIE(me) fi;
     if :: wake() OR_DIE(me) fi;
#ifndef CLEAR_FIRST
     if :: sleepers = false OR_DIE(me) fi
#endif
  :: !sleepers
  fi;
#ifndef COMMIT_FIRST
  if :: number++ OR_DIE(me) fi;
#endif
  if :: owner = FREE OR_DIE(me) fi;
died:
  ended++
}

init {
  byte p;
  atomic {
    p = 0;
    do :: p < W -> run waiter(p); p++ :: else -> break od;
    do :: p < W + A -> run announcer(p); p++ :: else -> break od
  }
  /* Nothing moves any more, and still a living one sleeps beside what it waits for. */
  timeout;
  p = 0;
  do
  :: p < W -> assert(done[p] || dead[p] || number == 0); p++
  :: else -> break
  od
}

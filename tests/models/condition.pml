/* The condition (docs/ipc.md): a waiter reads `turn` with the mutex held, releases it and sleeps on
 * `turn`; whoever notifies has changed what is waited for under the mutex, adds 1 and wakes all.
 * A sleeper also looks again by itself after a while. K of all of them are killed anywhere.
 * Checked: nobody sleeps for ever beside what it waits for.
 *   -DNO_LOOK    sleepers do not look again by themselves: right only where nobody dies (-DK=0)
 *   -DREAD_LATE  the waiter reads `turn` after it released the mutex
 */
#ifndef W
#define W 2
#endif
#ifndef K
#define K 2
#endif
#define FREE 99

byte owner = FREE;    /* of the mutex; a death frees it, as the kernel does */
bool ready = false;   /* what is waited for */
byte turn = 0;
bool asleep[W];       /* in the futex's queue */
bool dead[W + 1];
bool ended = false;   /* the notifier */
byte kills = K;

#define OR_DIE(me) \
  :: atomic { kills > 0 -> kills--; dead[me] = true; \
       if :: owner == me -> owner = FREE :: else -> skip fi; \
       goto died }

proctype waiter(byte me) {
  byte seen;
again:
  if
  :: atomic { owner == FREE -> owner = me }
  OR_DIE(me)
  fi;
  if
  :: ready -> goto done
  :: !ready
  fi;
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
end_asleep: /* legitimate while there is nothing to see; init looks */
  if
  :: !asleep[me]
#ifndef NO_LOOK
  :: atomic { asleep[me] && ready -> asleep[me] = false }
#endif
  :: atomic { asleep[me] && kills > 0 -> kills--; dead[me] = true; asleep[me] = false; goto died }
  fi;
  goto again;
done:
  owner = FREE;
died:
  skip
}

proctype notifier(byte me) {
  byte i;
  if
  :: atomic { owner == FREE -> owner = me }
  OR_DIE(me)
  fi;
  if :: ready = true OR_DIE(me) fi;
  if :: owner = FREE OR_DIE(me) fi;
  if :: turn++ OR_DIE(me) fi;
  if
  :: d_step { i = 0; do :: i < W -> asleep[i] = false; i++ :: else -> break od }
  OR_DIE(me)
  fi;
died:
  ended = true
}

init {
  byte w;
  atomic {
    run notifier(W);
    w = 0;
    do :: w < W -> run waiter(w); w++ :: else -> break od
  }
  ended;
  timeout; /* nothing moves any more */
  d_step {
    w = 0;
    do :: w < W -> assert(!(asleep[w] && ready)); w++ :: else -> break od
  }
}

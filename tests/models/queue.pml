/* The queue (docs/ipc.md). Each end has a lock and a place: there twice, changed by writing the copy
 * that does not count and then, as its one store, which one counts; read by the other side without
 * the lock. Who finds nothing sleeps on the other end's line, and registers there under its lock. A
 * producer without room makes a larger ring under both locks. The locks are taken for granted
 * (robust: a death frees them). K of the N producers and N consumers are killed anywhere.
 * Checked: what was committed, and nothing else, is taken once and in order; nobody sleeps for ever
 * beside an item.
 *   -DITEM_LATE     the item is written behind the commit
 *   -DIN_PLACE      the copy that counts is changed in place
 *   -DNO_SECOND_LOOK  the other side does not look whether its copy still counts
 *   -DOWN_LOCK      who sleeps registers under the lock of its own end
 *   -DCOMMIT_FIRST  the commit before the wake-up
 *   -DONE_LOCK      the ring is changed under the producers' lock alone
 */
#ifndef N
#define N 2
#endif
#ifndef K
#define K 2
#endif
#define FREE 99
#ifndef SMALL
#define SMALL 1 /* the cells of the first ring */
#endif
#define LARGE 4

byte putting = FREE, getting = FREE; /* who holds the lock */
byte tail[2], head[2];               /* the copies of the two places */
byte puts = 0, gets = 0;             /* commits: puts % 2 is the copy that counts */
byte seen_head = 0, seen_tail = 0;   /* hints of each side about the other */
bool large = false;                  /* the ring in use */
byte small_ring[SMALL], large_ring[LARGE];
byte turn = 0;
bool sleepers = false;
bool asleep[N];
bool done[N];
bool dead[2 * N];
byte committed = 0, taken = 0; /* what really happened, for the checks */
byte kills = K;

#define OR_DIE(me) \
  :: atomic { kills > 0 -> kills--; dead[me] = true; \
       if :: putting == me -> putting = FREE :: else -> skip fi; \
       if :: getting == me -> getting = FREE :: else -> skip fi; \
       goto died }

/* What the other side reads of an end; several steps. */
#ifdef NO_SECOND_LOOK
#define STILL(commits) true
#else
#define STILL(commits) (commits == c)
#endif
#define SEE(place, commits, to, again) \
again: \
  if :: c = commits OR_DIE(me) fi; \
  if :: to = place[c % 2] OR_DIE(me) fi; \
  if :: STILL(commits) :: !STILL(commits) -> goto again OR_DIE(me) fi

#ifdef IN_PLACE
#define OTHER(commits) (commits % 2)
#else
#define OTHER(commits) ((commits + 1) % 2)
#endif

inline write_item(at) {
  d_step {
    if
    :: large -> large_ring[at % LARGE] = at + 1
    :: else -> small_ring[at % SMALL] = at + 1
    fi
  }
}

proctype producer(byte me) {
  byte c, t, h, i;
  if :: atomic { putting == FREE -> putting = me } OR_DIE(me) fi;
  t = tail[puts % 2];
  if
  :: !large && t - seen_head >= SMALL ->
     SEE(head, gets, h, look);
     seen_head = h;
     if
     :: t - seen_head < SMALL -> skip
     :: else ->
#ifndef ONE_LOCK
        if :: atomic { getting == FREE -> getting = me } OR_DIE(me) fi;
#endif
        h = head[gets % 2];
        /* what is in the queue, into the larger ring; a consumer still reads the other one */
        i = h;
        do
        :: i < t -> if :: d_step { large_ring[i % LARGE] = small_ring[i % SMALL]; i++ } OR_DIE(me) fi
        :: else -> break
        od;
        if :: large = true OR_DIE(me) fi;
        if :: small_ring[0] = 0 OR_DIE(me) fi; /* its pages are dropped */
#ifndef ONE_LOCK
        if :: getting = FREE OR_DIE(me) fi
#endif
     fi
  :: else -> skip
  fi;
#ifndef ITEM_LATE
  if :: write_item(t) OR_DIE(me) fi;
#endif
#ifdef COMMIT_FIRST
  if :: tail[OTHER(puts)] = t + 1 OR_DIE(me) fi;
  if :: d_step { puts++; committed++ } OR_DIE(me) fi;
#endif
  if
  :: sleepers ->
     if :: turn++ OR_DIE(me) fi;
     if :: d_step { i = 0; do :: i < N -> asleep[i] = false; i++ :: else -> break od; i = 0 } OR_DIE(me) fi;
     if :: sleepers = false OR_DIE(me) fi
  :: !sleepers
  fi;
#ifndef COMMIT_FIRST
  if :: tail[OTHER(puts)] = t + 1 OR_DIE(me) fi;
  if :: d_step { puts++; committed++ } OR_DIE(me) fi;
#endif
#ifdef ITEM_LATE
  if :: write_item(t) OR_DIE(me) fi;
#endif
  if :: putting = FREE OR_DIE(me) fi;
died:
  skip
}

proctype consumer(byte me) {
  byte c, h, t, got, seen;
  bool in_large;
again:
  if :: atomic { getting == FREE -> getting = me } OR_DIE(me) fi;
  h = head[gets % 2];
  if
  :: seen_tail == h -> SEE(tail, puts, t, look); seen_tail = t
  :: else -> skip
  fi;
  if
  :: seen_tail != h -> goto take
  :: else -> skip
  fi;
  if :: getting = FREE OR_DIE(me) fi;
  /* nothing: it looks again, and registers, under the lock of those who wake it */
#ifdef OWN_LOCK
  if :: atomic { getting == FREE -> getting = me } OR_DIE(me) fi;
#else
  if :: atomic { putting == FREE -> putting = me } OR_DIE(me) fi;
#endif
  SEE(head, gets, h, look_again);
  if
  :: tail[puts % 2] != h ->
#ifdef OWN_LOCK
     if :: getting = FREE OR_DIE(me) fi;
#else
     if :: putting = FREE OR_DIE(me) fi;
#endif
     goto again
  :: else -> skip
  fi;
  if :: sleepers = true OR_DIE(me) fi;
  seen = turn;
#ifdef OWN_LOCK
  if :: getting = FREE OR_DIE(me) fi;
#else
  if :: putting = FREE OR_DIE(me) fi;
#endif
  if
  :: atomic { turn == seen -> asleep[me - N] = true }
  :: turn != seen
  OR_DIE(me)
  fi;
end_asleep: /* legitimate while there is nothing to take; init looks */
  if
  :: !asleep[me - N]
  :: atomic { asleep[me - N] && kills > 0 -> kills--; dead[me] = true; asleep[me - N] = false; goto died }
  fi;
  goto again;
take:
  in_large = large;
  if
  :: d_step { if :: in_large -> got = large_ring[h % LARGE] :: else -> got = small_ring[h % SMALL] fi }
  OR_DIE(me)
  fi;
  if :: head[OTHER(gets)] = h + 1 OR_DIE(me) fi;
  if
  :: d_step { gets++; taken++; assert(got == taken); assert(taken <= committed); got = 0 }
  OR_DIE(me)
  fi;
  done[me - N] = true;
  if :: getting = FREE OR_DIE(me) fi;
died:
  skip
}

init {
  byte p = 0;
  atomic {
    do :: p < N -> run producer(p); run consumer(N + p); p++ :: else -> break od
  }
  timeout; /* nothing moves any more */
  assert(tail[puts % 2] == committed && head[gets % 2] == taken);
  p = 0;
  do
  :: p < N -> assert(done[p] || dead[N + p] || committed == taken); p++
  :: else -> break
  od
}

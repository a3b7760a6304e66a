/* One round of the barrier (docs/ipc.md): who arrives sits on a seat and holds its lock, the last
 * one writes the end of the round into the seats and then the next round. All of it under the
 * monitor's lock, which is taken for granted here (monitor.pml). K parties are killed anywhere.
 * Checked: who waits beside a seat of a dead one does not wait for ever; of one round nobody hears
 * that it was passed and another that it broke; it is passed only where all had arrived.
 *   -DEND_LATE   the ends are written after the round
 *   -DNO_LOOK    who waits does not look for the dead
 */
#define P 3
#ifndef K
#define K 2
#endif
#define FREE 99
#define OPEN 0
#define PASSED 1
#define BROKEN 2

byte owner = FREE;  /* of the monitor */
byte round = 1;
bool broken = false;
bool sits[P];       /* the seat is one of the round */
bool held[P];       /* its lock; a death frees it */
byte end[P];        /* how the round ended for it */
byte heard[P];      /* what its party was told */
bool arrived[P];
bool dead[P];
byte kills = K;

#define OR_DIE(me) \
  :: atomic { kills > 0 -> kills--; dead[me] = true; held[me] = false; \
       if :: owner == me -> owner = FREE :: else -> skip fi; \
       goto died }

/* a seat of the round that nobody holds */
#define DEAD_SEAT \
  (round == 1 \
   && ((sits[0] && !held[0]) || (sits[1] && !held[1]) || (sits[2] && !held[2])))

inline count_seats() {
  d_step { n = 0; i = 0; do :: i < P -> n = n + sits[i]; i++ :: else -> break od; i = 0 }
}

proctype party(byte me) {
  byte i, n;
  if :: atomic { owner == FREE -> owner = me } OR_DIE(me) fi;
  if :: DEAD_SEAT -> broken = true :: else -> skip fi;
  if :: broken -> heard[me] = BROKEN; owner = FREE; goto died :: else -> skip fi;
  count_seats();
  if
  :: n + 1 == P ->
     arrived[me] = true;
#ifdef END_LATE
     if :: round = 2 OR_DIE(me) fi;
#endif
     do
     :: i < P -> if :: end[i] = (sits[i] -> PASSED : end[i]); i++ OR_DIE(me) fi
     :: else -> break
     od;
#ifndef END_LATE
     if :: round = 2 OR_DIE(me) fi;
#endif
     heard[me] = PASSED;
     if :: owner = FREE OR_DIE(me) fi;
     goto died
  :: else -> skip
  fi;
  if :: held[me] = true OR_DIE(me) fi;
  if :: sits[me] = true OR_DIE(me) fi;
  arrived[me] = true;
sit:
  if
  :: round != 1 -> goto over
  :: else -> skip
  fi;
#ifndef NO_LOOK
  if :: DEAD_SEAT -> broken = true :: else -> skip fi;
#endif
  if :: broken -> heard[me] = BROKEN; sits[me] = false; goto leave :: else -> skip fi;
  if :: owner = FREE OR_DIE(me) fi;
end_waits: /* until there is something to see, or the next look finds a dead one */
  if
  :: round != 1 || broken
#ifndef NO_LOOK
  :: DEAD_SEAT
#endif
  OR_DIE(me)
  fi;
  if :: atomic { owner == FREE -> owner = me } OR_DIE(me) fi;
  goto sit;
over:
  heard[me] = (end[me] == PASSED -> PASSED : BROKEN);
leave:
  held[me] = false;
  owner = FREE;
died:
  skip
}

init {
  byte p, q;
  atomic {
    p = 0;
    do :: p < P -> run party(p); p++ :: else -> break od
  }
  timeout; /* nothing moves any more */
  d_step {
    p = 0;
    do
    :: p < P ->
       assert(dead[p] || heard[p] != OPEN || !DEAD_SEAT);
       q = 0;
       do
       :: q < P ->
          assert(heard[p] != PASSED || heard[q] != BROKEN);
          assert(heard[p] != PASSED || arrived[q]);
          q++
       :: else -> break
       od;
       p++
    :: else -> break
    od
  }
}

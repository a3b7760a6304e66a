/* The queue (docs/ipc.md): the state is there twice; a change writes the copy that does not count
 * and then, as its one store, which one counts. All of it under the monitor's lock, which is taken
 * for granted here (monitor.pml). K producers and consumers are killed anywhere.
 * Checked: what was committed is taken once and in order, and positions and counts agree.
 *   -DITEM_LATE  the item is written behind the commit
 *   -DIN_PLACE   the copy that counts is changed in place
 */
#ifndef N
#define N 2   /* producers, and consumers */
#endif
#ifndef K
#define K 3
#endif
#define FREE 99
#define CELLS 4

byte owner = FREE;
byte item[CELLS];
byte head[2], tail[2], puts[2], gets[2];
bit counts = 0;
byte committed = 0;  /* what really happened, for the checks */
byte taken = 0;
byte kills = K;

#define OR_DIE(me) \
  :: atomic { kills > 0 -> kills--; if :: owner == me -> owner = FREE :: else -> skip fi; goto died }

#ifdef IN_PLACE
#define OTHER counts
#else
#define OTHER (1 - counts)
#endif

proctype producer(byte me) {
  byte h, t, p, g;
  bit to;
  if :: atomic { owner == FREE -> owner = me } OR_DIE(me) fi;
  d_step { h = head[counts]; t = tail[counts]; p = puts[counts]; g = gets[counts]; to = OTHER }
#ifndef ITEM_LATE
  if :: item[t % CELLS] = committed + 1 OR_DIE(me) fi;
#endif
  if :: head[to] = h OR_DIE(me) fi;
  if :: tail[to] = t + 1 OR_DIE(me) fi;
  if :: puts[to] = p + 1 OR_DIE(me) fi;
  if :: gets[to] = g OR_DIE(me) fi;
  if :: d_step { counts = to; committed++ } OR_DIE(me) fi;
#ifdef ITEM_LATE
  if :: item[t % CELLS] = committed OR_DIE(me) fi;
#endif
  if :: owner = FREE OR_DIE(me) fi;
died:
  skip
}

proctype consumer(byte me) {
  byte h, t, p, g, got;
  bit to;
  if :: atomic { owner == FREE -> owner = me } OR_DIE(me) fi;
  d_step { h = head[counts]; t = tail[counts]; p = puts[counts]; g = gets[counts]; to = OTHER }
  if
  :: p == g -> owner = FREE; goto died /* it is empty */
  :: else -> skip
  fi;
  got = item[h % CELLS];
  if :: head[to] = h + 1 OR_DIE(me) fi;
  if :: tail[to] = t OR_DIE(me) fi;
  if :: puts[to] = p OR_DIE(me) fi;
  if :: gets[to] = g + 1 OR_DIE(me) fi;
  if :: d_step { counts = to; taken++; assert(got == taken); got = 0 } OR_DIE(me) fi;
  if :: owner = FREE OR_DIE(me) fi;
died:
  skip
}

init {
  byte i;
  atomic {
    i = 0;
    do :: i < N -> run producer(i); run consumer(N + i); i++ :: else -> break od
  }
  timeout; /* nothing moves any more */
  assert(puts[counts] == committed && gets[counts] == taken);
  assert(tail[counts] - head[counts] == committed - taken)
}

/* wait() for several shared objects at once (docs/ipc.md): under the lock of each object it looks,
 * registers in its line and reads `turn`; then it sleeps on all those words as one system call does,
 * which compares and enters one word after the other. A announcers raise one of the objects' numbers;
 * K of all are killed anywhere. Checked: nobody sleeps for ever beside a number that is not 0.
 *   -DLOOK_FIRST  it looks at all objects, and registers behind that
 *   -DREAD_LATE   it reads `turn` after it released the lock
 */
#ifndef W
#define W 2 /* waiters */
#endif
#ifndef A
#define A 2
#endif
#ifndef K
#define K 2
#endif
#define O 2 /* objects */
#define FREE 99

byte owner[O] = FREE;
byte number[O];
byte turn[O];
bool sleepers[O];
bool entered[W * O]; /* in the futex's queue of this word */
bool woken[W];
bool done[W];
bool dead[W + A];
byte kills = K;

inline leave_all(w) { d_step { entered[w * O] = false; entered[w * O + 1] = false } }

#define OR_DIE(me) \
  :: atomic { kills > 0 -> kills--; dead[me] = true; \
       if :: owner[0] == me -> owner[0] = FREE :: else -> skip fi; \
       if :: owner[1] == me -> owner[1] = FREE :: else -> skip fi; \
       goto died }

proctype waiter(byte me) {
  byte o;
  byte seen[O];
again:
#ifdef LOOK_FIRST
  if
  :: number[0] > 0 || number[1] > 0 -> done[me] = true; goto died
  :: else -> skip
  fi;
#endif
  o = 0;
  do
  :: o < O ->
     if :: atomic { owner[o] == FREE -> owner[o] = me } OR_DIE(me) fi;
#ifndef LOOK_FIRST
     if
     :: number[o] > 0 -> owner[o] = FREE; done[me] = true; goto died
     :: else -> skip
     fi;
#endif
     if :: sleepers[o] = true OR_DIE(me) fi;
#ifndef READ_LATE
     seen[o] = turn[o];
#endif
     if :: owner[o] = FREE OR_DIE(me) fi;
#ifdef READ_LATE
     seen[o] = turn[o];
#endif
     o++
  :: else -> break
  od;
  woken[me] = false;
  o = 0;
  do
  :: o < O ->
     if
     :: atomic { turn[o] == seen[o] -> entered[me * O + o] = true }
     :: turn[o] != seen[o] -> leave_all(me); goto again
     fi;
     o++
  :: else -> break
  od;
end_asleep: /* legitimate while there is nothing; init looks */
  if
  :: woken[me] -> leave_all(me)
  :: atomic { !woken[me] && kills > 0 -> kills--; dead[me] = true; leave_all(me); goto died }
  fi;
  goto again;
died:
  skip
}

proctype announcer(byte me; byte o) {
  byte i;
  if :: atomic { owner[o] == FREE -> owner[o] = me } OR_DIE(me) fi;
  if
  :: sleepers[o] ->
     if :: turn[o]++ OR_DIE(me) fi;
     if
     :: d_step {
          i = 0;
          do
          :: i < W ->
             if :: entered[i * O + o] -> woken[i] = true; entered[i * O + o] = false :: else -> skip fi;
             i++
          :: else -> break
          od;
          i = 0
        }
     OR_DIE(me)
     fi;
     if :: sleepers[o] = false OR_DIE(me) fi
  :: !sleepers[o]
  fi;
  if :: number[o]++ OR_DIE(me) fi;
  if :: owner[o] = FREE OR_DIE(me) fi;
died:
  skip
}

init {
  byte p;
  atomic {
    p = 0;
    do :: p < W -> run waiter(p); p++ :: else -> break od;
    do :: p < W + A -> run announcer(p, p % O); p++ :: else -> break od
  }
  timeout; /* nothing moves any more */
  p = 0;
  do
  :: p < W -> assert(done[p] || dead[p] || (number[0] == 0 && number[1] == 0)); p++
  :: else -> break
  od
}

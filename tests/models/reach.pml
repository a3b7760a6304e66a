/* Who may run a task that went through a broker: docs/cluster.md. One task, two nodes, a broker that
   keeps batches in any number, repeats messages and loses them. -DRETRIES=n: the task is idempotent.
   Checked: it runs once at most for each attempt, it ends once, and what was withdrawn never runs.

   Broken on purpose, each of which must be found:
   BLIND       a batch runs without a question
   ANY_ANSWER  an answer counts whichever question it answers
   ANY_WORD    what a node says counts under any number
   REGRANT     the task of a lost node is granted again though it is not idempotent */
#ifndef RETRIES
#define RETRIES 0
#endif
#define NODES 2
#define QUESTIONS 3

mtype = { waiting, offered, granted, ended, none, held, asked, taken, said, done, failed, not_begun };

/* The submitter's ledger. */
mtype place = waiting;
byte holder, number, attempt = 1, outcomes;
byte last[NODES];
bool withdrawn;
byte runs;

/* The broker. */
byte copies;
chan asks = [2] of { byte, byte };
chan words = [2] of { byte, byte, mtype };
chan answers[NODES] = [2] of { byte, bool };
chan settled[NODES] = [2] of { byte };
byte repeats;

/* What does not fit is lost. */
#define SEND(c, m) if :: nfull(c) -> c!m :: full(c) fi

inline finish() {
  place = ended;
  outcomes++;
  assert(outcomes == 1)
}

inline try_again() {
  if
#ifdef REGRANT
  :: attempt < 3 -> attempt++; place = waiting
#else
  :: attempt <= RETRIES -> attempt++; place = waiting
#endif
  :: else -> finish()
  fi
}

proctype submitter() {
  byte n, k;
  mtype what;
end:
  do
  :: atomic { place == waiting && copies < 2 -> place = offered; copies++ }
  :: atomic { place == offered && copies < 2 && repeats < 2 -> repeats++; copies++ }
  :: atomic { (place == waiting || place == offered) && attempt == 1 -> withdrawn = true; finish() }
  :: atomic { place == granted && repeats < 2 -> repeats++; number = 0; holder = NODES; try_again() }
  :: atomic {
      asks?[n, k] ->
      if
      :: asks?n, k
      :: repeats < 2 -> repeats++; asks?<n, k> /* it comes again */
      fi;
      if
      :: k <= last[n] -> skip /* an old question */
      :: else ->
        last[n] = k;
        if
        :: place == waiting || place == offered || (place == granted && holder == n) ->
          place = granted; holder = n; number = k;
          SEND(answers[n], k(true))
        :: else -> SEND(answers[n], k(false))
        fi
      fi; n = 0; k = 0
    }
  :: atomic {
      words?n, k, what ->
      if
#ifdef ANY_WORD
      :: place == granted && holder == n ->
#else
      :: place == granted && holder == n && number == k ->
#endif
        if
        :: what == done -> finish()
        :: what == failed -> try_again()
        :: what == not_begun -> place = waiting
        fi
      :: else /* late */
      fi;
      SEND(settled[n], k); n = 0; k = 0; what = 0
    }
  od
}

proctype node(byte me) {
  mtype stage = none;
  mtype what;
  byte mine, k;
  bool yes;
end:
  do
  :: atomic { stage == none && copies > 0 -> copies--; stage = held }
#ifdef BLIND
  :: atomic { stage == held -> stage = taken }
#else
  :: atomic { (stage == held || stage == asked) && mine < QUESTIONS ->
      mine++; stage = asked; SEND(asks, me(mine)) }
#endif
  :: atomic {
      answers[me]?k, yes ->
      if
#ifdef ANY_ANSWER
      :: stage == asked ->
#else
      :: stage == asked && k == mine ->
#endif
        if :: yes -> stage = taken :: else -> stage = none fi
      :: else
      fi; k = 0; yes = false
    }
  :: atomic { stage == taken ->
      runs++;
      assert(runs <= 1 + RETRIES);
      assert(!withdrawn);
      stage = said;
      if :: what = done :: what = failed fi;
      SEND(words, me(mine, what)) }
  :: atomic { stage == taken -> stage = said; what = not_begun; SEND(words, me(mine, what)) }
  :: atomic { stage == said && repeats < 2 -> repeats++; SEND(words, me(mine, what)) }
  :: atomic { settled[me]?k ->
      if :: stage == said && k == mine -> stage = none; what = 0 :: else fi; k = 0 }
  :: atomic { stage == held -> copies++; stage = none } /* it is for somebody else */
  :: atomic { repeats < 2 -> repeats++; /* it is killed */
      if :: stage == held -> copies++ :: else fi;
      break }
  od
}

/* The connection breaks: what was on its way is gone. */
proctype breaks() {
  byte n, k;
  mtype what;
  bool yes;
  atomic {
    copies = 0;
    do :: asks?n, k :: empty(asks) -> break od;
    do :: words?n, k, what :: empty(words) -> break od;
    do :: answers[0]?k, yes :: answers[1]?k, yes
       :: empty(answers[0]) && empty(answers[1]) -> break od;
    do :: settled[0]?k :: settled[1]?k :: empty(settled[0]) && empty(settled[1]) -> break od;
    if :: place == offered -> place = waiting :: else fi
  }
}

init {
  atomic { run submitter(); run node(0); run node(1); run breaks() }
}

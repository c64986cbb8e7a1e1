/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The plays, by what they exercise. Each is a cmocka test that runs its plays with every allocation
 * refused in turn; what must hold beyond "no crash and nothing left over" stands in each.
 */
#ifndef TESTS_FAULTS_PLAYS_H
#define TESTS_FAULTS_PLAYS_H

/* read.c: bytes into facts. -ENOMEM and nothing, or what is right. */
void plays_config(void **state);
void plays_marathon(void **state);
void plays_sieve(void **state);
void plays_events(void **state);
void plays_consul(void **state);

/*
 * decide.c: facts into maps. The last good state stays, and the truth told again leads to where it
 * would have led.
 */
void plays_model(void **state);
void plays_registrations(void **state);
void plays_questions(void **state);
void plays_publish(void **state); /* publish.c */

/* edges.c: on a real event loop, against a server in another process */
void plays_http(void **state);
void plays_callback(void **state);
/* start.c: no timer is lost; what the daemon is made of is made whole or not at all */
void plays_timers(void **state);
void plays_start(void **state);
void plays_held(void **state);

/* running.c: a daemon that runs, against registries that answer (test_faults_running) */
void plays_running(void **state); /* Marathon's answers, the stream */
void plays_called(void **state);  /* its callbacks */
void plays_agent(void **state);	  /* Consul's answers, and what it is told */
void plays_asked(void **state);	  /* status, why, drain, a scrape */
void plays_reload(void **state);

#endif

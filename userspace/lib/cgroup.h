/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Programs on a cgroup, for clients on this host: each is remembered by the pin of its link in PIN_DIR/attach,
 * cgroup-connect4 and so on. Also which cgroup `auto` means, and which network namespace is the host's. Others may have
 * programs on the same cgroup; they are never touched. For root; the caller holds the lock of pins.h.
 */
#ifndef SLUICE_CGROUP_H
#define SLUICE_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cgroup_hook {
	CGROUP_RELEASE,
	CGROUP_PEER4,
	CGROUP_PEER6,
	CGROUP_CONNECT4,
	CGROUP_CONNECT6,
	CGROUP_HOOKS,
};

/*
 * Open the cgroup that [node] cgroup names: a path, or `auto`, the root of the cgroup v2 hierarchy, mounted or not. A
 * descriptor that the caller closes, or negative errno with one line in error.
 */
int cgroup_open(const char *cgroup, char *error, size_t len);

/* What identifies it for as long as it exists, also in struct sluice_meta; 0 if it cannot be told. */
uint64_t cgroup_id(int fd);

/*
 * Cookie of our own network namespace. 0 in *cookie stands for the initial one where the kernel does not tell (before
 * Linux 5.14); -EOPNOTSUPP: it does not tell, and ours is another one.
 */
int cgroup_netns(uint64_t *cookie, char *error, size_t len);

/* Can the programs tell a Multipath TCP socket's parts from other sockets? Tried, not asked of the version. */
bool cgroup_knows_mptcp(void);

/*
 * Attach or replace all hooks; progs by enum cgroup_hook. *moved: some were not there before, or on another cgroup. On
 * failure those that were replaced or made stay, for the caller to detach.
 */
int cgroup_attach(const char *pin_dir, int fd, const int progs[CGROUP_HOOKS], bool *moved,
		  char *error, size_t len);

/* Detach what is remembered. *count, if not NULL, grows by how many hooks there were. */
int cgroup_detach(const char *pin_dir, unsigned *count, char *error, size_t len);

#endif

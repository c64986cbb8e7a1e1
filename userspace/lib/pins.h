/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The folder of pins: who may do what with the maps is decided by the modes that are given here, and by nothing else.
 *
 *   PIN_DIR            root:GROUP 0750
 *   PIN_DIR/MAP        root:GROUP 0660 what the daemon writes, 0640 what it only reads
 *   PIN_DIR/attach     root:root  0700 links and programs: whoever can open a link can detach it
 *   PIN_DIR/root/MAP   root:root  0700 what belongs to the programs and to root: whoever reads an event takes it from others
 *
 * For root: attach, detach and tests.
 */
#ifndef SLUICE_PINS_H
#define SLUICE_PINS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define PINS_PATH_LEN 512
#define PINS_ATTACH_DIR "attach"
#define PINS_ROOT_DIR "root"

/* Name or number of a group. -ENOENT: there is none of that name. */
int pins_group(const char *group, gid_t *gid);

/*
 * Make the folders, and keep others from attaching or detaching there until the descriptor in *lock is closed; waits for
 * them. -ENOTSUP: no bpffs is mounted there. On failure error has a line for the user.
 */
int pins_prepare(const char *pin_dir, gid_t gid, int *lock, char *error, size_t len);

/* The lock alone; -ENOENT if the folders are not there. */
int pins_lock(const char *pin_dir, int *lock, char *error, size_t len);

/* Attach has come as far as the map of meta, and nobody has removed it. */
bool pins_are_there(const char *pin_dir);

/* Path of an entry of PIN_DIR/attach. -ENAMETOOLONG. */
int pins_attach_path(const char *pin_dir, const char *entry, char path[PINS_PATH_LEN]);

/* Path of an entry of PIN_DIR/root. -ENAMETOOLONG. */
int pins_root_path(const char *pin_dir, const char *entry, char path[PINS_PATH_LEN]);

/* Mode and owner of one map's pin. */
int pins_give(const char *path, gid_t gid, bool daemon_writes);
/* The same for one in PIN_DIR/root. */
int pins_give_root(const char *path);

/* Remove all maps' pins and the folders; what is pinned in attach must be gone. Missing ones are no error. */
int pins_remove(const char *pin_dir, char *error, size_t len);

#endif

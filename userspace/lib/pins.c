/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Folders and modes on a bpffs. Folders are made with their final mode or a stricter one, so there is no moment in which
 * somebody else could open a pin.
 */
#include "pins.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "maps.h"

int pins_group(const char *group, gid_t *gid)
{
	const struct group *found = getgrnam(group);
	unsigned long number;
	char *end;

	if (found) {
		*gid = found->gr_gid;
		return 0;
	}
	errno = 0;
	number = strtoul(group, &end, 10);
	if (group[0] < '0' || group[0] > '9' || *end || errno || number >= (gid_t)-1)
		return -ENOENT;
	*gid = (gid_t)number;
	return 0;
}

static int entry_path(const char *pin_dir, const char *folder, const char *entry,
		      char path[PINS_PATH_LEN])
{
	int len = snprintf(path, PINS_PATH_LEN, "%s/%s%s%s", pin_dir, folder, entry[0] ? "/" : "",
			   entry);

	return len < PINS_PATH_LEN ? 0 : -ENAMETOOLONG;
}

int pins_attach_path(const char *pin_dir, const char *entry, char path[PINS_PATH_LEN])
{
	return entry_path(pin_dir, PINS_ATTACH_DIR, entry, path);
}

int pins_root_path(const char *pin_dir, const char *entry, char path[PINS_PATH_LEN])
{
	return entry_path(pin_dir, PINS_ROOT_DIR, entry, path);
}

bool pins_are_there(const char *pin_dir)
{
	char path[PINS_PATH_LEN];

	snprintf(path, sizeof(path), "%.400s/" SLUICE_MAP_META, pin_dir);
	return !access(path, F_OK);
}

/* Is the nearest folder that exists on a bpffs? */
static int check_bpffs(const char *pin_dir, char *error, size_t len)
{
	char path[PINS_PATH_LEN], *slash;
	struct statfs info;
	int err = 0;

	if (snprintf(path, sizeof(path), "%s", pin_dir) >= (int)sizeof(path)) {
		snprintf(error, len, "[node] pin_dir = %.100s...: too long", pin_dir);
		return -ENAMETOOLONG;
	}
	while (statfs(path, &info) < 0) {
		slash = strrchr(path, '/');
		if (errno != ENOENT || !slash) {
			err = -errno;
			snprintf(error, len, "[node] pin_dir = %s: %s", pin_dir, strerror(-err));
			return err;
		}
		slash[slash == path] = '\0';
	}
	if ((__u32)info.f_type == BPF_FS_MAGIC)
		return 0;
	if (!strncmp(pin_dir, "/sys/fs/bpf/", 12)) {
		snprintf(path, sizeof(path), "/sys/fs/bpf");
	} else {
		snprintf(path, sizeof(path), "%s", pin_dir);
		slash = strrchr(path, '/');
		slash[slash == path] = '\0';
	}
	snprintf(error, len, "[node] pin_dir = %s: no bpffs is mounted there (mount -t bpf bpf %s)",
		 pin_dir, path);
	return -ENOTSUP;
}

static int make_folder(const char *path, mode_t mode)
{
	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

static int make_root_folder(const char *path)
{
	int err = make_folder(path, 0700);

	if (!err && (chown(path, 0, 0) < 0 || chmod(path, 0700) < 0))
		err = -errno;
	return err;
}

static int make_folders(const char *pin_dir, gid_t gid)
{
	char path[PINS_PATH_LEN], attach[PINS_PATH_LEN], root[PINS_PATH_LEN], *slash;
	int err = pins_attach_path(pin_dir, "", attach);

	if (!err)
		err = pins_root_path(pin_dir, "", root);
	if (err)
		return err;
	snprintf(path, sizeof(path), "%s", pin_dir);
	for (slash = path + 1; !err && (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		err = make_folder(path, 0755);
		*slash = '/';
	}
	if (!err)
		err = make_folder(path, 0700);
	if (!err && (chown(path, 0, gid) < 0 || chmod(path, 0750) < 0))
		err = -errno;
	if (!err)
		err = make_root_folder(attach);
	if (!err)
		err = make_root_folder(root);
	return err;
}

int pins_lock(const char *pin_dir, int *lock, char *error, size_t len)
{
	char path[PINS_PATH_LEN];
	struct stat held, there;
	int fd, err = pins_attach_path(pin_dir, "", path);

	if (err)
		goto out;
	for (;;) {
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0) {
			err = -errno;
			goto out;
		}
		if (flock(fd, LOCK_EX) < 0 || fstat(fd, &held) < 0) {
			err = -errno;
			close(fd);
			goto out;
		}
		/* Whoever held it may have removed the folder. */
		if (!stat(path, &there) && there.st_ino == held.st_ino &&
		    there.st_dev == held.st_dev)
			break;
		close(fd);
	}
	*lock = fd;
out:
	if (err)
		snprintf(error, len, "%s: cannot be locked: %s", path, strerror(-err));
	return err;
}

int pins_prepare(const char *pin_dir, gid_t gid, int *lock, char *error, size_t len)
{
	int err = check_bpffs(pin_dir, error, len), tries;

	if (err)
		return err;
	for (tries = 0; tries < 10; tries++) {
		err = make_folders(pin_dir, gid);
		if (err) {
			snprintf(error, len, "[node] pin_dir = %s: %s%s", pin_dir, strerror(-err),
				 err == -EPERM && strchr(pin_dir, '.')
					 ? " (names on a bpffs have no dot)"
					 : "");
			return err;
		}
		err = pins_lock(pin_dir, lock, error, len);
		if (err != -ENOENT)
			break; /* else a detach has just removed it */
	}
	return err;
}

int pins_give(const char *path, gid_t gid, bool daemon_writes)
{
	/* In this order: with the mode first, the old group could open it for a moment. */
	if (chmod(path, 0600) < 0 || chown(path, 0, gid) < 0 ||
	    chmod(path, daemon_writes ? 0660 : 0640) < 0)
		return -errno;
	return 0;
}

int pins_give_root(const char *path)
{
	return chmod(path, 0600) < 0 || chown(path, 0, 0) < 0 ? -errno : 0;
}

static int remove_pin(const char *path, char *error, size_t len)
{
	int err = unlink(path) < 0 && errno != ENOENT ? -errno : 0;

	if (err)
		snprintf(error, len, "%s: cannot be removed: %s", path, strerror(-err));
	return err;
}

/* Maps that another version pinned there, and that this one has no name for. A folder that has changed is read anew. */
static int remove_unknown(const char *folder, char *error, size_t len)
{
	char path[PINS_PATH_LEN];
	struct dirent *entry;
	DIR *dir = opendir(folder);
	int err = 0;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while (!err && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "sluice_", 7) != 0)
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) >=
		    (int)sizeof(path))
			err = -ENAMETOOLONG;
		else
			err = remove_pin(path, error, len);
		rewinddir(dir);
	}
	closedir(dir);
	return err;
}

static int remove_folder(const char *path)
{
	return rmdir(path) < 0 && errno != ENOENT ? -errno : 0;
}

int pins_remove(const char *pin_dir, char *error, size_t len)
{
	char path[PINS_PATH_LEN];
	int err = 0, last, one;
	size_t i;

	for (i = 0; i < MAPS_COUNT; i++) {
		if (snprintf(path, sizeof(path), "%s/%s", pin_dir, maps_kinds[i].name) >=
		    (int)sizeof(path))
			return -ENAMETOOLONG;
		one = remove_pin(path, error, len);
		err = one ? one : err;
	}
	for (i = 0; i < MAPS_ROOT_COUNT; i++) {
		one = pins_root_path(pin_dir, maps_root_kinds[i].name, path);
		if (!one)
			one = remove_pin(path, error, len);
		err = one ? one : err;
	}
	last = remove_unknown(pin_dir, error, len);
	if (!last)
		last = pins_root_path(pin_dir, "", path);
	if (!last)
		last = remove_unknown(path, error, len);
	if (!last)
		last = remove_folder(path);
	if (!last)
		last = pins_attach_path(pin_dir, "", path);
	if (!last)
		last = remove_folder(path);
	if (!last && rmdir(pin_dir) < 0 && errno != ENOENT)
		last = -errno;
	if (last && !err) {
		err = last;
		snprintf(error, len, "%s: cannot be removed: %s", pin_dir, strerror(-err));
	}
	return err;
}

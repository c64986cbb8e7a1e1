/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One app of Marathon's with its tasks, out of a parsed document. What Marathon leaves out where it may (a task's
 * state before 1.2, empty lists before 1.6, nulls) is filled in here, so that no one else needs to know versions.
 */
#ifndef SLUICED_MARATHON_APP_H
#define SLUICED_MARATHON_APP_H

#include "marathon_json.h"

#define PLACE_LEN 64

/* Is word on the list, whatever its case, or is the list empty? */
bool marathon_app_listed(const char *const *list, size_t count, const char *word);

/*
 * Read item, which stands at place in its document, into a zeroed app. 0, -EINVAL with error filled, or -ENOMEM; the caller
 * releases the app in any case.
 */
int marathon_app_read(const cJSON *item, const char *place, const struct marathon_filter *filter,
		      struct facts_app *app, struct json_error *error);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One question about the kernel.
 */
#include "realtime.h"

#include <string.h>
#include <sys/utsname.h>

const char realtime_reason[] =
	"this kernel is built with PREEMPT_RT, which lets two packets be worked on at once on one CPU: not supported";

bool realtime_is(const char *version)
{
	return strstr(version, "PREEMPT_RT") != NULL;
}

bool realtime_is_running(void)
{
	struct utsname name;

	return !uname(&name) && realtime_is(name.version);
}
